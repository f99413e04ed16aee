"""The Frechet distance between normal distributions fitted to two sets of features.

Dowson and Landau (1982); proposed for generators by Heusel et al. (2017), who took the
features of an Inception network. It is called FID with that network's features alone.

It sees means and covariances and nothing else, and it falls as the number of samples
grows (Chong and Forsyth 2020): compare only equal numbers against an equal reference.
It cannot tell a generator that copies its training examples from a good one. Nor does
it know what samples were asked for: `frechet_within` compares class with class.
"""

import warnings
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.metrics import checks


class Moments(NamedTuple):
    """The first two moments of n vectors, from which those of more can be made.

    n:       number of vectors
    mean:    float64 [d]
    scatter: float64 [d, d], the sum of (x - mean)(x - mean)^T
    """

    n: int
    mean: np.ndarray
    scatter: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased estimate [d, d]."""
        return self.scatter / (self.n - 1)


def moments(x, *, batch_size: int = 1000) -> Moments:
    """The moments of features [n, d], `batch_size` rows in float64 at a time.

    Features that come in batches: functools.reduce(merge, map(moments, batches)).
    """
    x = checks.vectors(x, "features")
    checks.at_least(1, batch_size=batch_size)
    total = None
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size].astype(np.float64)
        mean = batch.mean(axis=0)
        batch -= mean
        part = Moments(len(batch), mean, batch.T @ batch)
        total = part if total is None else merge(total, part)
    return total


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of both sets together (Chan, Golub and LeVeque 1979)."""
    _same_width(a, b)
    n = a.n + b.n
    shift = b.mean - a.mean
    return Moments(
        n,
        a.mean + shift * (b.n / n),
        a.scatter + b.scatter + np.outer(shift, shift * (a.n * b.n / n)),
    )


def frechet_distance(samples: Moments, reference: Moments) -> float:
    """|m - r|^2 + tr(M + R - 2 (M R)^(1/2)), of means m, r and covariances M, R.

    The squared 2-Wasserstein distance between the two normal distributions. Singular
    covariances are no obstacle, but the estimate is then far from its limit: fewer
    vectors than features raise a UserWarning.
    """
    _same_width(samples, reference)
    for name, x in (("samples", samples), ("reference examples", reference)):
        _require_two(x.n, name)
    _warn_of_few(samples.n, reference.n, len(samples.mean))
    return _distance(samples, reference)


def frechet_within(samples, asked, reference, labels) -> float:
    """The mean over classes of the distance of a class's samples to its real examples.

    samples, asked:    features [n, d], and the labels [n] that they were asked for
    reference, labels: features [m, d] of real examples, and their labels [m]

    The classes are those that were asked for, and each counts the same. Samples whose
    mixture is right but which are of other classes than asked for are far off here and
    not in the distance of all. As that does, it falls as the number of samples of a
    class grows, and classes that have fewer than features raise a UserWarning.
    """
    x = checks.vectors(samples, "samples")
    y = checks.vectors(reference, "reference examples")
    checks.same_width(samples=x, reference=y)
    asked = checks.labels(asked, "labels asked for", len(x))
    labels = checks.labels(labels, "reference labels", len(y))
    classes, made = np.unique(asked, return_counts=True)
    real = np.array([np.count_nonzero(labels == label) for label in classes])
    for name, counts in (("samples", made), ("reference examples", real)):
        _require_two(counts.min(), f"{name} of class {classes[counts.argmin()]}")
    _warn_of_few(made.min(), real.min(), x.shape[1])
    distances = [
        _distance(moments(x[asked == label]), moments(y[labels == label]))
        for label in classes
    ]
    return float(np.mean(distances))


def _require_two(n, name):
    if n < 2:
        raise UsageError(f"{n} {name} are too few; at least 2 are needed")


def _warn_of_few(samples, reference, features):
    """Of the numbers of vectors; the warning is of the caller's caller."""
    for name, n in (("samples", samples), ("reference examples", reference)):
        if n <= features:
            warnings.warn(
                f"the Frechet distance of {n} {name} with {features} features is "
                "strongly biased: more vectors than features are needed",
                stacklevel=3,
            )


def _distance(samples, reference):
    # The eigenvalues of M R are those of the symmetric M^(1/2) R M^(1/2), the squares
    # of the singular values of this product: no square root of a negative number, and
    # none that would blow up rounding errors.
    product = _root(samples.covariance).T @ _root(reference.covariance)
    trace = np.trace(samples.covariance) + np.trace(reference.covariance)
    distance = (
        np.sum(np.square(samples.mean - reference.mean))
        + trace
        - 2 * np.linalg.norm(product, ord="nuc")
    )
    return float(max(distance, 0.0))


def _root(covariance):
    """A with A A^T = covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0))


def _same_width(a, b):
    if len(a.mean) != len(b.mean):
        raise UsageError(f"features differ in number: {len(a.mean)}, {len(b.mean)}")
