"""What a linear classifier learns from samples, where Bayes' rule says the best."""

import numpy as np
import pytest
from scipy.stats import norm

from gan_jax.errors import UsageError
from gan_jax.metrics.covariate_shift import accuracy, covariate_shift


def two_classes(seed, n, spread=1.0, distance=2.0):
    """Normal classes at +-distance/2 on the first of three axes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    x = rng.standard_normal((n, 3)) * [spread, 1, 1]
    x[:, 0] += distance * (y - 0.5)
    return x, y


def test_the_best_linear_classifier_is_found():
    got = accuracy(*two_classes(0, 5000), *two_classes(1, 50_000))
    np.testing.assert_allclose(got, norm.cdf(1), atol=0.006)


def test_units_do_not_matter_and_the_answer_is_the_same_every_time():
    x, y = two_classes(0, 500)
    test_x, test_y = two_classes(1, 500)
    once = accuracy(x, y, test_x, test_y)
    assert accuracy(x, y, test_x, test_y) == once
    assert accuracy(1e3 * x + 50, y, 1e3 * test_x + 50, test_y) == once


def test_samples_like_the_data_teach_as_much():
    result = covariate_shift(
        *two_classes(0, 5000), *two_classes(1, 5000), *two_classes(2, 20_000)
    )
    np.testing.assert_allclose(result.from_samples, result.from_real, atol=0.01)


def test_samples_that_lost_their_variety_teach_less():
    """Classes of a point each, moved aside: nothing says that one axis tells more."""
    samples, labels = two_classes(0, 2000)
    side = labels - 0.5
    collapsed = 0.01 * samples + np.outer(side, [2.0, 1.0, 0])
    result = covariate_shift(
        collapsed, labels, *two_classes(1, 2000), *two_classes(2, 5000)
    )
    assert result.from_samples < result.from_real - 0.1
    assert result.from_samples > 0.5


def test_one_class_alone_is_right_as_often_as_it_occurs():
    test_x, test_y = two_classes(0, 1000)
    got = accuracy(np.zeros((10, 3)), np.ones(10, int), test_x, test_y)
    assert got == test_y.mean()


def test_what_does_not_fit_is_refused():
    x, y = two_classes(0, 20)
    with pytest.raises(UsageError, match="10 samples against 20 real examples"):
        covariate_shift(x[:10], y[:10], x, y, x, y)
    with pytest.raises(UsageError, match=r"training labels have shape \[5\]; expected"):
        accuracy(x, y[:5], x, y)
    with pytest.raises(
        UsageError, match="test labels of type float64 are not integers"
    ):
        accuracy(x, y, x, y.astype(float))
