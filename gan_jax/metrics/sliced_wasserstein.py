"""The sliced Wasserstein distance (Rabin et al. 2011; Bonneel et al. 2015).

On a line the optimal transport between two sets of equal size joins the sorted values.
The sliced distance is the root of the mean squared 2-Wasserstein distance over random
directions. It is that of the vectors themselves: the "SWD" of Karras et al. (2018) is
another number, the 1-Wasserstein distance of patches from Laplacian pyramids.

It is 0 for equal sets alone, but not for two sets of samples of one distribution, where
it falls with their number: compare equal numbers, and with real against real.
"""

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.metrics import checks

_DIRECTIONS = 100  # at a time


def sliced_wasserstein(
    samples, reference, *, directions: int = 1000, seed: int = 0
) -> float:
    """Of samples [n, d] and as many reference examples [n, d], in the units of both.

    A shift by t gives |t| / sqrt(d), up to the choice of directions by `seed`.
    """
    checks.at_least(1, directions=directions)
    x = checks.vectors(samples, "samples")
    y = checks.vectors(reference, "reference examples")
    checks.same_width(samples=x, reference=y)
    if len(x) != len(y):
        raise UsageError(
            f"{len(x)} samples against {len(y)} reference examples: both need as many"
        )
    rng = np.random.default_rng(seed)
    total = 0.0
    for start in range(0, directions, _DIRECTIONS):
        count = min(_DIRECTIONS, directions - start)
        theta = rng.standard_normal((count, x.shape[1]))
        theta = (theta / np.linalg.norm(theta, axis=1, keepdims=True)).astype(x.dtype)
        gaps = np.sort(theta @ x.T, axis=1) - np.sort(theta @ y.T, axis=1)
        total += np.mean(np.square(gaps), axis=1, dtype=np.float64).sum()
    return float(np.sqrt(total / directions))
