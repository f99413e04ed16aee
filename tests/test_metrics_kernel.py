"""The kernel distance against its formula, its mean, and its standard error."""

import itertools

import numpy as np

from gan_jax.metrics.kernel import kernel_distance, squared_mmd


def brute_force(x, y):
    def k(a, b):
        return (np.dot(a, b) / len(a) + 1) ** 3

    n = len(x)
    within = [
        np.mean([k(z[i], z[j]) for i, j in itertools.permutations(range(n), 2)])
        for z in (x, y)
    ]
    return sum(within) - 2 * np.mean([k(a, b) for a in x for b in y])


def test_agrees_with_the_sum_over_pairs():
    x, y = np.random.default_rng(0).standard_normal((2, 7, 4))
    np.testing.assert_allclose(squared_mmd(x, y + 1), brute_force(x, y + 1), rtol=1e-12)
    np.testing.assert_allclose(squared_mmd(x, y + 1), squared_mmd(y + 1, x), rtol=1e-12)


def test_unequal_numbers_are_allowed():
    """One example more, equal to the others' mean kernel, changes no mean."""
    x, y = np.zeros((5, 2)), np.zeros((9, 2))
    np.testing.assert_allclose(squared_mmd(x, y), 0, atol=1e-12)


def test_points_in_closed_form():
    """All of x at a, all of y at b, in one dimension."""
    a, b = 1.0, -2.0
    x, y = np.full((4, 1), a), np.full((4, 1), b)
    expected = (a * a + 1) ** 3 + (b * b + 1) ** 3 - 2 * (a * b + 1) ** 3
    np.testing.assert_allclose(squared_mmd(x, y), expected)


def test_the_mean_is_nought_for_equal_distributions_and_the_error_is_right():
    """Repeated estimates spread as much as each says that it is uncertain."""
    rng = np.random.default_rng(0)
    results = [
        kernel_distance(*rng.standard_normal((2, 200, 5)), subset_size=20)
        for _ in range(300)
    ]
    values = np.array([result.distance for result in results])
    spread = values.std()
    np.testing.assert_allclose(values.mean(), 0, atol=4 * spread / np.sqrt(300))
    assert 0.3 < (values < 0).mean() < 0.75
    errors = np.array([result.standard_error for result in results])
    np.testing.assert_allclose(np.sqrt((errors**2).mean()), spread, rtol=0.15)


def test_the_mean_is_the_same_for_any_size_of_subset():
    """Of a shift by 1 in one dimension: E k over normals, by hand."""
    # E (xy+1)^3 = 1 + 3 E x E y + 3 E x^2 E y^2 + E x^3 E y^3
    zero, one = (0, 1, 0), (1, 2, 4)  # moments 1 to 3 of N(0, 1) and N(1, 1)

    def k(p, q):
        return 1 + 3 * p[0] * q[0] + 3 * p[1] * q[1] + p[2] * q[2]

    expected = k(zero, zero) + k(one, one) - 2 * k(zero, one)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 20_000, 1))
    for size in (10, 500):
        result = kernel_distance(x, y + 1, subset_size=size)
        assert result.subsets == 20_000 // size
        assert abs(result.distance - expected) < 4 * result.standard_error
        assert result.standard_error < 0.1 * expected


def test_the_order_of_the_examples_does_not_matter():
    """Sorted data would fill each subset with another part of the distribution."""
    x, y = np.random.default_rng(0).standard_normal((2, 1000, 1))
    ordered = kernel_distance(np.sort(x, axis=0), y, subset_size=100)
    assert abs(ordered.distance) < 4 * ordered.standard_error
    shuffled = kernel_distance(x, y, subset_size=100)
    assert ordered.standard_error < 2 * shuffled.standard_error
    assert ordered == kernel_distance(np.sort(x, axis=0), y, subset_size=100)
    assert ordered != kernel_distance(x, y, subset_size=100, seed=1)
