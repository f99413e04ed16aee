"""Heads of discriminators and labels in networks: closed forms, and weights of labels.

Whatever takes labels takes them as whole numbers, and as weights of the classes.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import layers
from gan_jax.errors import UsageError

KEY = jax.random.key(0)
CLASSES = 3
LABELS = np.array([0, 2, 1, 2, 0], np.int32)
IMAGES, VECTORS = (5, 4, 3, 6), (5, 6)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def filled(module, *inputs):
    """Variables of a module, normal, without initialisers to compile."""
    leaves, tree = jax.tree.flatten(jax.eval_shape(module.init, KEY, *inputs))
    return jax.tree.unflatten(
        tree, [normal(i, *leaf.shape) for i, leaf in enumerate(leaves)]
    )


def one_hot(labels):
    return np.eye(CLASSES, dtype=np.float32)[labels]


def said(kind, h, *labels, **fields):
    """What a head of a kind says, and its parameters."""
    head = layers.Head(kind, CLASSES, **fields)
    variables = filled(head, h, *labels)
    return head.apply(variables, h, *labels), variables["params"]


def affine(h, layer):
    return h @ layer["kernel"] + layer["bias"][None]


def test_a_score_and_logits_are_affine():
    h = normal(1, 5, 4)
    scores, params = said("score", h)
    np.testing.assert_allclose(scores, affine(h, params["Dense_0"])[:, 0], rtol=1e-5)
    logits, params = said("classes", h)
    np.testing.assert_allclose(logits, affine(h, params["Dense_0"]), rtol=1e-5)
    assert (scores.shape, logits.shape) == ((5,), (5, CLASSES))


def test_an_auxiliary_head_says_both():
    h = normal(1, 5, 4)
    (scores, logits), params = said("auxiliary", h)
    np.testing.assert_allclose(scores, affine(h, params["Dense_0"])[:, 0], rtol=1e-5)
    np.testing.assert_allclose(logits, affine(h, params["Dense_1"]), rtol=1e-5)
    assert (scores.shape, logits.shape) == ((5,), (5, CLASSES))


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_projection_adds_the_product_with_the_vector_of_the_class(use_bias):
    h = normal(1, 5, 4)
    scores, params = said("projection", h, LABELS, use_bias=use_bias)
    vectors = params["Dense_1"]["kernel"].T[LABELS]
    expected = h @ params["Dense_0"]["kernel"][:, 0] + (vectors * h).sum(1)
    if use_bias:
        expected += params["Dense_0"]["bias"]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    biases = [name for name, layer in params.items() if "bias" in layer]
    assert biases == (["Dense_0"] if use_bias else [])


def test_labels_of_a_projection_may_be_weights():
    h = normal(1, 5, 4)
    head = layers.Head("projection", CLASSES)
    variables = filled(head, h, LABELS)

    def scores(y):
        return head.apply(variables, h, y)

    np.testing.assert_allclose(scores(one_hot(LABELS)), scores(LABELS), rtol=1e-6)
    others = (LABELS + 1) % CLASSES
    between = 0.25 * one_hot(LABELS) + 0.75 * one_hot(others)
    expected = 0.25 * scores(LABELS) + 0.75 * scores(others)
    np.testing.assert_allclose(scores(between), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(scores(LABELS) - scores(others)).min() > 1e-3


def test_a_head_s_weight_is_that_of_all_its_kernels():
    """After some power iterations both matrices have a largest singular value of 1."""
    head = layers.Head("projection", CLASSES, use_bias=False, weight=layers.spectral)
    h = np.eye(4, dtype=np.float32)
    variables = filled(head, h, np.zeros(4, np.int32))
    sizes = [leaf.shape for leaf in jax.tree.leaves(variables["spectral"])]
    assert sizes == [(1,), (CLASSES,)]  # one number a unit, and a class

    def scores(variables, label):
        y = jnp.full(4, label, jnp.int32)
        return head.apply(variables, h, y, mutable=["spectral"])

    for _ in range(30):
        _, moved = jax.jit(scores)(variables, 0)
        variables = variables | moved
    columns = [scores(variables, label)[0] for label in range(CLASSES)]
    own = variables["params"]["Dense_0"]["kernel"][:, 0]
    own = own / np.linalg.norm(own)
    vectors = np.stack(columns, 1) - own[:, None]
    np.testing.assert_allclose(np.linalg.norm(vectors, 2), 1, rtol=1e-3)
    tenfold = jax.tree.map(lambda p: 10 * p, variables["params"])
    again = scores(variables | {"params": tenfold}, 0)[0]
    np.testing.assert_allclose(again, columns[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("head", "labels", "says"),
    [
        (layers.Head("projections", 3), LABELS, "did you mean 'projection'"),
        (layers.Head("projection"), LABELS, "the data have none"),
        (layers.Head("auxiliary"), None, "the data have none"),
        (layers.Head("classes"), None, "the data have none"),
        (layers.Head("projection", 3), None, "needs labels"),
        (layers.Head("projection", 3), one_hot(LABELS)[:, :2], r"\[n, 3\]"),
        (layers.Head("projection", 3), LABELS[:, None], r"\(5, 1\)"),
    ],
)
def test_what_a_head_cannot_say_is_refused_in_one_line(head, labels, says):
    with pytest.raises(UsageError, match=says) as error:
        jax.eval_shape(head.init, KEY, normal(1, 5, 4), labels)
    assert "\n" not in str(error.value)


def test_one_hot_passes_weights_through():
    weights = np.array([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0]], np.float16)
    for y, expected in ((LABELS, one_hot(LABELS)), (weights, np.float32(weights))):
        found = layers.one_hot(y, CLASSES)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == jnp.float32
    with pytest.raises(UsageError, match="no classes"):
        layers.one_hot(LABELS, 0)


@pytest.mark.parametrize("shape", [IMAGES, VECTORS])
def test_labels_are_joined_as_channels_at_every_pixel(shape):
    x = jnp.asarray(normal(1, *shape), jnp.bfloat16)
    joined = layers.join(x, LABELS, CLASSES)
    assert joined.shape == (*shape[:-1], shape[-1] + CLASSES)
    assert joined.dtype == jnp.bfloat16
    np.testing.assert_array_equal(joined[..., : shape[-1]], x)
    for i, label in enumerate(LABELS):
        channels = np.asarray(joined[i, ..., shape[-1] :], np.float32)
        expected = np.broadcast_to(one_hot(label), channels.shape)
        np.testing.assert_array_equal(channels, expected)


def tables(scale, bias):
    params = {"scale": jnp.asarray(scale), "bias": jnp.asarray(bias)}
    stats = {"mean": jnp.asarray(normal(8, 6)), "var": jnp.asarray(normal(9, 6) ** 2)}
    return {"params": params, "batch_stats": stats}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("shape", [IMAGES, VECTORS])
def test_with_equal_tables_it_is_batch_norm(shape, train):
    x, scale, bias = 3 + 2 * normal(1, *shape), normal(2, 6), normal(3, 6)
    weights = normal(4, *shape)
    plain, conditional = layers.BatchNorm(), layers.ConditionalBatchNorm(CLASSES)
    rows = np.tile(scale, (CLASSES, 1)), np.tile(bias, (CLASSES, 1))

    def run(module, variables, *labels):
        def objective(x):
            y, moved = module.apply(
                variables, x, *labels, train, mutable=["batch_stats"]
            )
            return jnp.vdot(weights, jnp.sin(y)), (y, moved)

        return jax.grad(objective, has_aux=True)(x)

    ours, expected = jax.jit(
        lambda: (
            run(conditional, tables(*rows), LABELS),
            run(plain, tables(scale, bias)),
        )
    )()
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        ours,
        expected,
    )
    moved = ours[1][1]["batch_stats"]["mean"]
    assert np.allclose(moved, normal(8, 6)) != train


def test_conditional_batch_norm_starts_with_mean_0_and_variance_1():
    x, module = 3 + 2 * normal(1, *IMAGES), layers.ConditionalBatchNorm(CLASSES)
    variables = module.init(KEY, x, LABELS, False)
    assert variables["params"]["scale"].shape == (CLASSES, 6)
    y, _ = module.apply(variables, x, LABELS, True, mutable=["batch_stats"])
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.var((0, 1, 2)), 1, atol=1e-4)


def test_each_class_has_an_affine_map_of_its_own():
    """Of whole numbers, of one-hot weights, and of what lies between two classes."""
    x, module = normal(1, *IMAGES), layers.ConditionalBatchNorm(CLASSES)
    variables = tables(normal(2, CLASSES, 6), normal(3, CLASSES, 6))
    params, stats = variables["params"], variables["batch_stats"]
    normed = x - stats["mean"][None, None, None]
    normed = normed / np.sqrt(stats["var"] + 1e-5)[None, None, None]

    def expected(weights):
        scale, bias = weights @ params["scale"], weights @ params["bias"]
        return normed * scale[:, None, None] + bias[:, None, None]

    between = 0.5 * one_hot(LABELS) + 0.5 * one_hot((LABELS + 1) % CLASSES)
    for y in (LABELS, one_hot(LABELS), between):
        weights = one_hot(y) if y.ndim == 1 else y
        out = module.apply(variables, x, y, False)
        np.testing.assert_allclose(out, expected(weights), rtol=1e-4, atol=1e-5)
    assert np.abs(expected(between) - expected(one_hot(LABELS))).max() > 0.1


def test_in_bfloat16_all_inside_is_float32():
    x = jnp.asarray(100 + normal(0, 2, 16, 16, 6), jnp.bfloat16)
    module, labels = layers.ConditionalBatchNorm(CLASSES), np.array([0, 2], np.int32)
    variables = tables(normal(2, CLASSES, 6), normal(3, CLASSES, 6))
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), variables["params"])

    def total(params):
        y, _ = module.apply(
            variables | {"params": params}, x, labels, True, mutable=["batch_stats"]
        )
        assert y.dtype == jnp.bfloat16
        return jnp.sum(y.astype(jnp.float32))

    # of an image's 256 ones; a sum in bfloat16 would not go on from there
    grads = np.asarray(jax.jit(jax.grad(total))(params)["bias"], np.float32)
    np.testing.assert_array_equal(grads, 256 * np.array([[1], [0], [1]]).repeat(6, 1))


@pytest.mark.parametrize("use_scale", [True, False])
@pytest.mark.parametrize("use_bias", [True, False])
def test_batch_norm_without_what_it_learns_is_batch_norm_as_it_starts(
    use_scale, use_bias
):
    x, module = 3 + 2 * normal(1, *IMAGES), layers.BatchNorm()
    part = layers.BatchNorm(use_scale=use_scale, use_bias=use_bias)
    params = {"scale": np.ones(6, np.float32), "bias": np.zeros(6, np.float32)}
    learned = [name for name, on in (("scale", use_scale), ("bias", use_bias)) if on]
    for name in learned:
        params[name] = normal(2, 6)
    stats = tables(0.0, 0.0)["batch_stats"]
    started = jax.eval_shape(lambda: part.init(KEY, x, False)).get("params", {})
    assert sorted(started) == sorted(learned)

    @jax.jit
    def both(train=True):
        own = {name: params[name] for name in learned}
        return [
            m.apply({"params": p, "batch_stats": stats}, x, train, mutable=True)
            for m, p in ((part, own), (module, params))
        ]

    (out, moved), (expected, expected_moved) = both()
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    jax.tree.map(
        np.testing.assert_array_equal,
        moved["batch_stats"],
        expected_moved["batch_stats"],
    )
