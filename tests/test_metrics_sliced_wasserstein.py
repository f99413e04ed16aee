"""The sliced Wasserstein distance of shifts, scales and permutations."""

import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.metrics.sliced_wasserstein import sliced_wasserstein


@pytest.mark.parametrize("d", [2, 30])
def test_a_shift_in_expectation(d):
    """(t . theta)^2 averages |t|^2 / d over directions theta."""
    rng = np.random.default_rng(0)
    x, shift = rng.standard_normal((40, d)), rng.standard_normal(d)
    got = sliced_wasserstein(x + shift, rng.permutation(x), directions=20_000)
    np.testing.assert_allclose(got, np.linalg.norm(shift) / np.sqrt(d), rtol=0.03)


def test_one_dimension_is_the_distance_of_sorted_values():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 1)), rng.exponential(size=(50, 1))
    expected = np.sqrt(np.mean((np.sort(x, axis=0) - np.sort(y, axis=0)) ** 2))
    np.testing.assert_allclose(sliced_wasserstein(x, y, directions=3), expected)


def test_normals_of_different_width():
    """Every projection of both is normal: the distance is that of the deviations."""
    x, y = np.random.default_rng(0).standard_normal((2, 2000, 3))

    def distance(x, y):
        return sliced_wasserstein(x, y, directions=200)

    np.testing.assert_allclose(distance(x, 3 * y), 2, rtol=0.05)
    # samples of one distribution are not at distance nought: the more, the closer
    assert 0 < distance(x, y) < distance(x[:100], y[:100]) / 2 < 0.2


def test_symmetric_nought_for_permutations_and_set_by_its_seed():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 4)) + 1
    got = sliced_wasserstein(x, y, directions=150)
    assert sliced_wasserstein(y, x, directions=150) == got
    assert sliced_wasserstein(x, y, directions=150, seed=1) != got
    assert sliced_wasserstein(x, rng.permutation(x)) < 1e-12
    np.testing.assert_allclose(
        sliced_wasserstein(5 * x, 5 * y, directions=150), 5 * got, rtol=1e-12
    )


def test_unequal_numbers_are_refused():
    with pytest.raises(UsageError, match="3 samples against 4 reference examples"):
        sliced_wasserstein(np.zeros((3, 2)), np.zeros((4, 2)))
