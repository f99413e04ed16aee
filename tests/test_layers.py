"""The layers equal the plain ones of flax and lax, in gradients of every order."""

import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_jax import layers
from gan_jax.errors import UsageError
from gan_jax.layers import convolution, convolution_on_cpu, plain_convolution
from gan_jax.loop import compiler


def normal(seed, shape):
    return jax.random.normal(jax.random.key(seed), shape)


def same(a, b, tolerance=2e-5):
    """Equal trees: errors small beside the largest entry of each leaf."""
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.shape == y.shape
        scale = np.abs(y).max() + 1e-6
        np.testing.assert_allclose(x / scale, y / scale, rtol=0, atol=tolerance)


def orders(f):
    """The function args -> value, gradients, second derivatives (reverse over reverse).

    Gradients are those of a smooth function of f with weights of its own everywhere.
    """

    def objective(*args):
        y = f(*args)
        return (jnp.tanh(y) * normal(9, y.shape)).sum()

    def penalty(*args):
        first = jax.grad(objective, range(len(args)))(*args)
        return sum((g**2).sum() for g in jax.tree.leaves(first)), first

    def all_orders(*args):
        second, first = jax.grad(penalty, range(len(args)), has_aux=True)(*args)
        return f(*args), first, second

    return jax.jit(all_orders)


# image size, channels, kernel, stride, padding, features; then what is special
CONVOLUTIONS = [
    (8, 3, 4, 2, "SAME", 4),
    (7, 2, 5, 2, "SAME", 3),  # odd image, uneven padding
    (4, 2, 5, 2, "SAME", 3),  # kernel larger than the image
    (6, 3, 5, 1, 3, 4),  # features larger than the image
    (8, 3, 8, 1, 4, 2),  # ... with an even kernel
    (4, 2, 3, 1, 4, 2),  # ... more padding than the kernel can touch
    (11, 2, 5, 3, 0, 2),
    (10, 2, 3, 3, 1, 2),  # the stride leaves pixels over
    (7, 3, 5, 2, "SAME", 3),  # as many channels as features
    (6, 3, 3, 2, 4, 2),  # ... more padding than the kernel can touch
    (9, 3, 2, 3, 1, 3),  # ... a kernel that passes over pixels
    (8, 16, 4, 2, 1, 20),
    (4, 16, 4, 2, 1, 44),  # fewer places than features
    (7, 4, 7, 1, 0, 1),  # a single place, and a single feature
    (7, 4, 1, 1, 0, 1),  # ... of a kernel's gradient
    (2, 1, 4, 2, 1, 1),  # ... within an image's gradient
    (1, 1, 1, 1, 0, 1),
    (3, 2, 3, 1, 1, 30),  # ... at every pixel
]


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_is_the_plain_one(case, images):
    size, channels, kernel, stride, padding, features = case
    x = normal(0, (images, size, size, channels))
    w = normal(1, (kernel, kernel, channels, features))
    window = convolution.Window.over(x.shape[1:3], kernel, stride, padding)

    def plain(x, w):
        pads = padding if padding == "SAME" else [(padding, padding)] * 2
        return lax.conv_general_dilated(
            x, w, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    ours = orders(lambda x, w: convolution.to_features(x, w, window))(x, w)
    same(ours, orders(plain)(x, w))
    assert ours[0].shape[1:3] == window.features


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_transposes_satisfy_the_trilinear_form(case, images):
    """<y, conv(x, w)> = <to_image(y, w), x> = <to_kernel(x, y), w>."""
    size, channels, kernel, stride, padding, features = case
    window = convolution.Window.over((size, size), kernel, stride, padding)
    x = normal(0, (images, size, size, channels))
    w = normal(1, (kernel, kernel, channels, features))
    y = normal(2, (images, *window.features, features))
    form = (y * convolution.to_features(x, w, window)).sum()
    same((convolution.to_image(y, w, window) * x).sum(), form, 1e-4)
    same((convolution.to_kernel(x, y, window) * w).sum(), form, 1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_large_minibatch_is_taken_in_parts(stride):
    window = convolution.Window.over((32, 32), 4, stride, 1)
    x, w = normal(0, (18, 32, 32, 2)), normal(1, (4, 4, 2, 2))
    y = normal(2, (18, *window.features, 2))
    form = convolution_on_cpu.to_kernel(x, y, window)
    assert form.func is convolution_on_cpu._kernel_of_parts
    assert form.args == (2,)
    plain = functools.partial(plain_convolution.to_features, window=window)
    ours = orders(lambda x, w: convolution.to_features(x, w, window))(x, w)
    same(ours, orders(plain)(x, w), 1e-4)


def test_devices_that_share_a_minibatch_exchange_a_gradient_and_no_images():
    window = convolution.Window.over((32, 32), 4, 2, 1)
    mesh = Mesh(jax.devices()[:2], ("data",))
    shared, whole = (
        NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("data",), ())
    )

    def of(shape, sharding):
        return jax.ShapeDtypeStruct(shape, np.float32, sharding=sharding)

    x, w = of((32, 32, 32, 4), shared), of((4, 4, 4, 4), whole)
    y = of((32, *window.features, 4), shared)
    for function, arguments, sums in (
        (convolution.to_image, (y, w), 0),
        (convolution.to_kernel, (x, y), 1),
    ):
        result = whole if sums else shared
        program = jax.jit(function, static_argnums=2, out_shardings=result)
        with jax.set_mesh(mesh):
            text = program.lower(*arguments, window).compile().as_text()
        exchanges = re.findall(r" = .* (all-\w+|collective-\w+)\S*\(", text)
        assert exchanges == ["all-reduce"] * sums
        assert text.count("f32[4,4,4,4]{3,2,1,0} all-reduce") == sums


def test_parts_of_a_minibatch():
    assert convolution_on_cpu._parts(128, 8) == 16
    assert convolution_on_cpu._parts(1024, 8) == 16
    assert convolution_on_cpu._parts(128, 32) == 4
    assert convolution_on_cpu._parts(127, 8) == 1  # a prime number of images
    assert convolution_on_cpu._parts(100, 8) == 10
    assert convolution_on_cpu._parts(7, 8) == 1
    assert convolution_on_cpu._parts(4, 0) == 4


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_the_library_of_this_backend_computes_the_same(case):
    """oneDNN has been wrong where a single feature has a single place."""
    size, channels, kernel, stride, padding, features = case
    window = convolution.Window.over((size, size), kernel, stride, padding)
    x, w = (
        normal(0, (3, size, size, channels)),
        normal(1, (kernel, kernel, channels, features)),
    )
    y = normal(2, (3, *window.features, features))
    for name, arrays in (("features", (x, w)), ("image", (y, w)), ("kernel", (x, y))):

        def of(module, name=name):
            return functools.partial(getattr(module, f"to_{name}"), window=window)

        ours = jax.jit(of(convolution), compiler_options=compiler._library())
        same(ours(*arrays), jax.jit(of(plain_convolution))(*arrays))


FORMS = {  # (images, size, channels, kernel, stride, padding, features): image, kernel
    (128, 16, 64, 4, 2, 1, 128): ("_interleave_image", "_kernel_of_parts"),
    (1, 4, 128, 4, 2, 1, 128): ("_fold_image", "_unfold_kernel"),
    (1, 64, 16, 4, 2, 1, 32): ("_interleave_image", "_unfold_kernel"),
    (16, 16, 16, 3, 2, 1, 32): (None, None),
    (8, 16, 16, 3, 1, 1, 16): (None, None),
    (8, 16, 3, 3, 1, 1, 16): ("_fold_image", None),
    (8, 6, 16, 5, 1, 4, 16): (None, "_kernel_of_parts"),  # more places than pixels
    (8, 16, 16, 1, 1, 0, 16): (None, "_unfold_kernel"),
}


@pytest.mark.parametrize("case", FORMS, ids=str)
def test_forms_on_a_cpu(case):
    images, size, channels, kernel, stride, padding, features = case
    window = convolution.Window.over((size, size), kernel, stride, padding)
    x, y = (
        np.empty((images, size, size, channels)),
        np.empty((images, *window.features, features)),
    )
    w = np.empty((kernel, kernel, channels, features))

    def name(form):
        return form and getattr(form, "func", form).__name__

    assert convolution_on_cpu.to_features(x, w, window) is None
    image = convolution_on_cpu.to_image(y, w, window)
    kernel = convolution_on_cpu.to_kernel(x, y, window)
    assert (name(image), name(kernel)) == FORMS[case]


def test_third_derivatives_of_a_convolution():
    x, w = normal(0, (2, 6, 6, 2)), normal(1, (5, 5, 2, 3))
    window = convolution.Window.over((6, 6), 5, 1, 3)

    def third(f):
        def g(w):
            return (jax.grad(lambda x: jnp.tanh(f(x, w)).sum())(x) ** 2).sum()

        return jax.jit(jax.grad(lambda w: (jax.grad(g)(w) ** 2).sum()))(w)

    ours = third(lambda x, w: convolution.to_features(x, w, window))
    same(ours, third(lambda x, w: plain_convolution.to_features(x, w, window)), 1e-4)
    assert np.abs(ours).max() > 0


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(4, 2, "SAME"), (5, 2, "SAME"), (3, 1, "SAME"), (5, 3, 0), (4, 2, 1), (3, 2, 1)],
)
def test_transposed_convolution_is_flax_s(kernel, stride, padding):
    ours = layers.ConvTranspose(3, kernel, stride, padding)
    edge = (
        kernel - 1 - (padding if padding != "SAME" else 0)
    )  # flax pads dilated images
    pads = padding if padding == "SAME" else [(edge, edge), (edge, edge)]
    plain = nn.ConvTranspose(
        3, (kernel, kernel), (stride, stride), pads, transpose_kernel=True
    )
    y = normal(0, (2, 5, 4, 2))
    params = ours.init(jax.random.key(1), y)
    shapes = jax.tree.map(jnp.shape, params)
    assert shapes == jax.tree.map(jnp.shape, plain.init(jax.random.key(1), y))
    same(orders(ours.apply)(params, y), orders(plain.apply)(params, y))


@pytest.mark.parametrize(("stride", "padding"), [(1, "SAME"), (2, "SAME"), (1, 3)])
def test_conv_is_flax_s(stride, padding):
    ours = layers.Conv(3, 4, stride, padding)
    plain = nn.Conv(3, (4, 4), (stride, stride), padding)
    x = normal(0, (2, 6, 8, 2))
    params = plain.init(jax.random.key(1), x)
    same(ours.init(jax.random.key(1), x), params)
    same(orders(ours.apply)(params, x), orders(plain.apply)(params, x))


def test_untied_bias_moves_one_pixel():
    layer = layers.ConvTranspose(2, 5, 3, 0, untied=True)
    y = normal(0, (3, 4, 4, 6))
    params = layer.init(jax.random.key(0), y)["params"]
    assert params["bias"].shape == (14, 14, 2)
    params = {**params, "bias": params["bias"].at[3, 5, 1].set(1.0)}
    zero = {**params, "bias": jnp.zeros((14, 14, 2))}
    moved = layer.apply({"params": params}, y) - layer.apply({"params": zero}, y)
    np.testing.assert_allclose(moved[:, 3, 5, 1], 1, atol=1e-5)
    np.testing.assert_allclose(np.abs(moved).sum(), 3, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "size", "stride"),
    [
        ((2, 8, 8, 3), 2, 2),
        ((2, 9, 7, 2), 2, 2),
        ((2, 8, 9, 2), 4, 2),
        ((2, 7, 7, 2), 3, 1),
    ],
)
def test_max_pooling_is_flax_s(shape, size, stride):
    ours = orders(lambda x: layers.max_pool(x, size, stride))
    plain = orders(lambda x: nn.max_pool(x, (size, size), (stride, stride)))
    x = normal(0, shape)
    same(ours(x), plain(x))
    x = jnp.round(x)  # many equal pixels in every window
    same(ours(x), plain(x))


@pytest.mark.parametrize(
    ("size", "window", "stride", "places"),
    [(33, 4, 2, 16), (15, 4, 2, 7), (9, 2, 2, 5), (8, 2, 2, 4), (5, 3, 3, 2)],
)
def test_max_pooling_in_ceil_mode(size, window, stride, places):
    """Negative images, so that padding by zeros would be seen."""
    x = -jnp.exp(normal(0, (2, size, size, 2)))
    y = layers.max_pool(x, window, stride, ceil=True)
    assert y.shape == (2, places, places, 2)
    starts = range(0, places * stride, stride)
    for i, j in itertools.product(starts, starts):
        part = x[:, i : i + window, j : j + window]
        expected = part.max((1, 2))
        np.testing.assert_array_equal(y[:, i // stride, j // stride], expected)
    pooled = jax.jit(lambda x: layers.max_pool(x, window, stride, ceil=True).sum())
    grad = jax.grad(pooled)(x)
    assert np.isfinite(grad).all()
    np.testing.assert_allclose(grad.sum(), y.size, rtol=1e-6)


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (4, 2), (3, 2)])
def test_mean_pooling_is_flax_s(size, stride):
    x = normal(0, (2, 9, 8, 3))
    same(
        orders(lambda x: layers.mean_pool(x, size, stride))(x),
        orders(lambda x: nn.avg_pool(x, (size, size), (stride, stride)))(x),
    )


def test_maxout_is_the_greatest_of_its_pieces():
    x = normal(0, (6, 4 * 3))
    same(
        orders(lambda x: layers.maxout(x, 4))(x),
        orders(lambda x: x.reshape(6, 4, 3).max(1))(x),
    )
    np.testing.assert_array_equal(layers.maxout(x, 1), x)


def test_maxima_pass_nan_on():
    """A network that diverged shows it, wherever in a window the NaN is."""
    for i, j in itertools.product(range(2), range(2)):
        x = jnp.zeros((1, 4, 4, 1)).at[0, i, j, 0].set(jnp.nan)
        y = layers.max_pool(x, 2, 2)
        assert np.isnan(y[0, 0, 0, 0])
        assert np.isnan(y).sum() == 1


def test_vmap_over_parameters_equals_a_loop():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = layers.Conv(4, 5, padding=3)(x)
            x = layers.max_pool(layers.maxout(x, 2), 4, 2, ceil=True)
            return layers.ConvTranspose(2, 4, 2)(x)

    x = normal(0, (2, 6, 6, 2))
    keys = jax.random.split(jax.random.key(0), 3)
    params = jax.jit(jax.vmap(lambda key: Net().init(key, x)))(keys)

    def grads(params):
        def slope(x):
            return jnp.tanh(Net().apply(params, x)).sum()

        return jax.grad(slope)(x)

    def penalty(params):
        return (grads(params) ** 2).sum()

    together = jax.jit(jax.vmap(jax.grad(penalty)))(params)
    one = jax.jit(jax.grad(penalty))
    for i in range(3):
        row = jax.tree.map(lambda leaf, i=i: leaf[i], (together, params))
        same(row[0], one(row[1]))


def test_scan_of_updates_equals_a_loop():
    layer = layers.ConvTranspose(1, 4, 2)
    y = normal(0, (2, 3, 3, 2))
    params = layer.init(jax.random.key(0), y)

    @jax.jit
    def update(params, _):
        grads = jax.grad(lambda p: (layer.apply(p, y) ** 2).mean())(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), None

    scanned, _ = lax.scan(update, params, None, length=3)
    looped = params
    for _ in range(3):
        looped, _ = update(looped, None)
    same(scanned, looped)
    assert np.abs(scanned["params"]["bias"]).max() > 0


def test_initialisers():
    key = jax.random.key(0)
    uniform = layers.uniform_or_glorot("uniform", 0.05)(key, (100, 200))
    assert -0.05 <= uniform.min() < -0.0499
    assert 0.0499 < uniform.max() <= 0.05
    # each piece alone: sqrt(6 / (100 + 40)), not sqrt(6 / (100 + 200))
    glorot = layers.uniform_or_glorot("glorot", 0.05, pieces=5)(key, (100, 200))
    bound = np.sqrt(6 / 140)
    assert 0.999 * bound < np.abs(glorot).max() <= bound
    plain = nn.initializers.glorot_uniform()(key, (3, 3, 8, 16))
    glorot = layers.uniform_or_glorot("glorot", 0.05)(key, (3, 3, 8, 16))
    np.testing.assert_allclose(np.std(glorot), np.std(plain), rtol=0.05)


def test_output_bias_is_the_clipped_logit():
    mean = np.array([0.0, 0.25, 0.5, 1.0])
    bias = layers.output_bias(True, "sigmoid", mean)(jax.random.key(0), (4,))
    np.testing.assert_allclose(bias, [-16.118, -1.0986, 0, 16.118], atol=1e-3)
    with pytest.raises(ValueError, match="mean"):
        layers.output_bias(True, "sigmoid", None)(jax.random.key(0), (4,))
    with pytest.raises(UsageError, match="sigmoid"):
        layers.output_bias(True, "tanh", mean)
    zeros = layers.output_bias(False, "tanh", None)(jax.random.key(0), (4,))
    np.testing.assert_array_equal(zeros, 0)


def test_an_unknown_activation_is_the_user_s_error():
    np.testing.assert_array_equal(
        layers.activation("relu")(jnp.array([-1.0, 2])), [0, 2]
    )
    with pytest.raises(UsageError, match="relu, sigmoid"):
        layers.activation("softplus")


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 3, 5)])
def test_batch_norm_is_that_of_flax(shape):
    """Values, running statistics and gradients, in training and after it."""
    ours = layers.BatchNorm()
    key = jax.random.key(0)
    x = 3 + 2 * jax.random.normal(key, shape)
    variables = ours.init(key, x, True)
    params = {
        "scale": jnp.linspace(0.5, 1.5, 5),
        "bias": jnp.linspace(-1.0, 1.0, 5),
    }
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(
        jnp.shape, variables["params"]
    )
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)
    np.testing.assert_array_equal(variables["batch_stats"]["var"], 1)

    def run(apply):
        def loss(params, x):
            full = variables | {"params": params}
            y, moved = apply(full, x, True)
            return jnp.sum(jnp.sin(y)), (y, moved)

        (_, (y, moved)), grads = jax.value_and_grad(loss, (0, 1), has_aux=True)(
            params, x
        )
        after, _ = apply({"params": params} | moved, x, False)
        return y, moved, grads, after

    def flax(variables, x, train):
        norm = nn.BatchNorm(not train, momentum=0.9, epsilon=1e-5)
        return norm.apply(variables, x, mutable=["batch_stats"])

    def own(variables, x, train):
        return ours.apply(variables, x, train, mutable=["batch_stats"])

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        run(own),
        run(flax),
    )
