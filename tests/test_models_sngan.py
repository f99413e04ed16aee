"""The networks of SNGAN: sizes, spectral norm in every layer, sums over pixels."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.models import sngan, sngan_resnet

KEY = jax.random.key(0)


def shapes(module, *shape):
    """Output and variables, without computing them."""
    x = jax.ShapeDtypeStruct(shape, "float32")
    return jax.eval_shape(functools.partial(module.init_with_output, KEY), x)


def count(module, *shape):
    return sum(p.size for p in jax.tree.leaves(shapes(module, *shape)[1]["params"]))


def block(channels, features, up=False, first=False, resampled=True):
    """Parameters of a residual block; batch norm where it doubles the size."""
    inner = features if up or first else channels
    convolutions = 9 * channels * inner + inner + (9 * inner + 1) * features
    shortcut = (channels + 1) * features if resampled or channels != features else 0
    return convolutions + shortcut + up * (2 * channels + 2 * inner - inner)


def generator(places, channels):
    first, *_, last = channels
    blocks = sum(block(a, b, up=True) for a, b in itertools.pairwise(channels))
    return 129 * places**2 * first + blocks + 2 * last + (9 * last + 1) * 3


def discriminator(channels, down):
    blocks = sum(
        block(a, b, first=i == 0, resampled=i < down)
        for i, (a, b) in enumerate(itertools.pairwise((3, *channels)))
    )
    return blocks + channels[-1]


# the authors' D has a bias in its score at 64 pixels
COUNTS = {
    "sngan at 32": (
        (sngan.Generator((32, 32, 3)), sngan.Discriminator()),
        (
            129 * 16 * 512
            + 2 * 512
            + (16 * 512 + 2) * 256
            + (16 * 256 + 2) * 128
            + (16 * 128 + 2) * 64
            + (9 * 64 + 1) * 3,
            (27 + 1) * 64
            + (16 * 64 + 1) * 128
            + (9 * 128 + 1) * 128
            + (16 * 128 + 1) * 256
            + (9 * 256 + 1) * 256
            + (16 * 256 + 1) * 512
            + (9 * 512 + 1) * 512
            + (16 * 512 + 1),
        ),
    ),
    "sngan_resnet at 32": (
        (sngan_resnet.Generator((32, 32, 3)), sngan_resnet.Discriminator()),
        (generator(4, (256,) * 4), discriminator((128,) * 4, 2)),
    ),
    "sngan_resnet at 48": (
        (sngan_resnet.Generator((48, 48, 3), 64), sngan_resnet.Discriminator(64)),
        (
            generator(6, (512, 256, 128, 64)),
            discriminator((64, 128, 256, 512, 1024), 4) + 1,
        ),
    ),
    "sngan_resnet at 64": (
        (sngan_resnet.Generator((64, 64, 3), 64), sngan_resnet.Discriminator(64)),
        (
            generator(4, (1024, 512, 256, 128, 64)),
            discriminator((64, 128, 256, 512, 1024), 5) + 1,
        ),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_numbers_of_parameters(name):
    (G, D), expected = COUNTS[name]
    assert (count(G, 2, 128), count(D, 2, *G.shape)) == expected


@pytest.mark.parametrize("size", [32, 48, 64])
@pytest.mark.parametrize("module", [sngan, sngan_resnet])
def test_every_size_and_spectral_norm_in_every_layer(module, size):
    shape = (size, size, 3)
    x, variables = shapes(module.Generator(shape, 4), 5, 10)
    assert x.shape == (5, *shape)
    assert set(variables) == {"params", "batch_stats"}
    scores, variables = shapes(module.Discriminator(4), *x.shape)
    assert scores.shape == (5,)
    assert set(variables) == {"params", "spectral"}
    layers = {
        jax.tree_util.keystr(path[:-1], simple=True, separator="/"): leaf.shape[-1]
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
        if "kernel" in jax.tree_util.keystr(path)
    }
    vectors = {
        jax.tree_util.keystr(path[:-1], simple=True, separator="/"): leaf.shape[0]
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["spectral"])
    }
    assert layers == vectors
    plain = module.Discriminator(4, weight="plain")
    assert set(shapes(plain, *x.shape)[1]) == {"params"}


def filled(module, *shape):
    """Variables of a module, normal, without initialisers to compile."""
    rng = np.random.default_rng(0)
    variables = shapes(module, *shape)[1]
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), variables
    )


def images(*shape):
    return jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)


def without_biases(variables):
    """The same variables, biases zero."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0 * leaf if "bias" in jax.tree_util.keystr(path) else leaf,
        variables,
    )


@pytest.mark.parametrize("module", [sngan, sngan_resnet])
def test_scores_do_not_depend_on_the_scale_of_weights(module):
    """Nor, without biases, on more than the scale of images; and they move u alone."""
    D, x = module.Discriminator(2), images(3, 32, 32, 1)
    variables = without_biases(filled(D, *x.shape))

    @jax.jit
    def scores(variables, x):
        return D.apply(variables, x), D.apply(
            variables, x, train=True, mutable=["spectral"]
        )

    one, (training, moved) = scores(variables, x)
    tenfold = variables | {
        "params": jax.tree.map(lambda p: 10 * p, variables["params"])
    }
    scaled, _ = scores(tenfold, 2 * x)
    assert np.abs(one).min() > 1e-6
    np.testing.assert_allclose(scaled, 2 * one, rtol=1e-3)
    np.testing.assert_array_equal(training, one)
    same = jax.tree.map(np.array_equal, moved["spectral"], variables["spectral"])
    assert not any(jax.tree.leaves(same))


def test_residual_scores_are_sums_over_pixels():
    D = sngan_resnet.Discriminator(2, weight="plain")
    variables = filled(D, 1, 32, 32, 1)
    x = images(3, 32, 32, 1)
    seen = jax.jit(
        lambda x: D.apply(variables, x, capture_intermediates=True, mutable=True)
    )(x)
    scores, (last,) = seen[0], seen[1]["intermediates"]["Residual_3"]["__call__"]
    assert last.shape == (3, 8, 8, 2)
    kernel = variables["params"]["Dense_0"]["kernel"][:, 0]
    pixels = np.maximum(last, 0).reshape(3, -1, 2) @ np.asarray(kernel)
    np.testing.assert_allclose(scores, pixels.sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("module", [sngan, sngan_resnet])
def test_gradients_of_a_penalty_are_finite(module):
    D, x = module.Discriminator(4), images(2, 32, 32, 1)
    variables = filled(D, *x.shape)

    @jax.jit
    def grads(params, x):
        def score(params, x):
            return D.apply(variables | {"params": params}, x).sum()

        def penalty(params):
            return jnp.sum(jnp.square(jax.grad(score, argnums=1)(params, x)))

        return jax.grad(penalty)(params)

    found = grads(variables["params"], x)
    for path, leaf in jax.tree_util.tree_leaves_with_path(found):
        assert np.isfinite(leaf).all(), path
        assert leaf.any() != ("bias" in jax.tree_util.keystr(path)), path


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (sngan, (28, 28, 1), "32, 48 or 64"),
        (sngan, (3072,), "divisible by 8"),
        (sngan_resnet, (40, 40, 3), "32, 48 or 64"),
        (sngan_resnet, (32, 64, 3), "square"),
        (sngan_resnet, (3072,), "32, 48 or 64"),
    ],
)
def test_other_sizes_are_refused_in_one_line(module, shape, says):
    for network, of in (
        (module.Generator(shape), (1, 4)),
        (module.Discriminator(), (1, *shape)),
    ):
        with pytest.raises(UsageError, match=says) as error:
            shapes(network, *of)
        assert "\n" not in str(error.value)
