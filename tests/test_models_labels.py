"""Networks that are given labels: sizes of the papers, and what labels change."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.models import acgan, cgan_2014, conditional_dcgan, projection, sngan_resnet

KEY = jax.random.key(0)
MNIST, CIFAR, TINY = (28, 28, 1), (32, 32, 3), (8, 8, 2)
CLASSES = 10
LABELS = np.array([0, 7, 3, 9], np.int32)
OTHERS = np.array([1, 8, 9, 3], np.int32)


def dense(*sizes):
    """The number of parameters of dense layers with these numbers of units."""
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def shapes(module, *inputs):
    """Output and variables, without computing them."""
    return jax.eval_shape(functools.partial(module.init_with_output, KEY), *inputs)


def count(module, *inputs):
    return sum(p.size for p in jax.tree.leaves(shapes(module, *inputs)[1]["params"]))


# no biases, and nothing learned in batch norm
COUNTS = {
    "cgan_2014": (
        (
            cgan_2014.Generator(MNIST, CLASSES, mean=np.full(MNIST, 0.1)),
            cgan_2014.Discriminator(CLASSES),
        ),
        (
            dense(100, 200) + dense(10, 1000) + dense(1200, 1200, 784),
            dense(784, 5 * 240) + dense(10, 5 * 50) + dense(290, 4 * 240) + 241,
        ),
    ),
    "conditional_dcgan": (
        (
            conditional_dcgan.Generator(MNIST, CLASSES),
            conditional_dcgan.Discriminator(CLASSES),
        ),
        (
            110 * 1024 + 1034 * 6272 + 25 * 138 * 64 + 25 * 74,
            25 * 11 * 64 + 25 * 74 * 128 + 6282 * 1024 + 1034,
        ),
    ),
    # two tables of ten rows for conditional batch norm, ten vectors for the projection
    "projection": (
        (projection.Generator(MNIST, CLASSES), projection.Discriminator(CLASSES)),
        (
            101 * 49 * 128
            + (2 * 10 * 128 + 16 * 128 * 64)
            + (2 * 10 * 64 + 16 * 64 + 1),
            (16 + 1) * 64
            + (9 * 64 + 1) * 64
            + (16 * 64 + 1) * 128
            + (9 * 128 + 1) * 128
            + 129
            + 10 * 128,
        ),
    ),
    "deep projection": (
        (projection.Generator(MNIST, CLASSES, deep=True), projection.Discriminator(2)),
        (
            101 * 49 * 128
            + (2 * 10 * 128 + 16 * 128 * 64)
            + (2 * 10 * 64 + 9 * 64 * 64)
            + (2 * 10 * 64 + 16 * 64 * 32)
            + (2 * 10 * 32 + 9 * 32 + 1),
            (16 + 9 * 64 + 2) * 64 + (16 * 64 + 9 * 128 + 2) * 128 + 129 + 2 * 128,
        ),
    ),
    "acgan": (
        (acgan.Generator(CIFAR, CLASSES), acgan.Discriminator(CLASSES)),
        (
            dense(110, 384)
            + (16 * 384 + 2) * 192
            + (16 * 192 + 2) * 96
            + (16 * 96 + 2) * 48
            + 16 * 48 * 3,
            9 * 3 * 16
            + sum((9 * 2**i * 16 + 2) * 2 ** (i + 1) * 16 for i in range(5))
            + dense(4 * 4 * 512, 1 + 10),
        ),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_numbers_of_parameters(name):
    (G, D), expected = COUNTS[name]
    x, y, z = jnp.zeros((2, *G.shape)), jnp.zeros(2, jnp.int32), jnp.zeros((2, 100))
    for_d = (x,) if name == "acgan" else (x, y)
    assert (count(G, z, y), count(D, *for_d)) == expected


def test_a_projection_can_read_places_and_the_deviation_of_a_group():
    x, y = normal(1, 8, 28, 28, 1), jnp.arange(8) % CLASSES
    plain, told, read = (
        projection.Discriminator(CLASSES, 2, **fields)
        for fields in ({}, {"group": 4}, {"units": 5})
    )
    # one more number for the score and for each class; a layer in the place of a sum
    assert count(told, x, y) - count(plain, x, y) == 1 + CLASSES
    places, heads = dense(49 * 4, 5), (5 - 4) * (1 + CLASSES)
    assert count(read, x, y) - count(plain, x, y) == places + heads
    for module, apart in ((plain, False), (told, True)):
        variables = filled(module, x, y)
        alone = module.apply(variables, x[:1], y[:1])
        among = module.apply(variables, x, y)[:1]
        assert (np.abs(alone - among).max() > 1e-4) == apart
    patch, far = np.zeros((2, 1, 64, 64, 1), np.float32)
    patch[:, 28:32, 28:32] = far[:, 32:36, 28:32] = normal(2, 4, 4, 1)
    for module, apart in ((plain, False), (read, True)):
        variables = filled(module, patch, y[:1])
        here, there = (module.apply(variables, at, y[:1]) for at in (patch, far))
        assert (np.abs(here - there).max() > 1e-4) == apart


@pytest.mark.parametrize(("size", "width"), [(32, None), (48, 4), (64, 4)])
def test_labels_add_tables_to_residual_networks_and_nothing_else(size, width):
    """Two norms a block of G get ten rows each, D's score ten vectors (SNEmbedID)."""
    shape = (size, size, 3)
    own = {} if width is None else {"width": width}
    x, y, z = jnp.zeros((2, *shape)), jnp.zeros(2, jnp.int32), jnp.zeros((2, 128))
    G = sngan_resnet.Generator(shape, **own, classes=CLASSES)
    D = sngan_resnet.Discriminator(**own, classes=CLASSES)
    norms = {32: 6 * 256, 48: (8 + 2 * (4 + 2) + 1) * 4, 64: (16 + 2 * 14 + 1) * 4}
    assert count(G, z, y) - count(G, z) == 2 * 9 * norms[size]
    features = 128 if size == 32 else 16 * 4
    assert count(D, x, y) - count(D, x) == 10 * features
    labelled, plain = shapes(D, x, y)[1], shapes(D, x)[1]
    assert "Dense_0" in plain["params"]
    head = labelled["params"]["Head_0"]
    assert ("bias" in head["Dense_0"]) == ("bias" in plain["params"]["Dense_0"])
    assert ("bias" in head["Dense_0"]) == (size != 32)
    assert head["Dense_1"]["kernel"].shape == (features, CLASSES)
    assert labelled["spectral"]["Head_0"]["Dense_1"]["u"].shape == (CLASSES,)


def test_without_labels_classes_change_nothing():
    for module, x in (
        (sngan_resnet.Generator(CIFAR, 4), jnp.zeros((2, 8))),
        (sngan_resnet.Discriminator(4), jnp.zeros((2, *CIFAR))),
    ):
        told = module.copy(classes=CLASSES)
        one, two = (shapes(m, x)[1] for m in (module, told))
        assert jax.tree.leaves_with_path(one) == jax.tree.leaves_with_path(two)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def filled(module, *inputs):
    """Variables of a module, normal; fast, as there is no initialiser to compile."""
    rng = np.random.default_rng(0)

    def fill(path, leaf):
        values = 0.3 * rng.normal(size=leaf.shape)
        variance = "'var'" in jax.tree_util.keystr(path)
        return jnp.asarray(abs(values) if variance else values, leaf.dtype)

    variables = jax.eval_shape(module.init, KEY, *inputs)
    return jax.tree_util.tree_map_with_path(fill, variables)


UNITS = {"latent_units": 5, "label_units": 6, "units": 7, "marginal_bias": False}
PIECES = {"image_units": 5, "image_pieces": 3, "label_units": 4, "label_pieces": 2}
SMALL = {
    "cgan_2014": (
        cgan_2014.Generator(TINY, CLASSES, **UNITS),
        cgan_2014.Discriminator(CLASSES, **PIECES, units=6, pieces=2),
    ),
    "conditional_dcgan": (
        conditional_dcgan.Generator(TINY, CLASSES, 3),
        conditional_dcgan.Discriminator(CLASSES, 3),
    ),
    "deep projection": (projection.Generator(TINY, CLASSES, 8, deep=True), None),
    "projection": (
        projection.Generator(TINY, CLASSES, 3),
        projection.Discriminator(CLASSES, 3, group=2, units=4),
    ),
    "sngan_resnet": (
        sngan_resnet.Generator(CIFAR, 3, CLASSES),
        sngan_resnet.Discriminator(2, classes=CLASSES),
    ),
    "acgan": (acgan.Generator(TINY, CLASSES, 3), None),
}
PLAYERS = [
    (name, player)
    for name, pair in SMALL.items()
    for player in range(2)
    if pair[player] is not None
]


def small(name, player):
    """A small network, its variables, and what it is given beside labels."""
    module = SMALL[name][player]
    shape = CIFAR if name == "sngan_resnet" else TINY
    x = normal(1, 4, *shape) if player else normal(1, 4, 6)
    return module, filled(module, x, LABELS), x


@pytest.mark.parametrize(("name", "player"), PLAYERS)
def test_labels_matter_and_may_be_weights(name, player):
    module, variables, x = small(name, player)
    weights = np.eye(CLASSES, dtype=np.float32)
    apply = jax.jit(functools.partial(module.apply, variables, x))
    out, again, other = apply(LABELS), apply(weights[LABELS]), apply(OTHERS)
    between = apply(0.5 * weights[LABELS] + 0.5 * weights[OTHERS])
    shape = () if player else SMALL[name][0].shape
    assert out.shape == between.shape == (4, *shape)
    assert out.dtype == between.dtype == jnp.float32
    np.testing.assert_allclose(again, out, rtol=1e-5, atol=1e-6)
    for i in range(4):
        assert np.abs(other[i] - out[i]).max() > 1e-4
        assert np.abs(between[i] - out[i]).max() > 1e-5
        assert np.abs(between[i] - other[i]).max() > 1e-5


@pytest.mark.parametrize(
    ("name", "player"),
    [(name, player) for name, player in PLAYERS if "dcgan" in name or "cgan" in name],
)
def test_labels_that_are_joined_do_not_widen_a_network_s_numbers(name, player):
    module, variables, x = small(name, player)
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables["params"])
    for y in (LABELS, jnp.eye(CLASSES)[LABELS]):
        apply = functools.partial(module.apply, variables | {"params": low})
        out = jax.eval_shape(apply, jnp.asarray(x, jnp.bfloat16), y)
        assert out.dtype == jnp.bfloat16


@pytest.mark.parametrize(("name", "player"), PLAYERS)
def test_gradients_are_finite_and_reach_every_parameter(name, player):
    module, variables, x = small(name, player)

    @jax.jit
    def grads(params):
        def objective(params):
            out, _ = module.apply(
                *(variables | {"params": params}, x, LABELS),
                train=True,
                mutable=True,
                rngs={"dropout": KEY},
            )
            return jnp.sum(jnp.square(out - 0.3))

        return jax.grad(objective)(params)

    found = grads(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(found):
        assert np.isfinite(leaf).all(), path
        assert leaf.any(), path


def test_cgan_is_the_published_chain():
    """Without dropout: ReLU of z, of y and of both; maxout of x, of y and of both."""
    (G, for_g, z), (D, for_d, x) = (small("cgan_2014", player) for player in (0, 1))
    y = np.eye(CLASSES, dtype=np.float32)[LABELS]
    g, d = (
        [p[f"Dense_{i}"] for i in range(4)] for p in (for_g["params"], for_d["params"])
    )

    def affine(h, layer):
        return np.asarray(h) @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])

    def relu(h, layer):
        return np.maximum(affine(h, layer), 0)

    def maxout(h, layer, pieces):
        return affine(h, layer).reshape(4, pieces, -1).max(1)

    scores, images = jax.jit(
        lambda: (D.apply(for_d, x, LABELS), G.apply(for_g, z, LABELS))
    )()
    joint = np.concatenate([relu(z, g[0]), relu(y, g[1])], 1)
    made = 1 / (1 + np.exp(-affine(relu(joint, g[2]), g[3])))
    np.testing.assert_allclose(images.reshape(4, -1), made, rtol=1e-4)
    flat = x.reshape(4, -1)
    joint = np.concatenate([maxout(flat, d[0], 3), maxout(y, d[1], 2)], 1)
    expected = affine(maxout(joint, d[2], 2), d[3])[:, 0]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_cgan_starts_like_the_networks_of_2014():
    mean = np.linspace(0.1, 0.9, 2 * 64).reshape(TINY)
    G = cgan_2014.Generator(TINY, CLASSES, mean=mean)
    params = jax.jit(G.init)(KEY, jnp.zeros((1, 100)), LABELS[:1])["params"]
    ranges = [np.abs(layer["kernel"]).max() for layer in params.values()]
    np.testing.assert_allclose(ranges, 0.05, rtol=0.01)
    bias = np.asarray(params["Dense_3"]["bias"])
    np.testing.assert_allclose(1 / (1 + np.exp(-bias)), mean.ravel(), rtol=1e-5)


@pytest.mark.parametrize(
    "of",
    [
        lambda: small("cgan_2014", 0),
        lambda: small("cgan_2014", 1),
        lambda: (
            acgan.Discriminator(CLASSES, 2),
            filled(acgan.Discriminator(CLASSES, 2), normal(1, 4, *TINY)),
            normal(1, 4, *TINY),
        ),
    ],
)
def test_dropout_acts_in_training_only(of):
    module, variables, x = of()
    labels = () if isinstance(module, acgan.Discriminator) else (LABELS,)

    @jax.jit
    def run():
        def training(module, key):
            return first(
                module.apply(
                    *(variables, x, *labels),
                    train=True,
                    mutable=["batch_stats"],
                    rngs={"dropout": key},
                )[0]
            )

        one, two = jax.random.split(KEY)
        quiet = module.copy(dropout=0.0)
        evaluated = [first(m.apply(variables, x, *labels)) for m in (module, quiet)]
        trained = [training(m, key) for m in (module, quiet) for key in (one, two)]
        return evaluated, trained

    def first(out):
        return out[0] if isinstance(out, tuple) else out

    (evaluated, silent), (one, two, *quiet) = run()
    np.testing.assert_array_equal(evaluated, silent)
    np.testing.assert_array_equal(*quiet)
    for out in (one, two):
        assert np.abs(out - quiet[0]).max() > 1e-4
    assert np.abs(one - two).max() > 1e-4


def test_acgan_tells_scores_and_classes_of_any_square_image():
    for size, places in ((28, 4), (32, 4), (45, 6)):
        shape = (size, size, 1)
        G, D = acgan.Generator(shape, CLASSES, 2), acgan.Discriminator(CLASSES, 2)
        x, variables = shapes(G, jnp.zeros((3, 5)), jnp.zeros(3, jnp.int32))
        assert x.shape == (3, *shape)
        kernel = variables["params"]["ConvTranspose_0"]["kernel"]
        assert kernel.shape == (places, places, 8, 16)
        (scores, logits), _ = shapes(D, jnp.zeros((3, *shape)))
        assert (scores.shape, logits.shape) == ((3,), (3, CLASSES))
        assert scores.dtype == logits.dtype == jnp.float32


def test_acgan_s_class_is_part_of_its_latent():
    """The first layer is of z and the one-hot label together, without an activation."""
    module, variables, z = small("acgan", 0)
    params = variables["params"]
    joined = np.concatenate([z, np.eye(CLASSES)[LABELS]], 1)
    apply = functools.partial(module.apply, variables, z, LABELS)
    _, seen = jax.jit(functools.partial(apply, capture_intermediates=True))()
    (h,), (image,) = (
        seen["intermediates"][layer]["__call__"]
        for layer in ("Dense_0", "ConvTranspose_0")
    )
    expected = joined @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"][None]
    np.testing.assert_allclose(h, expected, rtol=1e-4)
    # from one place, a transposed convolution is its kernel [kh, kw, outputs, inputs]
    kernel = np.asarray(params["ConvTranspose_0"]["kernel"])
    expected = np.einsum("ni,hwoi->nhwo", h, kernel)
    np.testing.assert_allclose(image, expected, rtol=1e-4, atol=1e-5)


def test_every_layer_of_the_conditional_dcgan_sees_the_label():
    # of latents, pixels and units, from the input on; transposed kernels end with them
    for player, inputs in ((0, (6, 48, 6, 3)), (1, (2, 3, 2 * 2 * 6, 48))):
        _, variables, _ = small("conditional_dcgan", player)
        kernels = {name: p["kernel"].shape for name, p in variables["params"].items()}
        transposed = {"ConvTranspose_0": -1, "ConvTranspose_1": -1}
        seen = sorted(
            shape[transposed.get(name, -2)] for name, shape in kernels.items()
        )
        assert seen == sorted(n + CLASSES for n in inputs)


def test_spectral_norm_is_in_every_layer_of_a_projection():
    """Scores do not depend on the scale of weights, those of the classes included."""
    module, variables, x = small("projection", 1)
    kernels = [
        path
        for path, _ in jax.tree_util.tree_leaves_with_path(variables["params"])
        if "kernel" in str(path)
    ]
    assert len(kernels) == len(jax.tree.leaves(variables["spectral"])) == 7
    tenfold = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 10 * leaf if "kernel" in str(path) else leaf,
        variables["params"],
    )
    apply = jax.jit(module.apply)
    one = apply(variables, x, LABELS)
    scaled = apply(variables | {"params": tenfold}, x, LABELS)
    np.testing.assert_allclose(scaled, one, rtol=1e-3)
    assert np.ptp(np.asarray(one)) > 1e-3


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (conditional_dcgan.Generator((28, 30, 1), CLASSES), (6,), "divisible by 4"),
        (conditional_dcgan.Discriminator(CLASSES), (784,), "divisible by 4"),
        (projection.Generator((784,), CLASSES), (6,), "divisible by 4"),
        (projection.Discriminator(CLASSES), (30, 28, 1), "divisible by 4"),
        (acgan.Generator((28, 24, 1), CLASSES), (6,), "square images"),
        (sngan_resnet.Generator((40, 40, 3), 4, CLASSES), (6,), "32, 48 or 64"),
        (cgan_2014.Discriminator(0), (784,), "no classes"),
        (projection.Generator(TINY, 0), (6,), "no classes"),
        (projection.Discriminator(0), TINY, "none"),
        (sngan_resnet.Discriminator(4), CIFAR, "none"),
        (acgan.Generator(TINY, 0), (6,), "no classes"),
    ],
)
def test_what_they_cannot_do_is_refused_in_one_line(module, shape, says):
    with pytest.raises(UsageError, match=says) as error:
        shapes(module, jnp.zeros((4, *shape)), LABELS)
    assert "\n" not in str(error.value)


def test_acgan_judges_images_of_known_classes():
    for D, shape, says in (
        (acgan.Discriminator(CLASSES), (784,), "judges images"),
        (acgan.Discriminator(0), MNIST, "none"),
    ):
        with pytest.raises(UsageError, match=says):
            shapes(D, jnp.zeros((1, *shape)))
