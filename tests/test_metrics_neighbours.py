"""Nearest training examples, copies among samples, and the size of a support."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from gan_jax.errors import UsageError
from gan_jax.metrics.neighbours import copying, nearest_neighbours
from gan_jax.metrics.support import birthday_test, closest_pairs, support_size


def test_neighbours_are_the_nearest_by_euclidean_distance():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 5)), rng.standard_normal((30, 5))
    distances, indices = nearest_neighbours(x, y, k=3)
    direct = np.linalg.norm(x[:, np.newaxis] - y, axis=2)
    np.testing.assert_array_equal(indices, np.argsort(direct, axis=1)[:, :3])
    np.testing.assert_allclose(distances, np.sort(direct, axis=1)[:, :3], rtol=1e-9)


def test_images_find_themselves():
    images = np.random.default_rng(0).integers(0, 256, (50, 64), dtype=np.uint8)
    distances, indices = nearest_neighbours(images[::-1], images)
    np.testing.assert_array_equal(indices[:, 0], np.arange(50)[::-1])
    np.testing.assert_allclose(distances, 0, atol=1e-3)


def test_fresh_examples_copies_and_samples_far_off():
    rng = np.random.default_rng(0)
    training, held_out, fresh = rng.standard_normal((3, 600, 4))
    share, error = copying(fresh, training, held_out)
    np.testing.assert_allclose(share, 0.5, atol=4 * error)
    noise = 1e-3 * rng.standard_normal(training.shape)
    assert copying(training + noise, training, held_out).share > 0.99
    assert copying(fresh + 10, training, held_out).share < 0.01
    half = np.concatenate([training[:300], fresh[:300]])
    np.testing.assert_allclose(copying(half, training, held_out).share, 0.75, atol=0.05)


def test_ties_count_one_half():
    training = np.zeros((3, 2))
    assert copying(np.ones((4, 2)), training, np.ones((5, 2))).share == 0.5


def test_the_standard_error_is_that_of_the_test_of_mann_and_whitney():
    rng = np.random.default_rng(0)
    training, samples = rng.standard_normal((2, 50, 2))
    held_out = 1.1 * rng.standard_normal((40, 2))
    share, error = copying(samples, training, held_out)
    test = mannwhitneyu(
        nearest_neighbours(samples, training).distances[:, 0],
        nearest_neighbours(held_out, training).distances[:, 0],
        method="asymptotic",
        use_continuity=False,
    )
    two_sided = 2 * norm.sf(abs(share - 0.5) / error)
    np.testing.assert_allclose(two_sided, test.pvalue, rtol=1e-9)
    assert 0.01 < two_sided < 0.9


@pytest.mark.parametrize("pairs", [1, 7, 190])
def test_the_closest_pairs_of_all(pairs):
    x = np.random.default_rng(0).standard_normal((20, 3))
    distances, indices = closest_pairs(x, pairs=pairs)
    i, j = np.triu_indices(20, 1)
    direct = np.linalg.norm(x[i] - x[j], axis=1)
    order = np.argsort(direct)[:pairs]
    np.testing.assert_allclose(distances, direct[order], rtol=1e-12)
    np.testing.assert_array_equal(indices, np.stack([i, j], axis=1)[order])


def test_small_distances_far_from_the_origin_are_exact():
    x = np.random.default_rng(0).normal(1e4, 1, (50, 20))
    x[31], x[7] = x[4], x[9] + 1e-3
    distances, indices = closest_pairs(x, pairs=2)
    assert distances[0] == 0
    np.testing.assert_allclose(distances[1], 1e-3 * np.sqrt(20), rtol=1e-8)
    np.testing.assert_array_equal(indices, [[4, 31], [7, 9]])


def test_people_and_days():
    """23 people share a birthday with probability 0.5073."""
    np.testing.assert_allclose(support_size(0.5073, 23), 365, rtol=0.03)
    different = np.prod(1 - np.arange(20) / 1e6)  # 20 draws of a million
    np.testing.assert_allclose(support_size(1 - different, 20), 1e6, rtol=1e-4)


@pytest.mark.parametrize(("support", "batch_size"), [(200, 15), (5000, 90)])
def test_the_support_of_a_uniform_discrete_distribution(support, batch_size):
    rng = np.random.default_rng(0)
    images = rng.standard_normal((support, 4))
    draws = rng.integers(support, size=600 * batch_size)
    samples = images[draws] + 1e-6 * rng.standard_normal((len(draws), 4))
    result = birthday_test(samples, batch_size=batch_size, threshold=1e-4)
    repeated = [len(set(batch)) < batch_size for batch in draws.reshape(-1, batch_size)]
    assert result.probability == np.mean(repeated)
    # 600 batches with p near 1/2: the support's standard error is about 6 %
    np.testing.assert_allclose(result.support, support, rtol=0.2)
    p = result.probability
    np.testing.assert_allclose(result.standard_error, np.sqrt(p * (1 - p) / 600))


@pytest.mark.parametrize(
    ("threshold", "message"),
    [(-1.0, "none of 5 .* larger batches"), (9.0, "all of 5 .* smaller batches")],
)
def test_batches_that_say_nothing_are_refused(threshold, message):
    x = np.random.default_rng(0).standard_normal((50, 2))
    with pytest.raises(UsageError, match=message):
        birthday_test(x, batch_size=10, threshold=threshold)


@pytest.mark.parametrize("probability", [0, 1, -0.1, 1.5, np.nan])
def test_other_probabilities_are_refused(probability):
    with pytest.raises(UsageError, match="must lie between 0 and 1"):
        support_size(probability, 10)


def test_batches_of_one_are_refused():
    with pytest.raises(UsageError, match="batch_size=1: must be at least 2"):
        birthday_test(np.eye(3), batch_size=1, threshold=1.0)


def test_more_pairs_than_there_are_is_refused():
    with pytest.raises(UsageError, match="3 samples make 3 pairs, fewer than 4"):
        closest_pairs(np.eye(3), pairs=4)
