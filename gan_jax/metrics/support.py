"""How many different samples a generator has: the birthday test.

Among s draws from N equally likely values two are likely to agree once s is about the
square root of N (Arora and Zhang 2018). So near-duplicates in a batch of a few hundred
samples betray a support of some ten thousand images. The paper has people look at the
closest pairs; `birthday_test` takes a threshold of distance for their eyes.

A few frequent images are enough for collisions, whatever the rest of the support: the
estimate is of the smallest set that a large share of the samples comes from.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.metrics import checks
from gan_jax.metrics.distances import squared_distances


class Pairs(NamedTuple):
    """distances: Euclidean, [pairs], ascending
    indices:   of the two samples, [pairs, 2], the smaller first
    """

    distances: np.ndarray
    indices: np.ndarray


class Birthday(NamedTuple):
    """probability:    the share of batches that hold two samples within the threshold
    standard_error: of the probability
    support:        the estimated number of equally likely samples
    """

    probability: float
    standard_error: float
    support: float


def closest_pairs(samples, *, pairs: int = 20) -> Pairs:
    """The closest pairs among samples [s, d], for a person to look at."""
    from sklearn.neighbors import NearestNeighbors

    checks.at_least(1, pairs=pairs)
    x = checks.vectors(samples, "samples", at_least=2)
    if pairs > (most := len(x) * (len(x) - 1) // 2):
        raise UsageError(f"{len(x)} samples make {most} pairs, fewer than {pairs}")
    # the second of one of the m closest pairs is among the first's m nearest
    k = min(pairs, len(x) - 1)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x)
    distances, seconds = search.kneighbors()
    firsts = np.repeat(np.arange(len(x)), k)
    both = np.sort(np.stack([firsts, seconds.ravel()], axis=1), axis=1)
    both, where = np.unique(both, axis=0, return_index=True)
    both = both[np.argsort(distances.ravel()[where], kind="stable")[:pairs]]
    # the search's own distances are rounded, also those that are exactly 0
    first, second = x[both].swapaxes(0, 1).astype(np.float64)
    return Pairs(np.linalg.norm(first - second, axis=1), both)


def close_pairs(samples, threshold: float) -> int:
    """How many pairs among samples [s, d] are closer than `threshold`.

    All pairs over that number is an estimate of the support, high on average where
    there are few: by 25 to 35 % where five are expected.
    """
    from scipy.spatial.distance import cdist

    x = checks.vectors(samples, "samples", at_least=2)
    close = 0
    for rows, squares, rounding in squared_distances(x, x):
        near = squares < threshold**2
        unsure = (np.abs(squares - threshold**2) <= rounding).any(axis=1)
        near[unsure] = cdist(x[rows][unsure], x) < threshold
        near[np.arange(len(near)), np.arange(rows.start, rows.stop)] = False
        close += int(np.count_nonzero(near))
    return close // 2


def birthday_test(samples, *, batch_size: int, threshold: float) -> Birthday:
    """The support's size from collisions within disjoint batches of samples [n, d].

    batch_size: such that about half of the batches collide, where the estimate is best
    threshold:  the distance within which two samples are the same
    """
    from scipy.spatial.distance import pdist

    checks.at_least(2, batch_size=batch_size)
    x = checks.vectors(samples, "samples", at_least=batch_size)
    batches = len(x) // batch_size
    collided = [
        pdist(batch).min() <= threshold
        for batch in np.split(x[: batches * batch_size], batches)
    ]
    p = float(np.mean(collided))
    if p in (0, 1):
        count, advice = ("all", "smaller") if p else ("none", "larger")
        raise UsageError(
            f"{count} of {batches} batches of {batch_size} samples hold a pair within "
            f"{threshold}: {advice} batches are needed"
        )
    error = float(np.sqrt(p * (1 - p) / batches))
    return Birthday(p, error, support_size(p, batch_size))


def support_size(probability: float, draws: int) -> float:
    """The N for which `draws` of N equally likely values hold two equal ones so often.

    From log(1 - p) = -s (s - 1) / 2N, which neglects a share s / 3N of the result.
    """
    if not 0 < probability < 1:
        raise UsageError(f"probability={probability}: must lie between 0 and 1")
    return -draws * (draws - 1) / (2 * np.log1p(-probability))
