"""Normalisers: flax's values and gradients, invariances, float32, shared work."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax import layers
from gan_jax.errors import UsageError
from gan_jax.models import dcgan, mlp

IMAGES, VECTORS = (4, 5, 3, 6), (4, 6)
AFFINE = {
    "layer": layers.LayerNorm(),
    "instance": layers.InstanceNorm(),
    "group": layers.GroupNorm(3),
}


def normal(seed, shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def flax(name, shape):
    """The counterpart of flax; its statistics are exact, as ours."""
    how = {"epsilon": 1e-5, "use_fast_variance": False}
    if name == "layer":
        return nn.LayerNorm(reduction_axes=range(1, len(shape)), **how)
    return nn.InstanceNorm(**how) if name == "instance" else nn.GroupNorm(3, **how)


def affine(channels):
    scale, bias = jnp.linspace(0.5, 2.0, channels), jnp.linspace(-1.0, 1.0, channels)
    return {"params": {"scale": scale, "bias": bias}}


@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, IMAGES) for name in AFFINE] + [("layer", VECTORS), ("group", VECTORS)],
)
def test_values_and_gradients_are_flax_s(name, shape):
    x = 3 + 2 * normal(0, shape)
    weights = normal(1, shape)

    def run(module):
        def objective(variables, x):
            y = module.apply(variables, x)
            return jnp.vdot(jnp.sin(y), weights), y

        return jax.value_and_grad(objective, (0, 1), has_aux=True)(affine(6), x)

    ours, flax_s, started = jax.jit(
        lambda: (
            run(AFFINE[name]),
            run(flax(name, shape)),
            AFFINE[name].init(jax.random.key(0), x)["params"],
        )
    )()
    np.testing.assert_array_equal(started["scale"], np.ones(6))
    np.testing.assert_array_equal(started["bias"], np.zeros(6))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        ours,
        flax_s,
    )


# what may be scaled and shifted apart, as a shape that spreads over images
OWN = {"layer": (4, 1, 1, 1), "instance": (4, 1, 1, 6), "group": (4, 1, 1, 3)}


@pytest.mark.parametrize("name", AFFINE)
def test_the_scale_and_the_shift_of_what_is_normalised_do_not_matter(name):
    x, module = normal(0, IMAGES), AFFINE[name]
    scale, shift = 2 + normal(1, OWN[name]) ** 2, 100 * normal(2, OWN[name])
    if name == "group":
        scale, shift = scale.repeat(2, -1), shift.repeat(2, -1)
    variables = affine(6)

    @jax.jit
    def apply(x):
        return module.apply(variables, x)

    y = apply(x)
    np.testing.assert_allclose(apply(scale * x + shift), y, rtol=1e-3, atol=1e-3)
    # those of one channel do, unless it is by itself
    one = x.copy()
    one[..., 0] *= 3
    alone = np.allclose(apply(one), y, atol=1e-3)
    assert alone == (name == "instance")


@pytest.mark.parametrize("name", [*AFFINE, "pixel"])
def test_in_bfloat16_all_inside_is_float32(name):
    x = jnp.asarray(100 + normal(0, (2, 16, 16, 6)), jnp.bfloat16)
    variables = affine(6) if name in AFFINE else {}
    module = AFFINE.get(name, layers.PixelNorm())
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables)
    rounded, wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), (low, x))
    y, exact = jax.jit(lambda: [module.apply(low, x), module.apply(rounded, wide)])()
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(y, np.float32), exact, rtol=2**-8, atol=1e-6)
    if variables:  # 512 ones: a sum in bfloat16 stops at 256

        def total(low):
            return jnp.sum(module.apply(low, x).astype(jnp.float32))

        bias = jax.jit(jax.grad(total))(low)["params"]["bias"]
        np.testing.assert_array_equal(np.asarray(bias, np.float32), 512)


@pytest.mark.parametrize("shape", [IMAGES, VECTORS])
def test_pixel_norm_is_the_papers(shape):
    x = normal(0, shape)

    @jax.jit
    def apply(x):
        return layers.PixelNorm().apply({}, x)

    y = apply(x)
    wide = np.asarray(x, np.float64)
    length = np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(y, wide / length, rtol=1e-5)
    np.testing.assert_allclose(np.square(y).mean(-1), 1, rtol=1e-5)
    by_pixel = 1 + normal(1, (*shape[:-1], 1)) ** 2
    np.testing.assert_allclose(apply(by_pixel * x), y, rtol=1e-4, atol=1e-5)
    zero = jax.grad(lambda x: apply(x).sum())(jnp.zeros(shape))
    assert np.isfinite(zero).all()


# minibatch standard deviation


@pytest.mark.parametrize(
    ("n", "group", "features", "size"),
    [(8, 4, 1, (3, 5)), (6, 2, 3, (2, 2)), (3, 4, 1, (2, 2)), (8, 4, 2, ())],
)
def test_minibatch_deviation_is_the_papers(n, group, features, size):
    x = normal(0, (n, *size, 6))
    y = jax.jit(lambda: layers.MinibatchStd(group, features).apply({}, x))()
    assert y.shape == (n, *size, 6 + features)
    np.testing.assert_array_equal(y[..., :6], x)
    wide, group = np.asarray(x, np.float64), min(group, n)
    groups, part = n // group, 6 // features
    for i in range(n):
        own = wide[i % groups :: groups]
        assert len(own) == group
        for j in range(features):
            of_feature = own[..., j * part : (j + 1) * part]
            told = np.mean(np.sqrt(of_feature.var(0) + 1e-8))
            np.testing.assert_allclose(y[i, ..., 6 + j], told, rtol=1e-5)


def test_minibatch_deviation_of_equal_examples_has_gradients():
    same = jnp.ones((4, 2, 2, 3), jnp.bfloat16)
    module = layers.MinibatchStd()
    y = module.apply({}, same)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(y[..., 3], np.float32), 1e-4, rtol=2**-8)
    slope = jax.grad(lambda x: module.apply({}, x).astype(jnp.float32).sum())(same)
    np.testing.assert_array_equal(np.asarray(slope, np.float32), 1)


def test_a_batch_that_does_not_divide_is_filled_up_with_its_first_examples():
    x = normal(0, (6, 2, 2, 3))
    module = layers.MinibatchStd(4)
    filled = module.apply({}, jnp.concatenate([x, x[:2]]))
    y = module.apply({}, x)
    np.testing.assert_array_equal(y, filled[:6])
    assert len(np.unique(y[:, 0, 0, 3])) == 2  # groups


def test_channels_that_do_not_divide_are_refused():
    with pytest.raises(UsageError, match="3 channels do not divide into 2 features"):
        layers.MinibatchStd(4, 2).apply({}, jnp.zeros((4, 2, 2, 3)))


# shared work


class Net(nn.Module):
    """All whose statistics are spread, among convolutions of one pixel."""

    @nn.compact
    def __call__(self, x):
        for norm in ("batch", "layer", "instance", "group", "pixel"):
            x = nn.relu(layers.normalise(norm, layers.Dense(8)(x), True))
        return layers.Dense(2)(layers.MinibatchStd()(x))


def test_two_passes_of_a_generator_are_one():
    """D's and G's turns on the same latents: XLA sees that both generate alike."""
    x, d = jnp.ones((4, 4, 4, 2)), jnp.ones((4, 4, 2))
    variables = jax.eval_shape(Net().init, jax.random.key(0), x)
    g, stats = variables["params"], variables["batch_stats"]

    def generate(g, stats):
        variables = {"params": g, "batch_stats": stats}
        return Net().apply(variables, x, mutable=["batch_stats"])[0]

    def loss(d, g, stats):
        return jnp.tanh(generate(g, stats) * d[None]).sum()

    def flops(f, *args):
        return jax.jit(f).lower(*args).compile().cost_analysis()["flops"]

    turns = jax.grad(loss), jax.grad(loss, 1)
    apart = sum(flops(turn, d, g, stats) for turn in turns)
    together = flops(lambda *args: [turn(*args) for turn in turns], d, g, stats)
    np.testing.assert_allclose(apart - together, flops(generate, g, stats), rtol=0.01)


@pytest.mark.parametrize("shape", [(64, 3), (16, 4, 4, 3)])
def test_the_variance_of_a_batch_far_from_zero(shape):
    """E[x^2] - E[x]^2 would be 17 % off in the second channel, and 0 in the third."""
    far, noise = np.array([1.0, 1e3, 1e4]), normal(0, shape)
    x = (far + noise).astype(np.float32)
    norm = layers.BatchNorm()
    variables = norm.init(jax.random.key(0), x, True)

    def out(x):
        return norm.apply(variables, x, True, mutable=["batch_stats"])

    y, _ = out(x)
    exact = x.astype(np.float64)
    axes = tuple(range(len(shape) - 1))
    exact = (exact - exact.mean(axes)) / exact.std(axes)
    np.testing.assert_allclose(y, exact, atol=2e-3)
    # and its gradient, which a move or a stretch of all x does not have
    weights = normal(1, shape)
    slope = jax.grad(lambda x: jnp.vdot(out(x)[0], weights))
    for direction in (np.ones(shape), exact):
        assert (np.abs((slope(x) * direction).sum(axes)) < 0.02).all()


# by name


class Named(nn.Module):
    norm: str

    @nn.compact
    def __call__(self, x):
        return layers.normalise(self.norm, x, True)


# along which axes of [2, 4, 4, 16, 3] statistics are: channels by 16, their divisor
ALONG = {"batch": (0, 1, 2), "layer": (1, 2, 3, 4), "instance": (1, 2)}
ALONG |= {"group": (1, 2, 4), "pixel": (3, 4), "none": None}


@pytest.mark.parametrize("name", ALONG)
def test_normalisers_by_name(name):
    x = 1 + normal(0, (2, 4, 4, 48))
    y, variables = jax.jit(Named(name).init_with_output)(jax.random.key(0), x)
    wide, axes = np.asarray(x, np.float64).reshape(2, 4, 4, 16, 3), ALONG[name]
    if name == "pixel":
        wide = wide / np.sqrt(np.square(wide).mean(axes, keepdims=True))
    elif axes:
        wide = wide - wide.mean(axes, keepdims=True)
        wide = wide / np.sqrt(wide.var(axes, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, wide.reshape(x.shape), rtol=1e-3, atol=1e-4)
    names = {path[-1].key for path, _ in jax.tree.leaves_with_path(variables)}
    assert layers.shifts(name) == ("bias" in names)


def test_normalisers_that_do_not_fit_are_the_user_s_error():
    key = jax.random.key(0)
    with pytest.raises(UsageError, match="none, batch, layer, instance, group, pixel"):
        Named("batch_norm").init(key, jnp.zeros((2, 8)))
    with pytest.raises(UsageError, match="needs images"):
        Named("instance").init(key, jnp.zeros((2, 8)))
    with pytest.raises(UsageError, match="8 channels do not divide into 3 groups"):
        layers.GroupNorm(3).init(key, jnp.zeros((2, 8)))


# networks


def discriminators(name):
    if name not in ("instance", "group"):
        yield "Dense_0", mlp.Discriminator(widths=(8,), norm=name)
    yield "Conv_1", dcgan.Discriminator(width=2, norm=name)


@pytest.mark.parametrize("name", ALONG)
def test_only_batch_norm_judges_an_example_by_the_others(name):
    x = normal(0, (4, 16, 16, 1))
    mixed = np.concatenate([x[:1], 2 * x[1:] + 1])
    _, D = next(discriminators(name))
    variables = jax.jit(D.init)(jax.random.key(0), x)

    @jax.jit
    def score(x):
        return D.apply(variables, x, train=True, mutable=["batch_stats"])[0][0]

    change = abs(score(mixed) / score(x) - 1)
    assert change > 1e-2 if name == "batch" else change < 1e-4


@pytest.mark.parametrize("name", ALONG)
def test_a_bias_gives_way_to_the_shift_of_a_norm(name):
    networks = list(discriminators(name))
    networks.append(("ConvTranspose_0", dcgan.Generator((16, 16, 1), 2, norm=name)))
    for layer, network in networks:
        x = jnp.zeros((2, 16, 16, 1) if "Disc" in type(network).__name__ else (2, 6))
        tree = jax.eval_shape(network.init, jax.random.key(0), x)["params"]
        assert ("bias" in tree[layer]) == (not layers.shifts(name))


def test_without_batch_norm_dcgan_has_no_normaliser():
    x = jnp.zeros((2, 16, 16, 1))
    for norm in ("batch", "layer"):
        D = dcgan.Discriminator(width=2, batch_norm=False, norm=norm)
        tree = jax.eval_shape(D.init, jax.random.key(0), x)
        assert list(tree) == ["params"]
        assert sorted(tree["params"]) == ["Conv_0", "Conv_1", "Dense_0"]
