"""Quality and variety as two numbers: how much of one set lies among the other.

The region that a set of features covers is taken to be the union of balls around its
members, each reaching to the k-th nearest other member. Precision is the share of
samples in the region of the real data, recall the share of real data in the region of
the samples (Kynkaanniemi et al. 2019). One outlier with its large ball raises both:
density counts the balls that a sample is in, and coverage the real balls that hold a
sample at all (Naeem et al. 2020), which leaves the samples' own outliers out.

All depend on the number of samples and of real examples, and on the features: use as
many of both as will be compared with.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.metrics import checks

_MEBIBYTES = 128  # of distances at a time


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
    x_radii, y_radii = _radii(x, k), _radii(y, k)
    precise, recalled = [], np.zeros(len(y), bool)
    for rows, distances in _distances(x, y):
        precise.append((distances <= y_radii).any(axis=1))
        recalled |= (distances <= x_radii[rows, np.newaxis]).any(axis=0)
    return PrecisionRecall(
        float(np.concatenate(precise).mean()), float(recalled.mean())
    )


def density_coverage(samples, reference, *, k: int = 5) -> DensityCoverage:
    """Density and coverage of features [n, d] against real ones [m, d]."""
    x, y = _check(samples, reference, k)
    radii = _radii(y, k)
    held = np.zeros(len(y), np.int64)  # samples in each real ball
    for _, distances in _distances(x, y):
        held += (distances <= radii).sum(axis=0)
    return DensityCoverage(float(held.sum() / (k * len(x))), float((held > 0).mean()))


def _check(samples, reference, k):
    checks.at_least(1, k=k)
    x = checks.vectors(samples, "samples", at_least=k + 1)
    y = checks.vectors(reference, "reference examples", at_least=k + 1)
    checks.same_width(samples=x, reference=y)
    return x, y


def _radii(x, k):
    """The distance from each of x to its k-th nearest other, [n]."""
    from sklearn.neighbors import NearestNeighbors

    distances, _ = (
        NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x).kneighbors()
    )
    return distances[:, -1]


def _distances(x, y):
    """(rows of x, their distances to y [rows, m]) until all of x had its turn."""
    from sklearn.metrics import pairwise_distances_chunked

    start = 0
    for distances in pairwise_distances_chunked(x, y, working_memory=_MEBIBYTES):
        stop = start + len(distances)
        yield slice(start, stop), distances
        start = stop
