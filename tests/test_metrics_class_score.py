"""The class score and class histogram where they are known."""

import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.metrics.class_score import class_histogram, class_score, entropy


def sure(labels, classes=10):
    return np.eye(classes)[labels]


def test_even_and_sure_is_the_number_of_classes():
    score = class_score(sure(np.tile(np.arange(10), 100)))
    np.testing.assert_allclose(score, (10, 0), atol=1e-12)


@pytest.mark.parametrize("p", [np.full((100, 4), 0.25), sure(np.zeros(100, int), 4)])
def test_unsure_or_all_of_one_class_is_one(p):
    np.testing.assert_allclose(class_score(p), (1, 0), atol=1e-12)


def test_two_of_ten_classes():
    score = class_score(sure(np.tile([3, 7], 50)))
    np.testing.assert_allclose(score, (2, 0), atol=1e-12)


def test_a_classifier_that_is_right_with_probability_q():
    """Mutual information of a symmetric channel, by hand."""
    q, classes = 0.7, 5
    off = (1 - q) / (classes - 1)
    p = np.where(np.eye(classes, dtype=bool), q, off)
    information = np.log(classes) + q * np.log(q) + (1 - q) * np.log(off)
    score = class_score(np.tile(p, (20, 1)), splits=4)
    np.testing.assert_allclose(score, (np.exp(information), 0), atol=1e-12)


def test_bounds_and_splits():
    p = np.random.default_rng(0).dirichlet(np.full(6, 0.3), 997)
    whole, split = class_score(p, splits=1), class_score(p, splits=10)
    assert 1 < split.mean < 6
    assert whole.std == 0
    parts = [class_score(x, splits=1).mean for x in np.array_split(p, 10)]
    np.testing.assert_allclose(split, (np.mean(parts), np.std(parts)), rtol=1e-12)


def test_the_histogram_and_its_entropy():
    p = sure([0, 0, 1, 3], 4) * 0.6 + 0.1
    np.testing.assert_allclose(class_histogram(p), [0.5, 0.25, 0, 0.25])
    np.testing.assert_allclose(entropy(class_histogram(p)), 1.5 * np.log(2))
    np.testing.assert_allclose(entropy(np.full(8, 1 / 8)), np.log(8))
    np.testing.assert_allclose(entropy([1.0, 0, 0]), 0)


@pytest.mark.parametrize("p", [[[0.5, 0.6]], [[1.5, -0.5]], [[2.0, -3.0]]])
def test_what_are_no_probabilities_is_refused(p):
    for function in (lambda p: class_score(p, splits=1), class_histogram):
        with pytest.raises(UsageError, match="negative or do not sum to 1"):
            function(p)


def test_fewer_samples_than_splits_are_refused():
    with pytest.raises(UsageError, match="9 class probabilities are too few; at least"):
        class_score(np.full((9, 2), 0.5))
