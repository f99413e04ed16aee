"""Closed forms between normal distributions, moments in parts, singular covariances."""

import functools

import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.metrics import frechet
from gan_jax.metrics.frechet import Moments, frechet_distance


def normal(mean, covariance, n=1000):
    """Moments that are exactly those of a normal distribution."""
    covariance = np.asarray(covariance, float)
    return Moments(n, np.asarray(mean, float), covariance * (n - 1))


def random_covariance(rng, d, rank):
    a = rng.standard_normal((d, rank))
    return a @ a.T


def direct(a, b):
    """The trace term from the eigenvalues of the product itself."""
    values = np.linalg.eigvals(a.covariance @ b.covariance)
    root = np.sqrt(np.maximum(values.real, 0)).sum()
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    return ((a.mean - b.mean) ** 2).sum() + traces - 2 * root


def test_one_dimension_and_commuting_covariances_in_closed_form():
    one, two = normal([1.0], [[4.0]]), normal([-2.0], [[9.0]])
    np.testing.assert_allclose(frechet_distance(one, two), 9 + (3 - 2) ** 2)
    one, two = normal([0, 1], np.diag([1, 4])), normal([2, 1], np.diag([9, 0.25]))
    np.testing.assert_allclose(frechet_distance(one, two), 4 + 4 + 1.5**2)
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])
    one, two = (
        normal(rotation @ x.mean, rotation @ x.covariance @ rotation.T)
        for x in (one, two)
    )
    np.testing.assert_allclose(frechet_distance(one, two), 4 + 4 + 1.5**2)


def test_covariances_that_do_not_commute():
    rng = np.random.default_rng(0)
    one, two = (
        normal(rng.standard_normal(6), random_covariance(rng, 6, 9)) for _ in range(2)
    )
    expected = direct(one, two)
    np.testing.assert_allclose(frechet_distance(one, two), expected, rtol=1e-9)
    np.testing.assert_allclose(frechet_distance(two, one), expected, rtol=1e-9)


@pytest.mark.parametrize("rank", [0, 1, 5, 40])
def test_the_distance_to_itself_is_nought_for_singular_covariances_too(rank):
    rng = np.random.default_rng(rank)
    one = normal(rng.standard_normal(40), random_covariance(rng, 40, rank))
    # relative to the trace, which the terms cancel from
    size = max(np.trace(one.covariance), 1)
    assert 0 <= frechet_distance(one, one) / size < 1e-12


def test_singular_covariances_on_different_subspaces():
    """Orthogonal supports share nothing: the traces remain."""
    one = normal(np.zeros(4), np.diag([2.0, 3, 0, 0]))
    two = normal(np.zeros(4), np.diag([0.0, 0, 5, 7]))
    np.testing.assert_allclose(frechet_distance(one, two), 17, rtol=1e-12)


def test_moments_in_batches_and_merged_are_those_of_the_whole():
    x = np.random.default_rng(0).normal(1e4, 1, (1003, 5))  # far from the origin
    whole = frechet.moments(x, batch_size=100)
    parts = [frechet.moments(part) for part in np.split(x, [1, 2, 600])]
    for got in (whole, functools.reduce(frechet.merge, parts)):
        assert got.n == 1003
        np.testing.assert_allclose(got.mean, x.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(got.covariance, np.cov(x.T), rtol=1e-9, atol=1e-12)


def test_moments_of_float32_are_summed_in_float64():
    x = np.random.default_rng(0).normal(100, 1, (2000, 3)).astype(np.float32)
    got = frechet.moments(x)
    assert got.mean.dtype == got.scatter.dtype == np.float64
    expected = np.cov(x.T.astype(np.float64))
    np.testing.assert_allclose(got.covariance, expected, rtol=1e-10, atol=1e-10)


def test_samples_of_two_normals_approach_their_distance():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 3))
    y = 2 * rng.standard_normal((20_000, 3)) + 1
    distance = frechet_distance(frechet.moments(x), frechet.moments(y))
    np.testing.assert_allclose(distance, 3 + 3, rtol=0.03)


def test_the_bias_falls_with_the_number_of_samples():
    rng = np.random.default_rng(0)

    def distance(n):
        x, y = rng.standard_normal((2, n, 10))
        return frechet_distance(frechet.moments(x), frechet.moments(y))

    few, many = distance(100), distance(10_000)
    assert 0 < many < few / 50
    assert few < 2


@pytest.mark.parametrize(("n", "warns"), [(8, True), (9, False)])
def test_warns_of_fewer_samples_than_features(n, warns):
    rng = np.random.default_rng(0)
    few, many = rng.standard_normal((n, 8)), rng.standard_normal((50, 8))
    few, many = frechet.moments(few), frechet.moments(many)
    if not warns:
        assert frechet_distance(few, many) > 0  # a warning would be an error here
        return
    with pytest.warns(UserWarning, match="8 samples with 8 features is strongly bias"):
        assert frechet_distance(few, many) > 0
    with pytest.warns(UserWarning, match="8 reference examples with 8 features"):
        frechet_distance(many, few)


def test_different_features_and_single_samples_are_refused():
    three, four = normal(np.zeros(3), np.eye(3)), normal(np.zeros(4), np.eye(4))
    with pytest.raises(UsageError, match="features differ in number: 3, 4"):
        frechet_distance(three, four)
    with pytest.raises(UsageError, match="features differ in number"):
        frechet.merge(three, four)
    with pytest.raises(UsageError, match="1 samples are too few; at least 2"):
        frechet_distance(frechet.moments(np.zeros((1, 3))), three)
