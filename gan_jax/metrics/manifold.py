"""Quality and variety as two numbers: how much of one set lies among the other.

The region that a set of features covers is taken to be the union of balls around its
members, each reaching to the k-th nearest other member. Precision is the share of
samples in the region of the real data, recall the share of real data in the region of
the samples (Kynkaanniemi et al. 2019). One outlier with its large ball raises both:
density counts the balls that a sample is in, and coverage the real balls that hold a
sample at all (Naeem et al. 2020), which leaves the samples' own outliers out.

A ball holds what lies on its border: of duplicates and of features on a lattice there
is much, and rounding does not decide about it.

All depend on the number of samples and of real examples, and on the features: use as
many of both as will be compared with.
"""

import warnings
from collections import Counter
from typing import NamedTuple

import numpy as np

from gan_jax.metrics import checks
from gan_jax.metrics.distances import squared_distances


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """density: about 1 where the distributions are equal, and it may be more
    coverage: a share in [0, 1]; equal distributions reach about 1 - 2^-k
    """

    density: float
    coverage: float


def precision_recall(samples, reference, *, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall of features [n, d] against real ones [m, d]."""
    x, y = _check(samples, reference, k)
    x_balls, y_balls = _balls(x, k), _balls(y, k)
    precise, recalled = [], np.zeros(len(y), bool)
    for rows, squares, rounding in squared_distances(x, y):
        least = squares - rounding
        precise.append((least <= y_balls).any(axis=1))
        recalled |= (least <= x_balls[rows, np.newaxis]).any(axis=0)
    return PrecisionRecall(
        float(np.concatenate(precise).mean()), float(recalled.mean())
    )


def density_coverage(samples, reference, *, k: int = 5) -> DensityCoverage:
    """Density and coverage of features [n, d] against real ones [m, d]."""
    x, y = _check(samples, reference, k)
    balls = _balls(y, k)
    held = np.zeros(len(y), np.int64)  # samples in each real ball
    for _, squares, rounding in squared_distances(x, y):
        held += (squares - rounding <= balls).sum(axis=0)
    return DensityCoverage(float(held.sum() / (k * len(x))), float((held > 0).mean()))


def _check(samples, reference, k):
    checks.at_least(1, k=k)
    x = checks.vectors(samples, "samples", at_least=k + 1)
    y = checks.vectors(reference, "reference examples", at_least=k + 1)
    checks.same_width(samples=x, reference=y)
    for name, rows in (("samples", x), ("reference examples", y)):
        of_each = Counter(row.tobytes() for row in rows)
        if alike := sum(count for count in of_each.values() if count > k):
            warnings.warn(
                f"{alike:,} of {len(rows):,} {name} coincide with {k} others or more: "
                "their balls are points, and of density there may be any number",
                stacklevel=3,
            )
    return x, y


def _balls(x, k):
    """The squared radii, to the k-th nearest other of each of x, [n]: the most that
    they may be.
    """
    radii = np.empty(len(x))
    for rows, squares, rounding in squared_distances(x, x):
        most = squares + rounding
        most[np.arange(len(most)), np.arange(rows.start, rows.stop)] = np.inf
        radii[rows] = np.partition(most, k - 1, axis=1)[:, k - 1]
    return radii
