"""Styles: the mapping to them, noise, mixing, their mean, truncation towards it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.tiny_styles import LAYERS, Generator

from gan_jax import layers
from gan_jax.errors import UsageError
from gan_jax.games import styles as games
from gan_jax.layers.styles import Mapping, Noise
from gan_jax.networks import network

KEY = jax.random.key(0)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


# --- the mapping ---------------------------------------------------------------------


def plain_mapping(params, z, y, rate):
    """What the paper and the authors' code say, in numpy."""

    def unit(x):
        return x / np.sqrt(np.mean(x**2, -1, keepdims=True) + 1e-8)

    def affine(layer, x, rate):
        kernel, bias = np.asarray(layer["kernel"]), np.asarray(layer["bias"])
        return x @ kernel * rate / np.sqrt(len(kernel)) + rate * bias

    w = np.concatenate(
        [unit(np.asarray(z)), unit(affine(params["embedding"], y, 1))], 1
    )
    for name in ("Dense_0", "Dense_1"):
        w = affine(params[name], w, rate)
        w = np.sqrt(2) * np.where(w > 0, w, 0.2 * w)
    return w


def test_the_mapping_is_dense_layers_of_unit_latents_and_unit_labels():
    mapping, z, y = Mapping(6, 2, rate=0.1, classes=3), normal(1, 4, 5), [0, 2, 1, 2]
    like = jax.eval_shape(mapping.init, KEY, z, jnp.array(y))["params"]
    assert like["Dense_0"]["kernel"].shape == (5 + 6, 6)
    params = jax.tree.map(lambda leaf: normal(leaf.size, *leaf.shape), like)
    w = jax.jit(mapping.apply)({"params": params}, z, jnp.array(y))
    expected = plain_mapping(params, z, np.eye(3)[y], 0.1)
    np.testing.assert_allclose(w, expected, rtol=2e-5, atol=1e-6)
    again = mapping.apply({"params": params}, 7 * z, jnp.array(y))
    np.testing.assert_allclose(w, again, rtol=1e-5, atol=1e-6)


def test_a_mapping_starts_with_a_mean_square_near_one_and_may_take_labels_alone():
    z = normal(2, 512, 64)
    w, _ = jax.jit(Mapping(256, 2).init_with_output)(KEY, z)
    assert 0.8 < np.mean(np.square(w)) < 1.3
    like = jax.eval_shape(Mapping(6, 2, classes=3).init, KEY, None, jnp.array([1]))
    assert like["params"]["Dense_0"]["kernel"].shape == (6, 6)


def test_scaled_leaky_relu_keeps_the_mean_square():
    x = normal(3, 10_000)
    y = layers.scaled_leaky_relu(x)
    assert np.mean(np.square(y)) == pytest.approx(1.04, rel=0.05)
    np.testing.assert_allclose(y, np.sqrt(2) * np.where(x > 0, x, 0.2 * x), rtol=1e-6)


# --- noise ---------------------------------------------------------------------------


@pytest.mark.parametrize("by_channel", [False, True])
def test_noise_is_one_image_for_all_channels_of_a_learned_strength(by_channel):
    noise, x = Noise(by_channel), normal(4, 3, 4, 5, 2)
    start = noise.init(KEY, x)
    np.testing.assert_array_equal(noise.apply(start, x), x)
    strength = jnp.array([2.0, 3.0] if by_channel else 2.0)
    params = {"params": {"strength": strength}}

    def added(**how):
        return np.asarray(noise.apply(params, x, **how) - x) / np.asarray(strength)

    drawn, fixed = added(rngs={"dropout": KEY}), added()
    for seen in (drawn, fixed):
        np.testing.assert_allclose(seen[..., 0], seen[..., 1], atol=1e-5)
    assert np.abs(drawn[0] - drawn[1]).min() > 0
    np.testing.assert_allclose(fixed[0], fixed[2], atol=1e-5)
    np.testing.assert_array_equal(fixed, added())


def test_fixed_noise_is_another_one_in_each_layer():
    class Two(nn.Module):
        @nn.compact
        def __call__(self, x):
            return Noise()(x), Noise()(x)

    x = jnp.zeros((1, 3, 3, 1))
    params = {f"Noise_{i}": {"strength": jnp.ones(())} for i in range(2)}
    one, other = Two().apply({"params": params}, x)
    assert np.abs(one - other).min() > 1e-3


# --- mixing, the mean, truncation ----------------------------------------------------


def test_mixing_crosses_over_once_evenly_and_as_often_as_asked():
    n, depth = 6_000, 5
    w, other = jnp.zeros((n, depth, 1)), jnp.ones((n, depth, 1))
    mixed = jax.jit(games.mix)(w, other, KEY, 0.75)[..., 0]
    assert (np.diff(mixed, axis=1) >= 0).all()  # at most once
    assert (mixed[:, 0] == 0).all()
    shares = np.bincount(np.sum(mixed == 0, axis=1).astype(int), minlength=6) / n
    np.testing.assert_allclose(shares[1:], [*[0.75 / 4] * 4, 0.25], atol=0.025)
    for probability, last in ((0.0, 0.0), (1.0, 1.0)):
        ends = games.mix(w[:9], other[:9], KEY, probability)[:, -1]
        np.testing.assert_array_equal(ends, np.full((9, 1), last))


STYLES = games.Styles(network(Generator((2, 2, 1))), inputs=lambda z: (z,))
Z, OTHER = normal(5, 4, 3), normal(6, 4, 3)


@pytest.fixture(scope="module")
def g():
    """(params, stats), with a mean of styles that is none of theirs."""
    params, stats = jax.jit(STYLES.init)(KEY, Z)
    np.testing.assert_array_equal(stats["w_mean"], np.zeros(5))
    return params, stats | {"w_mean": normal(7, 5)}


def test_the_mean_of_styles_moves_in_training_alone(g):
    params, stats = g
    w, same = STYLES.mapping(params, stats, Z, train=True)
    assert same["w_mean"] is stats["w_mean"]
    mixed, moved = STYLES.mixed(params, stats, Z, OTHER, KEY, 0.0)
    np.testing.assert_allclose(mixed, w, rtol=1e-6)
    expected = 0.995 * stats["w_mean"] + 0.005 * np.mean(w[:, 0], axis=0)
    np.testing.assert_allclose(moved["w_mean"], expected, rtol=1e-5)
    always, as_well = STYLES.mixed(params, stats, Z, OTHER, KEY, 1.0)
    np.testing.assert_allclose(as_well["w_mean"], expected, rtol=1e-5)
    np.testing.assert_allclose(always[:, 0], w[:, 0], rtol=1e-6)
    later, _ = STYLES.mapping(params, stats, OTHER)
    np.testing.assert_allclose(always[:, -1], later[:, -1], rtol=1e-6)
    mean = jnp.zeros(5)
    for _ in range(2_000):
        mean = games.running_mean(mean, w[:, 0])
    np.testing.assert_allclose(mean, w[:, 0].mean(0), rtol=1e-3, atol=1e-5)


def test_truncation_goes_from_the_mean_to_the_style(g):
    params, stats = g
    w, _ = STYLES.mapping(params, stats, Z)
    mean = jnp.broadcast_to(stats["w_mean"], w.shape)
    for psi, expected in ((1.0, w), (0.0, mean), (0.5, (w + mean) / 2)):
        found = STYLES.truncate(params, stats, Z, psi)["w"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    few = STYLES.truncate(params, stats, Z, 0.0, layers=3)["w"]
    np.testing.assert_allclose(few[:, :3], mean[:, :3], atol=1e-6)
    np.testing.assert_allclose(few[:, 3:], w[:, 3:], atol=1e-6)
    whole, _ = STYLES.generate(params, stats, Z)
    by_w, _ = STYLES.generate(params, stats, {"w": w})
    np.testing.assert_allclose(by_w, whole, rtol=1e-6)


def test_crossings_have_the_coarse_styles_of_a_row_and_the_fine_ones_of_a_column(g):
    rows, columns = 3, 4
    picture = games.style_mixing(STYLES, lambda key, batch: batch["z"])
    z = picture.inputs(KEY, {"z": normal(8, rows * columns, 3)}, rows, columns)
    x = picture.draw(*g, z).reshape(rows, columns, -1)
    params, stats = g

    def of(*w):
        w = jnp.concatenate([each[None, None] for each in w], axis=1)
        return STYLES.synthesis(params, stats, w)[0].reshape(-1)

    (left, _), (top, _) = (
        STYLES.mapping(params, stats, z[name]) for name in ("left", "top")
    )
    assert (len(left), len(top)) == (rows - 1, columns - 1)
    mean, half = stats["w_mean"], LAYERS // 2
    for i in range(rows):
        for j in range(columns):
            coarse = left[i - 1, 0] if i else top[j - 1, 0] if j else mean
            fine = top[j - 1, 0] if j else left[i - 1, 0] if i else mean
            expected = of(*[coarse] * half, *[fine] * half)
            np.testing.assert_allclose(x[i, j], expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_styles_is_refused():
    class Bare(nn.Module):
        @nn.compact
        def __call__(self, z, *, train=False):
            return layers.Dense(2)(z)

    styles = games.Styles(network(Bare()), inputs=lambda z: (z,))
    with pytest.raises(UsageError, match="bare test_styles has no mapping"):
        styles.init(KEY, Z)
