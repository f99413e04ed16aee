"""R3GAN's networks, and the grouped convolutions and resampling in them."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.layers import grouped, resampling
from gan_jax.layers.convolution import Window
from gan_jax.models import r3gan

KEY = jax.random.key(0)
SMALL = {"widths": (8, 6), "blocks": 1, "group": 4}
D = r3gan.Discriminator(**SMALL)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def count(module, *shape):
    """Numbers of parameters, without making them."""
    x = jax.ShapeDtypeStruct(shape, "float32")
    params = jax.eval_shape(module.init, KEY, x)["params"]
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_numbers_of_parameters_are_the_published_ones():
    """20.73 M and 20.68 M on stacked MNIST; 20.78 M where labels double G's input."""
    generator, shape = r3gan.Generator((32, 32, 3)), (2, 32, 32, 3)
    blocks = 8 * (768 * 1536 + 9 * 16 * 1536 + 1536 * 768 + 2 * 1536)
    assert count(generator, 2, 64) == blocks + 64 * 768 + 16 * 768 + 768 * 3
    assert count(r3gan.Discriminator(), *shape) == blocks + 3 * 768 + 16 * 768 + 768
    counts = (
        count(generator, 2, 64),
        count(r3gan.Discriminator(), *shape),
        count(generator, 2, 128),
    )
    assert [round(n / 1e4) for n in counts] == [2073, 2068, 2078]


def test_numbers_of_parameters_where_stages_differ_in_width():
    widths = (768, 768, 768, 768, 384)
    blocks = 2 * sum(4 * w * w + 9 * 16 * 2 * w + 4 * w for w in widths)
    transition = 768 * 384
    generator = r3gan.Generator((64, 64, 3), widths)
    ends = 64 * 768 + 16 * 768 + 384 * 3
    assert count(generator, 2, 64) == blocks + transition + ends
    ends = 768 + 16 * 768 + 384 * 3
    discriminator = r3gan.Discriminator(widths)
    assert count(discriminator, 2, 64, 64, 3) == blocks + transition + ends


@pytest.mark.parametrize(
    ("shape", "stages", "places"),
    [((32, 32, 3), 4, 4), ((64, 64, 3), 5, 4), ((28, 28, 1), 3, 7)],
)
def test_the_stages_double_from_what_is_left(shape, stages, places):
    how = {"widths": (8,) * stages, "blocks": 1, "group": 4}
    generator, discriminator = r3gan.Generator(shape, **how), r3gan.Discriminator(**how)
    z = jax.ShapeDtypeStruct((3, 5), "float32")
    x, for_g = jax.eval_shape(functools.partial(generator.init_with_output, KEY), z)
    assert x.shape == (3, *shape)
    assert for_g["params"]["basis"].shape == (places, places, 8)
    scores, for_d = jax.eval_shape(
        functools.partial(discriminator.init_with_output, KEY), x
    )
    assert scores.shape == (3,)
    assert for_d["params"]["basis"].shape == (places, places, 8)


def filled(module, *shape):
    """Parameters of a module, normal, without initialisers to compile."""
    x = jax.ShapeDtypeStruct(shape, "float32")
    return jax.tree.map(
        lambda leaf: 0.3 * normal(leaf.size, *leaf.shape),
        jax.eval_shape(module.init, KEY, x)["params"],
    )


def test_without_the_blocks_all_is_linear():
    """So it is at the start: there is no tanh, and no bias but in the blocks."""
    G = r3gan.Generator((8, 8, 2), **SMALL)
    for module, x in ((G, normal(1, 3, 5)), (D, normal(3, 3, 8, 8, 2))):
        params = filled(module, *x.shape)
        for name in params:
            if name.startswith("Block"):
                params[name]["Conv_1"]["kernel"] *= 0
        apply = jax.jit(module.apply)
        one = apply({"params": params}, x)
        combined = apply({"params": params}, x - 2 * x[::-1])
        assert one.std() > 0.01
        np.testing.assert_allclose(combined, one - 2 * one[::-1], rtol=1e-4, atol=1e-5)


def test_first_weights():
    """Normal, of variance gain / fan_in; the gain of leaky ReLU over depth's root."""
    discriminator = r3gan.Discriminator((48,), blocks=1)
    params = jax.jit(discriminator.init)(KEY, jnp.zeros((1, 4, 4, 48)))["params"]
    (block,) = (params.pop(name) for name in list(params) if "Block" in name)
    assert not block["Conv_1"]["kernel"].any()
    gain = 2 / 1.04
    for kernel, variance in (
        (params["Conv_0"]["kernel"], 1 / 48),
        (params["basis"], 1 / 16),
        (params["Dense_0"]["kernel"], 1 / 48),
        (block["Conv_0"]["kernel"], gain / 48),
        (block["GroupedConv_0"]["kernel"], gain / (9 * 16)),
    ):
        error = 4 * np.sqrt(2 / kernel.size)  # four standard errors
        np.testing.assert_allclose(kernel.var() / variance, 1, atol=error)


def test_the_variance_does_not_explode_with_depth():
    """With last convolutions of gain 1 each block adds 1 / depth of the variance."""
    depth, x = 16, normal(2, 8, 8, 8, 64)
    block = r3gan.Block(16, depth)
    keys = jax.random.split(KEY, depth)
    params = jax.jit(jax.vmap(lambda key: block.init(key, x)["params"]))(keys)
    params["Conv_1"]["kernel"] = normal(3, depth, 1, 1, 128, 64) / np.sqrt(128)

    @jax.jit
    def through(x, params):
        return lax.scan(lambda x, p: (block.apply({"params": p}, x), None), x, params)

    growth = through(x, params)[0].var() / x.var()
    # a 3 x 3 kernel reaches over the edge, so that a sixth of its inputs are missing
    low, high = ((1 + share / depth) ** depth for share in (0.7, 1.0))
    assert low < growth < high


def test_gradients_of_a_penalty_are_finite():
    x = normal(3, 4, 8, 8, 2)
    params = filled(D, *x.shape)

    @jax.jit
    def grads(params, x):
        def penalty(params):
            slope = jax.grad(lambda x: D.apply({"params": params}, x).sum())(x)
            return jnp.sum(jnp.square(slope))

        return jax.grad(penalty)(params)

    for path, leaf in jax.tree_util.tree_leaves_with_path(grads(params, x)):
        assert np.isfinite(leaf).all(), path
        # scores are linear in x but for the kinks: no bias bends them
        assert leaf.any() != ("bias" in jax.tree_util.keystr(path)), path


@pytest.mark.parametrize(
    ("how", "shape", "says"),
    [
        ({}, (28, 28, 3), "divisible by 8"),
        ({}, (32, 28, 3), "divisible by 8"),
        ({"widths": (8, 8)}, (31, 31, 1), "divisible by 2"),
        ({}, (3072,), "height, width, channels"),
        ({"widths": ()}, (32, 32, 3), "widths"),
        ({"widths": (12, 8)}, (32, 32, 3), "groups of 16"),
    ],
)
def test_what_does_not_fit_is_refused(how, shape, says):
    z, x = (jax.ShapeDtypeStruct((2, *s), "float32") for s in ((4,), shape))
    for module, of in (
        (r3gan.Generator(shape, **how), z),
        (r3gan.Discriminator(**how), x),
    ):
        with pytest.raises(UsageError, match=says) as error:
            jax.eval_shape(module.init, KEY, of)
        assert "\n" not in str(error.value)


@pytest.fixture(params=["cpu", "default"])
def form(request, monkeypatch):
    """Which form of a function is taken."""
    form = request.param
    monkeypatch.setattr(lax, "platform_dependent", lambda *a, **forms: forms[form](*a))
    return form


@pytest.mark.parametrize(
    ("kernel", "groups", "stride", "padding"), [(3, 6, 1, "SAME"), (4, 2, 2, 1)]
)
def test_grouped_convolution_is_flax_s_to_third_order(
    form, kernel, groups, stride, padding
):
    """Six groups are three pieces of two on CPU."""
    ours = grouped.GroupedConv(12, kernel, groups, stride, padding)
    flax = nn.Conv(
        *(12, (kernel,) * 2, (stride,) * 2),
        padding=padding,
        feature_group_count=groups,
    )
    x = normal(4, 2, 8, 6, 12)
    params = filled(ours, *x.shape)

    def orders(module):
        def out(params, x):
            return module.apply({"params": params}, x)

        def slope(params, x):
            return jax.grad(lambda x: jnp.sum(jnp.sin(out(params, x))))(x)

        def penalty(params, x):
            return jnp.sum(jnp.square(slope(params, x)))

        grads = jax.grad(penalty, argnums=(0, 1))
        return jax.jit(lambda *a: (out(*a), slope(*a), grads(*a)))(params, x)

    def close(a, b):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)

    jax.tree.map(close, orders(ours), orders(flax))


def test_groups_do_not_see_each_other():
    window = Window.over((4, 4), 3, 1, "SAME")
    x, w = normal(6, 1, 4, 4, 4), normal(7, 3, 3, 2, 6)
    convolve = jax.jit(lambda x: grouped.to_features(x, w, window, 2))
    here, there = convolve(x), convolve(x.at[..., 2:].add(1.0))
    np.testing.assert_array_equal(here[..., :3], there[..., :3])
    assert np.abs(here[..., 3:] - there[..., 3:]).min() > 1e-3


def test_groups_have_to_divide_the_channels():
    x = jnp.zeros((1, 4, 4, 4))
    for features, groups in ((6, 3), (5, 2)):
        with pytest.raises(UsageError, match=f"{groups} groups"):
            jax.eval_shape(grouped.GroupedConv(features, 3, groups).init, KEY, x)


def test_smooth_resampling_is_the_published_convolution():
    axis = jnp.array([1.0, 3.0, 3.0, 1.0]) / 8
    filter_ = jnp.einsum("h,w,io->hwio", axis, axis, jnp.eye(3))
    how = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "precision": "highest"}

    @jax.jit
    def both(x):
        up, down = resampling.upsample_smooth(x), resampling.downsample_smooth(x)
        convolve = functools.partial(lax.conv_general_dilated, x, **how)
        like = (
            convolve(4 * filter_, (1, 1), ((2, 2),) * 2, lhs_dilation=(2, 2)),
            convolve(filter_, (2, 2), ((1, 1),) * 2),
        )
        small = jax.ShapeDtypeStruct((2, 3, 2, 3), x.dtype)
        (back,) = jax.linear_transpose(resampling.upsample_smooth, small)(x)
        return (up, down, down), (*like, back / 4)

    for ours, expected in zip(*both(normal(8, 2, 6, 4, 3)), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_nearest_neighbour_makes_four_of_each_pixel():
    x = normal(9, 2, 3, 4, 2)
    four = np.kron(x, np.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(resampling.upsample(x), four)
