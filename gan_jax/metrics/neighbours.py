"""The training examples nearest to each sample: is the generator memorising?

A copy lies closer to the training set than a fresh example of the same distribution
does. `copying` compares the two (the three-sample test of Meehan et al. 2020, over the
whole space at once). In pixels, a copy that is shifted by one pixel is far from its
original: look at the neighbours too, and take features where there are good ones.

How good features are, neighbours say as well: `neighbour_accuracy`, by which BiGAN's
were judged (Donahue et al. 2017, arXiv:1605.09782).
"""

from typing import NamedTuple

import numpy as np

from gan_jax.metrics import checks


class Neighbours(NamedTuple):
    """distances: Euclidean, [n, k], ascending
    indices:   of the training examples, [n, k]
    """

    distances: np.ndarray
    indices: np.ndarray


class Copying(NamedTuple):
    """share:          of the pairs of a sample and a held-out example where the sample
                    is closer to its nearest training example: 1/2 for samples like
                    fresh data, towards 1 for copies, towards 0 for samples far off
    standard_error: of the share, were its expectation 1/2
    """

    share: float
    standard_error: float


def nearest_neighbours(samples, training, *, k: int = 1) -> Neighbours:
    """The k nearest of the training examples [m, d] for each of the samples [n, d]."""
    from sklearn.neighbors import NearestNeighbors

    checks.at_least(1, k=k)
    x = checks.vectors(samples, "samples")
    y = checks.vectors(training, "training examples", at_least=k)
    checks.same_width(samples=x, training=y)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(y)
    return Neighbours(*search.kneighbors(x))


def copying(samples, training, held_out) -> Copying:
    """How often samples lie closer to the training set than held-out examples do.

    All are features or pixels, [n, d]; the held-out examples are of the distribution
    of the training examples and not among them. Ties count one half.
    """
    from scipy.stats import mannwhitneyu

    x = nearest_neighbours(samples, training).distances[:, 0]
    y = nearest_neighbours(held_out, training).distances[:, 0]
    n, m = len(x), len(y)
    # the statistic counts the pairs where y exceeds x
    share = mannwhitneyu(y, x, method="asymptotic").statistic / (n * m)
    return Copying(float(share), float(np.sqrt((n + m + 1) / (12 * n * m))))


def neighbour_accuracy(train_x, train_y, test_x, test_y) -> float:
    """The share of test examples whose nearest training example has their label.

    Features or pixels [n, d] with labels [n]; Euclidean distances.
    """
    train_y = checks.labels(train_y, "training labels", len(train_x))
    test_y = checks.labels(test_y, "test labels", len(test_x))
    nearest = nearest_neighbours(test_x, train_x).indices[:, 0]
    return float(np.mean(train_y[nearest] == test_y))
