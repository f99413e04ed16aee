"""StyleGAN2's networks, and the modulated convolutions and blurs in them."""

import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.layers import modulated as layers
from gan_jax.layers import resampling
from gan_jax.models import stylegan2

KEY = jax.random.key(0)
FILTER = np.array([1.0, 3.0, 3.0, 1.0]) / 8


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def shapes(module, *inputs):
    """Output and variables, without computing them."""
    inputs = [jax.ShapeDtypeStruct(*each) for each in inputs]
    return jax.eval_shape(functools.partial(module.init_with_output, KEY), *inputs)


def count(module, *inputs):
    return sum(p.size for p in jax.tree.leaves(shapes(module, *inputs)[1]["params"]))


def filled(module, *inputs):
    """Parameters of a module, normal, without initialisers to compile."""
    params = shapes(module, *((x.shape, x.dtype) for x in inputs))[1]["params"]
    return jax.tree.map(lambda leaf: normal(leaf.size, *leaf.shape), params)


# --- blurs ---------------------------------------------------------------------------


def upfirdn(x, up, down, padding, gain=1.0):
    """Zeros between pixels and beyond the edges, the filter, every so many pixels."""
    for axis in (1, 2):
        zeros = np.zeros((*x.shape, up - 1))
        x = np.moveaxis(np.concatenate([x[..., None], zeros], -1), -1, axis + 1)
        x = x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])
        pads = [padding if i == axis else (0, 0) for i in range(x.ndim)]
        taps = np.expand_dims(FILTER, [i for i in range(x.ndim) if i != axis])
        x = scipy.signal.convolve(np.pad(x, pads), taps, mode="valid")
        x = x.take(range(0, x.shape[axis], down), axis)
    return gain * x


def test_blurs_are_those_of_upfirdn():
    x = normal(1, 2, 6, 8, 3)

    @jax.jit
    def ours(x):
        return (
            resampling.blur(x, (1, 1), gain=4.0),
            resampling.blur(x, (2, 2)),
            resampling.upsample_smooth(x),
            resampling.downsample_smooth(x),
            resampling.blur(jnp.ones_like(x), (2, 1)),
        )

    *found, flat = ours(x)
    expected = (
        upfirdn(x, 1, 1, (1, 1), gain=4),
        upfirdn(x, 1, 1, (2, 2)),
        upfirdn(x, 2, 1, (2, 1), gain=4),
        upfirdn(x, 1, 2, (1, 1)),
    )
    for ours, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-5)
    assert flat.shape == x.shape
    np.testing.assert_allclose(flat[:, 2:-1, 2:-1], 1, rtol=1e-6)
    assert flat[0, 0, 0, 0] == pytest.approx((4 / 8) ** 2)


# --- modulated convolutions ----------------------------------------------------------


def by_kernel(x, kernel, style, demodulate, up):
    """The other form: a kernel for each example, scaled by style and demodulated."""
    kernels = kernel[None] * style[:, None, None, :, None]
    if demodulate:
        squares = jnp.sum(jnp.square(kernels), (1, 2, 3), keepdims=True)
        kernels = kernels / jnp.sqrt(squares + 1e-8)
    convolve = functools.partial(
        lax.conv_general_dilated,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision="highest",
    )

    def of_one(x, kernel):
        if not up:
            return convolve(x[None], kernel, (1, 1), "SAME")[0]
        # zeros between the pixels; then the blur, as a convolution of each channel
        turned, blur = kernel[::-1, ::-1], 4 * np.outer(FILTER, FILTER)
        wide = convolve(x[None], turned, (1, 1), ((2, 2),) * 2, lhs_dilation=(2, 2))
        channels = jnp.eye(kernel.shape[-1])[None, None]
        taps = jnp.asarray(blur, jnp.float32)[:, :, None, None] * channels
        return convolve(wide, taps, (1, 1), ((1, 1),) * 2)[0]

    return jnp.stack([of_one(*each) for each in zip(x, kernels, strict=True)])


HOW = [(True, False), (False, False), (True, True), (False, True)]


def test_scaled_activations_are_scaled_kernels_and_so_are_gradients():
    x, kernel = normal(2, 2, 4, 3, 3), normal(3, 3, 3, 3, 2)
    style = normal(4, 2, 3)

    def orders(form, demodulate, up):
        def value(*inputs):
            return form(*inputs, demodulate, up)

        def slope(*inputs):
            return jax.grad(lambda *a: jnp.sum(jnp.sin(value(*a))), (0, 1, 2))(*inputs)

        def penalty(*inputs):
            return sum(jnp.sum(jnp.square(each)) for each in slope(*inputs))

        inputs = x, kernel, style
        return value(*inputs), slope(*inputs), jax.grad(penalty, (0, 1, 2))(*inputs)

    @jax.jit
    def both():
        return [[orders(form, *how) for how in HOW] for form in forms]

    forms = layers.modulated, by_kernel
    ours, others = both()
    for (demodulate, up), one, other in zip(HOW, ours, others, strict=True):
        assert one[0].shape == (2, *((8, 6) if up else (4, 3)), 2), demodulate
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            scale = np.abs(b).max()
            np.testing.assert_allclose(a / scale, b / scale, atol=1e-5)
    # and a plain loop
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for n in range(2):
        own = np.asarray(kernel) * np.asarray(style[n])[:, None]
        own = own / np.sqrt(np.sum(own**2, (0, 1, 2)))
        for i in range(4):
            for j in range(3):
                seen = padded[n, i : i + 3, j : j + 3, :, None]
                y = np.sum(seen * own, (0, 1, 2))
                np.testing.assert_allclose(ours[0][0][n, i, j], y, atol=1e-5)


def test_demodulation_keeps_the_variance_whatever_the_style_s_size():
    x, kernel = normal(5, 64, 8, 8, 16), normal(6, 3, 3, 16, 8)
    style = 3 * normal(7, 64, 16)

    @jax.jit
    def of(style):
        return layers.modulated(x, kernel, style)[:, 1:-1, 1:-1]

    y = of(style)
    np.testing.assert_allclose(y.var((0, 1, 2)), np.ones(8), rtol=0.15)
    assert y.var() == pytest.approx(1, rel=0.04)
    np.testing.assert_allclose(of(50 * style), y, rtol=1e-4, atol=1e-5)


def test_twice_the_size_leaves_constants_constant():
    """By a kernel that is one in its middle; but for the edges."""
    kernel = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    x, style = jnp.full((1, 4, 4, 1), 5.0), jnp.ones((1, 1))
    y = jax.jit(lambda x: layers.modulated(x, kernel, style, False, up=True))(x)
    np.testing.assert_allclose(y[:, 1:-1, 1:-1], 5, rtol=1e-6)


# --- the networks --------------------------------------------------------------------


def counts(size, base, depth, classes=0, residual=True):
    """Parameters of G and D, from the paper's and the code's tables; w of 512."""
    sizes = [4]
    while sizes[-1] < size:
        sizes.append(2 * sizes[-1])
    channels = [min(base // s, 512) for s in sizes]
    first, last, pairs = channels[0], channels[-1], [*itertools.pairwise(channels)]

    def style(inputs):
        return 512 * inputs + inputs

    def layer(a, b):
        """Style, kernel, bias, strength of noise."""
        return style(a) + 9 * a * b + b + 1

    def mapping(inputs, units, depth):
        embedding = (classes + 1) * units if classes else 0
        inputs += units if classes else 0
        return embedding + (inputs + 1) * units + (depth - 1) * (units + 1) * units

    g = mapping(512, 512, depth) + 16 * first + layer(first, first)
    g += sum(layer(a, b) + layer(b, b) for a, b in pairs)
    g += sum(style(c) + 3 * c + 3 for c in channels)
    d = 3 * last + last
    for small, large in pairs:
        d += (9 * large + 1) * large + (9 * large + 1) * small
        d += large * small if residual else 0
    d += (9 * (first + 1) + 1) * first + (16 * first + 1) * first
    d += (first + 1) * (first if classes else 1)
    return g, d + (mapping(0, first, 8) if classes else 0)


@pytest.mark.parametrize(
    ("size", "base", "depth", "classes", "residual", "published"),
    [
        (32, 32_768, 2, 10, False, (20_215_315, 23_089_664)),  # CIFAR-10
        (256, 16_384, 8, 0, True, (24_767_458, 24_001_089)),
        # config F of the paper; its 30,370,060 and 29,012,513 are in the authors' logs
        (1024, 32_768, 8, 0, True, (30_370_060, 29_012_513)),
    ],
)
def test_numbers_of_parameters(size, base, depth, classes, residual, published):
    how = {"channel_base": base, "classes": classes}
    g = stylegan2.Generator((size, size, 3), depth=depth, **how)
    d = stylegan2.Discriminator(residual=residual, **how)
    y = [((4,), "int32")] if classes else []
    found = (
        count(g, ((4, 512), "float32"), *y),
        count(d, ((4, size, size, 3), "float32"), *y),
    )
    assert found == counts(size, base, depth, classes, residual) == published


TINY = {"channel_base": 64, "channel_max": 4}
WHOLE = stylegan2.Generator((16, 16, 1), dim=4, depth=1, **TINY)
Z = normal(8, 3, 5)


@pytest.mark.parametrize(("size", "first"), [(8, 4), (28, 7)])
def test_levels_double_from_what_is_left(size, first):
    g = stylegan2.Generator((size, size, 2), dim=4, depth=1, **TINY)
    x, variables = shapes(g, ((3, 5), "float32"))
    assert x.shape == (3, size, size, 2)
    assert variables["params"]["constant"].shape[:2] == (first, first)
    w = jax.ShapeDtypeStruct((3, 5), "float32")
    apply = functools.partial(g.apply, method="mapping")
    depth = 2 * (1 + int(np.log2(size // first)))
    assert jax.eval_shape(apply, variables, w).shape == (3, depth, 4)
    d = stylegan2.Discriminator(**TINY)
    assert shapes(d, (x.shape, "float32"))[0].shape == (3,)


@pytest.mark.parametrize(
    "shape", [(4, 4, 1), (30, 30, 3), (36, 36, 3), (32, 16, 3), (8,)]
)
def test_other_sizes_are_refused(shape):
    for module, x in (
        (stylegan2.Generator(shape), (2, 4)),
        (stylegan2.Discriminator(), (2, *shape)),
    ):
        with pytest.raises(UsageError, match="stylegan2 takes square images") as error:
            shapes(module, (x, "float32"))
        assert "\n" not in str(error.value)


def test_half_the_levels_in_half_the_bits_and_within_bounds():
    halved = WHOLE.clone(half_levels=2)
    params = filled(WHOLE, Z)

    @jax.jit
    def both(params):
        return [module.apply({"params": params}, Z) for module in (WHOLE, halved)]

    one, other = both(params)
    assert one.dtype == other.dtype == jnp.float32
    assert 0 < np.abs(one - other).max() < 0.03 * np.abs(one).max()
    # what convolutions make; the doubling ones a pixel more, which the blur takes
    convolved = re.compile(r":bf16\[3,(\d+),\d+,4\] = custom_vjp")
    for levels, halves in ((1, {16, 17}), (2, {8, 9, 16, 17}), (9, {8, 9, 16, 17})):
        module = WHOLE.clone(half_levels=levels)
        text = str(jax.make_jaxpr(module.apply)({"params": params}, Z))
        assert set(map(int, convolved.findall(text))) == halves
    loud = jax.tree.map(lambda p: p if p.ndim != 1 else 1e6 * p, params)
    free, bound = both(loud)
    # three images of no more than 256 each, which a smooth doubling leaves as large
    assert np.abs(bound).max() <= 3 * 256
    assert np.abs(free).max() > 1e5


def test_a_discriminator_s_label_is_mapped_and_projected_on():
    d = stylegan2.Discriminator(depth=1, group=2, classes=3, residual=False, **TINY)
    x, y = normal(9, 4, 8, 8, 1), jnp.array([0, 1, 2, 1])
    params = filled(d, x, y)
    apply = jax.jit(lambda params, x, y: d.apply({"params": params}, x, y))
    scores = apply(params, x, y)
    assert (scores != apply(params, x, (y + 1) % 3)).all()
    last = max(name for name in params if name.startswith("Dense"))
    doubled = params | {last: jax.tree.map(lambda p: 2 * p, params[last])}
    np.testing.assert_allclose(apply(doubled, x, y), 2 * scores, rtol=1e-4)
    # examples 0 and 2 are of one group, 1 and 3 of the other
    moved = apply(params, x.at[2].add(1.0), y)
    assert moved[0] != scores[0]
    np.testing.assert_allclose(moved[jnp.array([1, 3])], scores[jnp.array([1, 3])])
