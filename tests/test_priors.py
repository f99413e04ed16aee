"""Distributions of the latents."""

import jax
import numpy as np
import pytest

from gan_jax import priors
from gan_jax.errors import UsageError

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


def test_an_empty_range_is_refused():
    with pytest.raises(UsageError, match=r"low=3\.0 is not below high=1\.0"):
        priors.uniform(low=3.0, high=1.0)
