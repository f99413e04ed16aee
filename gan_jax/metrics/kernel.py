"""The kernel distance between two sets of features (KID, Binkowski et al. 2018).

The squared maximum mean discrepancy with the kernel k(x, y) = (x . y / d + 1)^3, which
compares the first three moments. Its estimate is unbiased: its mean does not depend on
the number of samples and is 0 for equal distributions, where half of the estimates are
negative. It is called KID with the features of the FID Inception network alone.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.metrics import checks

SUBSET_SIZE = 1000


class KernelDistance(NamedTuple):
    """The mean over subsets and its standard error; how many subsets there were."""

    distance: float
    standard_error: float
    subsets: int


def kernel_distance(
    samples, reference, *, subset_size: int = SUBSET_SIZE, seed: int = 0
) -> KernelDistance:
    """The mean of `squared_mmd` over disjoint subsets of features [n, d], [m, d].

    Other implementations draw subsets that overlap; those are not independent, and
    their spread says nothing about the error of the mean. `seed` sets who is in which.
    """
    checks.at_least(2, subset_size=subset_size)
    needed = 2 * subset_size
    x = checks.vectors(samples, "samples", at_least=needed)
    y = checks.vectors(reference, "reference examples", at_least=needed)
    checks.same_width(samples=x, reference=y)
    rng = np.random.default_rng(seed)
    subsets = min(len(x), len(y)) // subset_size
    x_rows, y_rows = (
        rng.permutation(len(z))[: subsets * subset_size].reshape(subsets, -1)
        for z in (x, y)
    )
    values = [squared_mmd(x[i], y[j]) for i, j in zip(x_rows, y_rows, strict=True)]
    error = np.std(values, ddof=1) / np.sqrt(subsets)
    return KernelDistance(float(np.mean(values)), float(error), subsets)


def squared_mmd(x, y) -> float:
    """The unbiased estimate from n vectors against n vectors, [n, d] each, n >= 2.

    The mean kernel over pairs within x and within y, without an example and itself,
    less twice the mean between x and y (Gretton et al. 2012, lemma 6).
    """
    x = checks.vectors(x, "samples", at_least=2).astype(np.float64)
    y = checks.vectors(y, "reference examples", at_least=2).astype(np.float64)
    checks.same_width(samples=x, reference=y)

    def within(z):
        k = _kernel(z, z)
        return (k.sum() - np.trace(k)) / (len(z) * (len(z) - 1))

    return float(within(x) + within(y) - 2 * _kernel(x, y).mean())


def _kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3
