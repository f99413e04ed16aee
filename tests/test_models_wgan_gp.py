"""The networks of WGAN-GP and of Lucic et al., and the residual block."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax import layers
from gan_jax.errors import UsageError
from gan_jax.layers.residual import Residual
from gan_jax.models import lucic, unrolled, wgan_gp, wgan_gp_resnet, wgan_gp_toy

KEY = jax.random.key(0)
MNIST, CIFAR = (28, 28, 1), (32, 32, 3)


def dense(*sizes):
    """The number of parameters of dense layers with these numbers of units."""
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def shapes(module, *shape):
    """Output and variables, without computing them."""
    x = jax.ShapeDtypeStruct(shape, "float32")
    return jax.eval_shape(functools.partial(module.init_with_output, KEY), x)


def count(module, *shape):
    return sum(p.size for p in jax.tree.leaves(shapes(module, *shape)[1]["params"]))


# a block of w channels: two 3 x 3 convolutions, the shortcut of one that resamples
PLAIN, SHORTCUT = 2 * (9 * 128 + 1) * 128, (128 + 1) * 128
COUNTS = {
    "wgan_gp on MNIST": (
        (wgan_gp.Generator(MNIST), wgan_gp.Discriminator()),
        (
            dense(128, 4096)
            + (25 * 256 + 1) * 128
            + (25 * 128 + 1) * 64
            + (25 * 64 + 1),
            (25 + 1) * 64 + (25 * 64 + 1) * 128 + (25 * 128 + 1) * 256 + dense(4096, 1),
        ),
    ),
    # no bias before batch norm, which has two numbers a unit
    "wgan_gp on CIFAR-10": (
        (wgan_gp.Generator(CIFAR, 128, "batch", "tanh"), wgan_gp.Discriminator(128)),
        (
            (128 + 2) * 8192
            + (25 * 512 + 2) * 256
            + (25 * 256 + 2) * 128
            + (25 * 128 + 1) * 3,
            (75 + 1) * 128
            + (25 * 128 + 1) * 256
            + (25 * 256 + 1) * 512
            + dense(8192, 1),
        ),
    ),
    "wgan_gp_toy": (
        (wgan_gp_toy.Generator((2,)), wgan_gp_toy.Discriminator()),
        (dense(128, 512, 512, 512, 2), dense(2, 512, 512, 512, 1)),
    ),
    "wgan_gp_resnet": (
        (wgan_gp_resnet.Generator(CIFAR), wgan_gp_resnet.Discriminator()),
        (
            dense(128, 2048)
            + 3 * (PLAIN - 128 + SHORTCUT + 4 * 128)
            + 2 * 128
            + (9 * 128 + 1) * 3,
            ((27 + 1) * 128 + (9 * 128 + 1) * 128 + (3 + 1) * 128)
            + (PLAIN + SHORTCUT)
            + 2 * PLAIN
            + dense(128, 1),
        ),
    ),
    "lucic": (
        (lucic.Generator(MNIST), lucic.Discriminator()),
        (
            (128 + 2) * 1024 + (1024 + 2) * 6272 + (16 * 128 + 2) * 64 + (16 * 64 + 1),
            (16 + 1) * 64 + (16 * 64 + 2) * 128 + (6272 + 2) * 1024 + dense(1024, 1),
        ),
    ),
    "lucic without batch norm": (
        (lucic.Generator(CIFAR), lucic.Discriminator(batch_norm=False)),
        (
            (128 + 2) * 1024
            + (1024 + 2) * 8192
            + (16 * 128 + 2) * 64
            + (16 * 64 + 1) * 3,
            (48 + 1) * 64 + (16 * 64 + 1) * 128 + dense(8192, 1024, 1),
        ),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_numbers_of_parameters(name):
    (generator, discriminator), expected = COUNTS[name]
    counts = count(generator, 2, 128), count(discriminator, 2, *generator.shape)
    assert counts == expected


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (wgan_gp, (28, 28, 1)),
        (wgan_gp, (32, 32, 3)),
        (wgan_gp, (45, 45, 1)),
        (wgan_gp_resnet, (32, 32, 3)),
        (wgan_gp_resnet, (48, 32, 1)),
        (lucic, (28, 28, 1)),
        (lucic, (32, 16, 3)),
    ],
)
def test_shapes(module, shape):
    x, _ = shapes(module.Generator(shape, 4), 3, 10)
    scores, variables = shapes(module.Discriminator(4), *x.shape)
    assert x.shape == (3, *shape)
    assert scores.shape == (3,)
    assert ("batch_stats" in variables) == (module is lucic)


def filled(module, x, scale=0.3):
    """Variables of a module, normal; fast, as there is no initialiser to compile."""
    rng = np.random.default_rng(0)
    variables = jax.eval_shape(module.init, KEY, x)
    return jax.tree.map(
        lambda leaf: jnp.asarray(scale * rng.normal(size=leaf.shape), leaf.dtype),
        variables,
    )


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def convolve(x, p, transposed=False):
    """A published layer: k5 s2, SAME."""
    how = {"strides": (2, 2), "padding": "SAME"}
    layout = ("NHWC", "HWIO", "NHWC")
    if transposed:
        y = lax.conv_transpose(
            x, p["kernel"], **how, dimension_numbers=layout, transpose_kernel=True
        )
    else:
        y = lax.conv_general_dilated(
            x, p["kernel"], *how.values(), dimension_numbers=layout
        )
    return y + p["bias"][None, None, None]


def test_mnist_pair_is_the_published_chain():
    """4 -> 8, cut to 7 -> 14 -> 28 by transposed convolutions, and back."""
    G, D, z = wgan_gp.Generator(MNIST, 2), wgan_gp.Discriminator(2), normal(1, 3, 6)
    for_g, for_d = filled(G, z), filled(D, jnp.zeros((1, *MNIST)))

    @jax.jit
    def ours(z):
        x = G.apply(for_g, z)
        return x, D.apply(for_d, x)

    @jax.jit
    def published(z):
        g, d = for_g["params"], for_d["params"]
        h = z @ g["Dense_0"]["kernel"] + g["Dense_0"]["bias"][None]
        h = jax.nn.relu(h).reshape(3, 4, 4, 8)
        h = jax.nn.relu(convolve(h, g["ConvTranspose_0"], True))[:, :7, :7]
        h = jax.nn.relu(convolve(h, g["ConvTranspose_1"], True))
        x = h = jax.nn.sigmoid(convolve(h, g["ConvTranspose_2"], True))
        for i in range(3):
            h = convolve(h, d[f"Conv_{i}"])
            h = jnp.maximum(0.2 * h, h)
        scores = h.reshape(3, -1) @ d["Dense_0"]["kernel"] + d["Dense_0"]["bias"][None]
        return x, scores[:, 0]

    for a, b in zip(ours(z), published(z), strict=True):
        assert a.std() > 0.05
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def as_published(p, x, resample, first):
    """The residual block in the order of the authors' code, with flax's names."""

    def conv(x, p):
        y = lax.conv_general_dilated(
            x, p["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return y + p["bias"][None, None, None] if "bias" in p else y

    def double(x):
        return jnp.kron(x, jnp.ones((1, 2, 2, 1)))

    def halve(x):
        parts = (x[:, i::2, j::2] for i in (0, 1) for j in (0, 1))
        return sum(parts) / 4

    def same(x):
        return x

    before = double if resample == "up" else same
    after = halve if resample == "down" else same
    h = conv(before(x if first else jax.nn.relu(x)), p["Conv_0"])
    h = after(conv(jax.nn.relu(h), p["Conv_1"]))
    return h + (after(conv(before(x), p["Conv_2"])) if "Conv_2" in p else x)


@pytest.mark.parametrize(
    ("features", "resample", "first"),
    [(6, "up", False), (6, "down", False), (6, "down", True), (3, None, False)],
)
def test_residual_blocks_are_the_published_ones(features, resample, first):
    block, x = Residual(features, resample, first), normal(2, 2, 8, 6, 3)
    variables = filled(block, x)
    inner = features if resample == "up" or first else 3
    assert variables["params"]["Conv_0"]["kernel"].shape == (3, 3, 3, inner)
    assert ("Conv_2" in variables["params"]) == (features != 3)
    both = jax.jit(
        lambda v, x: (
            block.apply(v, x),
            as_published(v["params"], x, resample, first),
        )
    )
    np.testing.assert_allclose(*both(variables, x), rtol=1e-4, atol=1e-5)


def test_a_norm_takes_the_bias_before_it():
    block = Residual(3, norm=lambda h: layers.BatchNorm()(h, False))
    params = shapes(block, 1, 4, 4, 3)[1]["params"]
    assert [name for name in params if "BatchNorm" in name] == [
        "BatchNorm_0",
        "BatchNorm_1",
    ]
    assert ["bias" in params[f"Conv_{i}"] for i in (0, 1)] == [False, True]


def test_first_weights_are_uniform_of_the_published_variance():
    """Bounds: sqrt(3) times sqrt(4 / (fan_in + fan_out)), of dense layers sqrt(2 / ..).

    With stride 2 the fan on the smaller side is a quarter.
    """
    transposed = 25 * (32 / 4 + 16)
    cases = {
        wgan_gp.Generator((16, 16, 2), 8): (
            (30,),
            {"Dense_0": 6 / (30 + 2 * 2 * 32), "ConvTranspose_0": 12 / transposed},
        ),
        wgan_gp.Discriminator(24): (
            (16, 16, 1),
            {"Conv_1": 12 / (25 * (24 + 48 / 4))},
        ),
        Residual(24, "down"): (
            (4, 4, 16),
            {"Conv_1": 12 / (9 * (16 + 24)), "Conv_2": 6 / (16 + 24)},
        ),
        wgan_gp_toy.Discriminator((400,)): (
            (40,),
            {"Dense_0": 6 / 40, "Dense_1": 6 / 401},
        ),
    }

    @jax.jit
    def first(key):
        params = (
            (module.init(key, jnp.zeros((1, *shape)))["params"], names)
            for module, (shape, names) in cases.items()
        )
        return [p[name]["kernel"] for p, names in params for name in names]

    bounds = [np.abs(kernel).max() for kernel in first(KEY)]
    squares = [square for _, names in cases.values() for square in names.values()]
    np.testing.assert_allclose(bounds, np.sqrt(squares), rtol=0.01)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (wgan_gp.Discriminator(2, "layer"), (12, 12, 1)),
        (wgan_gp_resnet.Discriminator(3), (8, 8, 2)),
        (wgan_gp_toy.Discriminator((6, 6)), (2,)),
        (lucic.Discriminator(2, batch_norm=False), (8, 8, 1)),
    ],
)
def test_gradients_of_a_penalty_are_finite(module, shape):
    x = normal(3, 4, *shape)
    variables = filled(module, x)

    @jax.jit
    def grads(params, x):
        def penalty(params):
            slope = jax.grad(lambda x: module.apply({"params": params}, x).sum())(x)
            return jnp.mean(jnp.square(jnp.linalg.norm(slope.reshape(4, -1), axis=1)))

        return jax.grad(penalty)(params)

    for path, leaf in jax.tree_util.tree_leaves_with_path(
        grads(variables["params"], x)
    ):
        assert np.isfinite(leaf).all(), path
        assert leaf.any() or "bias" in jax.tree_util.keystr(path), path


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (wgan_gp.Generator((28, 24, 1)), (4,), "square images"),
        (wgan_gp.Generator((784,)), (4,), "square images"),
        (wgan_gp.Discriminator(), (784,), "judges images"),
        (wgan_gp_resnet.Generator((28, 28, 1)), (4,), "divisible by 8"),
        (wgan_gp_resnet.Generator((3072,)), (4,), "divisible by 8"),
        (wgan_gp_resnet.Discriminator(), (30, 32, 3), "divisible by 4"),
        (lucic.Generator((28, 30, 1)), (4,), "divisible by 4"),
        (lucic.Discriminator(), (784,), "divisible by 4"),
    ],
)
def test_other_shapes_are_refused_in_one_line(module, shape, says):
    with pytest.raises(UsageError, match=says) as error:
        shapes(module, 1, *shape)
    assert "\n" not in str(error.value)


def test_kernels_of_unrolled_gan_start_orthogonal():
    """1.4 times an orthogonal matrix (Metz et al. 2017, the authors' notebook)."""
    key = jax.random.key(0)
    G = unrolled.Generator(shape=(2,), widths=(12, 6))
    params = G.init(key, jnp.zeros((1, 20)))["params"]
    assert sorted(params) == ["Dense_0", "Dense_1", "Dense_2"]
    for layer, units in (("Dense_0", 12), ("Dense_1", 6), ("Dense_2", 2)):
        kernel = np.asarray(params[layer]["kernel"])
        gram = kernel.T @ kernel
        np.testing.assert_allclose(gram, 1.96 * np.eye(units), atol=1e-5)
    scores = unrolled.Discriminator(widths=(4,)).init_with_output(key, jnp.ones((3, 2)))
    assert scores[0].shape == (3,)
