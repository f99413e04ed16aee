"""SAGAN's and BigGAN's networks: published sizes, what is told where, spectral norm."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import layers
from gan_jax.errors import UsageError
from gan_jax.models import biggan, sagan

CLASSES = 10


def shapes(module, *inputs):
    """Output and variables, without computing them."""
    return jax.eval_shape(
        functools.partial(module.init_with_output, jax.random.key(0)), *inputs
    )


def noise(dim):
    return jax.ShapeDtypeStruct((2, dim), "float32")


def pictures(size, channels=3):
    return jax.ShapeDtypeStruct((2, size, size, channels), "float32")


LABELS = jax.ShapeDtypeStruct((2,), "int32")


def count(module, *inputs):
    return sum(p.size for p in jax.tree.leaves(shapes(module, *inputs)[1]["params"]))


def block(inner, features, channels, biases=2, shortcut=True):
    """The convolutions of a residual block."""
    convolutions = 9 * channels * inner + 9 * inner * features
    return convolutions + biases * features + shortcut * (channels + 1) * features


def blocks_up(channels):
    """Those of a generator, whose first bias is the norm's."""
    return sum(block(b, b, a, biases=1) for a, b in itertools.pairwise(channels))


def blocks_down(channels, down):
    """Those of a discriminator, wide inside."""
    return sum(
        block(b, b, a, shortcut=i < down or a != b)
        for i, (a, b) in enumerate(itertools.pairwise((3, *channels)))
    )


def attention(c):
    return 2 * c * c // 8 + 2 * c * c // 2 + 1


def end(c):
    """Batch norm and the last convolution to colours."""
    return 2 * c + (9 * c + 1) * 3


def test_biggan_of_imagenet_has_the_published_numbers_of_parameters():
    """Those of github.com/google/compare_gan's test, which says 70,433,988 of G.

    Its G has a bias at each block's first convolution, too, which batch norm takes away
    again: 31 widths of 96.
    """
    how = {"width": 96, "attention": (64,), "initializer": "orthogonal"}
    G = biggan.Generator((128, 128, 3), 1000, shared=128, hierarchical=True, **how)
    D = biggan.Discriminator(1000, **how)
    assert count(G, noise(120), LABELS) == 70_433_988 - (16 + 8 + 4 + 2 + 1) * 96
    assert count(D, pictures(128), LABELS) == 87_982_370


def test_numbers_of_parameters_by_hand():
    """BigGAN-PyTorch's of CIFAR-10; SAGAN's of ImageNet, here with ten classes."""
    z, wide = noise(128), 256
    tables = 2 * 2 * CLASSES * wide  # two norms, of scales and of shifts
    G = 129 * 16 * wide + blocks_up((wide,) * 4) + 3 * tables + end(wide)
    D = blocks_down((wide,) * 4, 2) + (wide + 1) + CLASSES * wide
    assert count(biggan.Generator((32, 32, 3), CLASSES), z, LABELS) == G
    assert count(biggan.Discriminator(CLASSES), pictures(32), LABELS) == D

    up = 1024, 1024, 512, 256, 128, 64
    tables = 2 * CLASSES * sum(a + b for a, b in itertools.pairwise(up))
    G = 129 * 16 * 1024 + blocks_up(up) + tables + attention(256) + end(64)
    down = 64, 128, 256, 512, 1024, 1024
    D = blocks_down(down, 5) + attention(128) + 1025 + CLASSES * 1024
    labelled = sagan.Generator((128, 128, 3), classes=CLASSES)
    assert count(labelled, z, LABELS) == G
    assert count(sagan.Generator((128, 128, 3)), z) == G - tables * 9 // 10
    assert count(sagan.Discriminator(classes=CLASSES), pictures(128), LABELS) == D
    assert count(sagan.Discriminator(), pictures(128)) == D - CLASSES * 1024


@pytest.mark.parametrize(
    ("networks", "size", "attended"),
    [
        *((biggan, 28, 14), (biggan, 32, 16), (biggan, 64, 32), (biggan, 128, 64)),
        *((sagan, 32, 8), (sagan, 64, 16), (sagan, 256, 64)),
    ],
)
def test_every_size_and_spectral_norm_in_every_layer(networks, size, attended):
    own = {"width": 1, "classes": CLASSES, "attention": (attended,)}
    told = {"shared": 4, "hierarchical": True} if networks is biggan else {}
    G = networks.Generator((size, size, 3), **own, **told)
    x, of_g = shapes(G, noise(60), LABELS)
    assert x.shape == (2, size, size, 3)
    assert set(of_g) == {"params", "batch_stats", "spectral"}
    scores, of_d = shapes(networks.Discriminator(**own), pictures(size), LABELS)
    assert scores.shape == (2,)
    assert set(of_d) == {"params", "spectral"}
    for variables in (of_g, of_d):
        assert "SelfAttention_0" in variables["params"]
        assert kernels(variables) == vectors(variables)


def kernels(variables):
    """The units of each kernel, by its layer's path."""
    return {
        jax.tree_util.keystr(path[:-1]): leaf.shape[-1]
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
        if path[-1].key == "kernel"
    }


def vectors(variables):
    return {
        jax.tree_util.keystr(path[:-1]): len(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["spectral"])
    }


def test_tables_of_classes_are_not_normalised():
    G = biggan.Generator((28, 28, 1), CLASSES, width=1)
    _, variables = shapes(G, noise(7), LABELS)
    left = kernels(variables).keys() - vectors(variables).keys()
    assert len(left) == 2 * 4  # two norms in each of two blocks, scale and shift
    assert all("AdaptiveBatchNorm" in path for path in left)


# --- what is told where --------------------------------------------------------------


def filled(like):
    """Variables of these shapes, positive as a variance has to be."""
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), leaf.dtype), like
    )


def test_each_chunk_of_z_and_the_label_come_in_where_they_should():
    """The first chunk at the projection, each further one at its block, y at both."""
    how = {"shared": 3, "hierarchical": True, "weight": "plain"}
    G = biggan.Generator((28, 28, 1), CLASSES, 1, **how)
    z, y = np.random.default_rng(1).normal(size=(2, 6)).astype(np.float32), [1, 1]
    variables = filled(shapes(G, noise(6), LABELS)[1])

    @jax.jit
    def outputs(z, y):
        _, seen = G.apply(variables, z, y, capture_intermediates=True, mutable=True)
        seen = seen["intermediates"]
        return [seen[name]["__call__"][0] for name in ("Dense_0", *BLOCKS)]

    first = outputs(z, np.int32(y))
    for chunk in range(3):
        moved = z.copy()
        moved[:, 2 * chunk : 2 * chunk + 2] += 1
        changed = map(np.any, map(np.not_equal, outputs(moved, np.int32(y)), first))
        assert list(changed) == [chunk <= i for i in range(3)]
    changed = map(np.any, map(np.not_equal, outputs(z, np.int32([2, 2])), first))
    assert list(changed) == [False, True, True]


BLOCKS = "Residual_0", "Residual_1"


def test_told_a_class_adaptive_batch_norm_is_that_of_tables():
    x = jnp.float32(3 + 2 * np.random.default_rng(2).normal(size=(4, 3, 3, 5)))
    y = np.int32([0, 2, 1, 2])
    tables, linear = layers.ConditionalBatchNorm(3), layers.AdaptiveBatchNorm()
    v = layers.one_hot(y, 3)
    like = jax.eval_shape(lambda: linear.init(jax.random.key(0), x, v, True))
    variables = filled(like)
    scale, shift = (variables["params"][name]["kernel"] for name in ("scale", "shift"))
    moved = ["batch_stats"]

    @jax.jit
    def both():
        params = {"scale": 1 + scale, "bias": shift}
        stats = variables["batch_stats"]
        one = tables.apply(
            {"params": params, "batch_stats": stats}, x, y, True, mutable=moved
        )
        return one, linear.apply(variables, x, v, True, mutable=moved)

    (one, kept), (other, kept_too) = both()
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, kept, kept_too)


def test_an_embedding_has_a_vector_for_each_class_and_those_between():
    module = layers.Embedding(3, 2)
    table = jnp.float32([[1, 2], [3, 4], [5, 6]])
    of = functools.partial(module.apply, {"params": {"embedding": table}})
    np.testing.assert_array_equal(of(np.int32([2, 0])), [[5, 6], [1, 2]])
    np.testing.assert_array_equal(of(jnp.float32([[0.5, 0.5, 0]])), [[2, 3]])


# --- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "inputs", "says"),
    [
        (biggan.Generator((48, 48, 3), 10), (noise(8), LABELS), "28, 32, 64 or 128"),
        (biggan.Discriminator(10), (noise(8), LABELS), "28, 32, 64 or 128"),
        (sagan.Generator((48, 48, 3)), (noise(8),), r"32, 64, 128, \.\. pixels"),
        (sagan.Discriminator(), (pictures(16),), r"32, 64, 128, \.\. pixels"),
        (sagan.Discriminator(), (noise(64),), "square images"),
        (sagan.Generator((64, 64, 3), attention=(128,)), (noise(8),),
         "generator sagan: attention=128, but .* 8, 16, 32, 64 pixels"),
        (sagan.Discriminator(), (pictures(32),),
         "discriminator sagan: attention=32, but .* 16, 8, 4 pixels"),
        (biggan.Generator((28, 28, 1), 10, attention=(7,)), (noise(8), LABELS),
         "generator biggan: attention=7, but .* 14, 28 pixels"),
        (biggan.Discriminator(10, attention=(28,)), (pictures(28), LABELS),
         "discriminator biggan: attention=28, but .* 14, 7 pixels"),
        (biggan.Generator((32, 32, 3), 10, hierarchical=True), (noise(130), LABELS),
         "130 numbers .* 4 chunks; .* multiples of that, such as 128 or 132"),
        (biggan.Generator((32, 32, 3), 10, hierarchical=True), (noise(2), LABELS),
         "such as 4"),
    ],
)  # fmt: skip
def test_what_the_networks_are_not_made_for_is_refused_in_one_line(
    module, inputs, says
):
    with pytest.raises(UsageError, match=says) as error:
        shapes(module, *inputs)
    assert "\n" not in str(error.value)
