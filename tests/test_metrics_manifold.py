"""Precision, recall, density, coverage: the formulas, and where the answer is known."""

import numpy as np
import pytest

from gan_jax.metrics import distances
from gan_jax.metrics.manifold import density_coverage, precision_recall


def brute_force(x, y, k):
    """The four numbers as the papers define them, one pair at a time."""

    def radius(z, i):
        others = [np.linalg.norm(z[i] - z[j]) for j in range(len(z)) if j != i]
        return sorted(others)[k - 1]

    def inside(a, z, i):
        return np.linalg.norm(a - z[i]) <= radius(z, i)

    in_y = np.array([[inside(a, y, i) for i in range(len(y))] for a in x])
    in_x = np.array([[inside(a, x, i) for i in range(len(x))] for a in y])
    return (
        in_y.any(axis=1).mean(),
        in_x.any(axis=1).mean(),
        in_y.sum() / (k * len(x)),
        in_y.any(axis=0).mean(),
    )


def all_four(x, y, k):
    return (*precision_recall(x, y, k=k), *density_coverage(x, y, k=k))


@pytest.mark.parametrize("k", [1, 3])
def test_agrees_with_the_definitions(k):
    rng = np.random.default_rng(k)
    x, y = rng.standard_normal((23, 2)), 1.5 * rng.standard_normal((17, 2)) + 0.5
    got = all_four(x, y, k)
    np.testing.assert_allclose(got, brute_force(x, y, k), rtol=1e-12)
    assert all(0 < value < 1.5 for value in got)


def test_parts_make_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3000, 3)), rng.standard_normal((2000, 3)) + 0.5
    whole = all_four(x, y, 3)
    monkeypatch.setattr(distances, "_MEBIBYTES", 1)  # 65 rows of distances at a time
    assert all_four(x, y, 3) == whole


def test_the_roles_are_symmetric():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 2)), 2 * rng.standard_normal((150, 2))
    precision, recall = precision_recall(x, y)
    assert precision_recall(y, x) == (recall, precision)
    assert precision > recall


def test_equal_sets_and_sets_far_apart():
    x = np.random.default_rng(0).standard_normal((100, 4)).astype(np.float32)
    precision, recall, density, coverage = all_four(x, x, 3)
    assert (precision, recall, coverage) == (1, 1, 1)
    # each lies in its own ball and in those of which it is one of the k nearest
    np.testing.assert_allclose(density, (3 + 1) / 3)
    assert all_four(x, x + 100, 3) == (0, 0, 0, 0)


def test_equal_distributions():
    """Density is 1 and coverage 1 - 2^-k in expectation (Naeem et al. 2020)."""
    rng = np.random.default_rng(0)
    density, coverage = density_coverage(*rng.standard_normal((2, 4000, 3)), k=5)
    np.testing.assert_allclose(density, 1, rtol=0.05)
    np.testing.assert_allclose(coverage, 1 - 2**-5, atol=0.01)


def test_a_lost_mode_costs_recall_and_coverage_alone():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((1000, 2)) + np.repeat([[0, 0], [50, 0]], 500, axis=0)
    fake = rng.standard_normal((1000, 2))
    precision, recall = precision_recall(fake, real)
    density, coverage = density_coverage(fake, real)
    assert precision > 0.95
    assert 0.45 < recall <= 0.5
    assert 0.45 < coverage <= 0.5
    assert 0.8 < density < 1.2


def test_an_outlier_among_the_real_spoils_precision_but_hardly_density():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((500, 2))
    real[0] = [40, 0]  # its ball reaches back to the others
    fake = rng.standard_normal((500, 2)) + np.array([20, 0])
    precision, _ = precision_recall(fake, real, k=5)
    density, coverage = density_coverage(fake, real, k=5)
    assert precision > 0.95
    np.testing.assert_allclose(density, 0.2, atol=0.02)  # one ball, over k
    np.testing.assert_allclose(coverage, 1 / 500, atol=0.005)


def test_features_that_coincide_are_warned_of():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 60, 4))
    y[:40] = y[0]
    x[:] = y[0]
    with pytest.warns(UserWarning, match="coincide") as said:
        density, _ = density_coverage(x, y, k=5)
    assert density > 7
    assert [str(warning.message).partition(":")[0] for warning in said] == [
        "60 of 60 samples coincide with 5 others or more",
        "40 of 60 reference examples coincide with 5 others or more",
    ]


@pytest.mark.filterwarnings("ignore:.* coincide with 1 others")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ties_are_within(dtype):
    """The border of a ball belongs to it, whatever rounding makes of two distances."""
    rng = np.random.default_rng(0)
    once = (rng.standard_normal((500, 32)) + 100).astype(dtype)
    real = np.repeat(once, 2, axis=0)  # each twice: the nearest other is 0 away
    assert all_four(once, real, 1) == (1, 1, 2, 1)
    fake = np.concatenate([once[:50], once[50:] + 1000])
    np.testing.assert_allclose(all_four(fake, real, 1)[::3], (0.1, 0.1))


def test_neighbours_on_a_lattice_are_all_as_near():
    lattice = np.stack(np.meshgrid(*[0.1 * np.arange(10)] * 3), -1).reshape(-1, 3)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    # every inner point is in its own ball and in those of its six neighbours
    expected = (1000 + 6 * 900) / 1000
    for x in (lattice, lattice @ turn):
        np.testing.assert_allclose(density_coverage(x, x, k=1), (expected, 1))
