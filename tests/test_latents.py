"""Paths through the latent space."""

import numpy as np

from gan_jax import latents


def test_lerp_is_the_straight_line():
    a, b = np.array([0.0, 2.0]), np.array([4.0, 0.0])
    np.testing.assert_allclose(latents.lerp(a, b, 0), a)
    np.testing.assert_allclose(latents.lerp(a, b, 1), b)
    np.testing.assert_allclose(latents.lerp(a, b, 0.25), [1.0, 1.5])


def test_slerp_goes_from_a_to_b_at_constant_speed_and_length():
    a, b = np.array([3.0, 0.0, 0.0]), np.array([0.0, 0.0, 3.0])
    for t in (0, 0.25, 0.5, 1):
        angle = t * np.pi / 2
        expected = [3 * np.cos(angle), 0, 3 * np.sin(angle)]
        np.testing.assert_allclose(latents.slerp(a, b, t), expected, atol=1e-12)


def test_slerp_keeps_the_length_of_a_batch():
    a, b = np.random.default_rng(0).normal(size=(2, 6, 50))
    a *= 5 / np.linalg.norm(a, axis=-1, keepdims=True)
    b *= 5 / np.linalg.norm(b, axis=-1, keepdims=True)
    lengths = np.linalg.norm(latents.slerp(a, b, 0.3), axis=-1)
    np.testing.assert_allclose(lengths, 5, rtol=1e-10)
    straight = np.linalg.norm(latents.lerp(a, b, 0.3), axis=-1)
    assert (straight < 4.5).all()


def test_slerp_between_unequal_lengths_and_like_directions():
    a = np.array([1.0, 0.0])
    np.testing.assert_allclose(latents.slerp(a, 3 * a, 0.5), 2 * a)
    np.testing.assert_allclose(latents.slerp(a, a, 0.5), a)
    quarter = latents.slerp(a, np.array([0.0, 3.0]), 0.5)
    np.testing.assert_allclose(quarter, np.full(2, 2 / 2**0.5))


def test_slerp_from_and_to_the_origin_is_straight():
    zero, one = np.zeros((2, 3)), np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(latents.slerp(zero, one, 0.25), one / 4)
    np.testing.assert_allclose(latents.slerp(one, zero, 0.25), 3 * one / 4)


def test_a_walk_is_closed_and_passes_its_stations():
    stations = np.random.default_rng(0).normal(size=(3, 2, 5))
    path = latents.walk(stations, 4)
    assert path.shape == (12, 2, 5)
    np.testing.assert_allclose(path[::4], stations)
    np.testing.assert_allclose(path[11], latents.slerp(stations[2], stations[0], 3 / 4))
    straight = latents.walk(stations, 4, latents.lerp)
    np.testing.assert_allclose(straight[2], (stations[0] + stations[1]) / 2)
