"""Distributions of the latents, and the paths between them."""

import jax
import numpy as np
import pytest

from gan_jax import latents, priors

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("prior", "mean", "variance"),
    [
        (priors.normal(dim=4), 0, 1),
        (priors.uniform(dim=4), 0, 1 / 3),
        (priors.uniform(dim=4, low=-(3**0.5), high=3**0.5), 0, 1),
        (priors.uniform(dim=4, low=0.0, high=1.0), 0.5, 1 / 12),
        (priors.spherical(dim=4), 0, 1 / 4),
    ],
)
def test_moments(prior, mean, variance):
    z = np.asarray(prior(KEY, 20_000))
    assert z.shape == (20_000, 4)
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=0.03)
    np.testing.assert_allclose(z.var(axis=0), variance, rtol=0.04)
    covariance = np.cov(z.T) - np.diag(z.var(axis=0))
    np.testing.assert_allclose(covariance, 0, atol=0.03)


def test_uniform_stays_within_its_bounds_and_reaches_them():
    z = np.asarray(priors.uniform(dim=2, low=-1.0, high=2.0)(KEY, 10_000))
    assert -1 <= z.min() < -0.99
    assert 1.99 < z.max() <= 2


def test_spherical_latents_have_length_one():
    z = np.asarray(priors.spherical(dim=7)(KEY, 100))
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("line", [latents.lerp, latents.slerp])
def test_paths_begin_and_end_where_they_should(line):
    a, b = np.random.default_rng(0).normal(size=(2, 5, 8))
    np.testing.assert_allclose(line(a, b, 0.0), a, rtol=1e-6)
    np.testing.assert_allclose(line(a, b, 1.0), b, rtol=1e-6)


def test_slerp_keeps_the_length_and_moves_evenly():
    a, b = np.array([2.0, 0.0]), np.array([0.0, 2.0])
    for t in (0.25, 0.5, 0.9):
        expected = 2 * np.array([np.cos(t * np.pi / 2), np.sin(t * np.pi / 2)])
        np.testing.assert_allclose(latents.slerp(a, b, t), expected, rtol=1e-6)


def test_slerp_between_parallel_latents_is_a_straight_line():
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(latents.slerp(a, 3 * a, 0.5), 2 * a, rtol=1e-6)


def test_a_walk_passes_its_stations_and_closes():
    stations = np.random.default_rng(1).normal(size=(3, 2, 4))
    path = latents.walk(stations, frames=5)
    assert path.shape == (15, 2, 4)
    np.testing.assert_allclose(path[::5], stations, rtol=1e-6)
    ahead = latents.slerp(stations[2], stations[0], 4 / 5)
    np.testing.assert_allclose(path[-1], ahead, rtol=1e-6)
