"""Mode coverage, as PacGAN defines it (Lin et al. 2018, section 4).

A sample is of high quality within three standard deviations of the mode that is next to
it, and a mode is captured if a single sample of high quality is. `counts` [k] are the
samples of high quality at each mode; any histogram over classes will do as well.
"""

import math

import numpy as np

from gan_jax.data.source import Modes

RADIUS = 3.0  # standard deviations around a mode


def mode_counts(samples, means, std: float) -> np.ndarray:
    """Samples [n, d] of high quality at each of the modes `means` [k, d]: int [k].

    The modes are round normal distributions, all with this standard deviation. A sample
    that is not finite is nowhere.
    """
    samples, means = np.asarray(samples, np.float64), np.asarray(means, np.float64)
    counts = np.zeros(len(means), int)
    for part in np.array_split(samples, max(1, samples.size * len(means) // 10**6)):
        distances = np.linalg.norm(part[:, None] - means, axis=-1)
        close = distances.min(axis=1) < RADIUS * std
        counts += np.bincount(distances[close].argmin(axis=1), minlength=len(means))
    return counts


def modes_captured(counts) -> int:
    """How many modes have a sample at all."""
    return int(np.count_nonzero(counts))


def high_quality(counts, n: int) -> float:
    """The share of all n samples that is of high quality."""
    return float(np.sum(counts) / n)


def reverse_kl(counts, weights=None) -> float:
    """KL(samples || data) in nats, between the histogram `counts` and `weights` [k].

    `weights` are the modes' shares of the data, equal ones if not given: then it is
    log k less the histogram's entropy. At least 0, at most log k for equal weights. NaN
    for counts that are all zero.
    """
    counts = np.asarray(counts, np.float64)
    k, n = len(counts), counts.sum()
    weights = np.full(k, 1 / k) if weights is None else np.asarray(weights, np.float64)
    if n == 0:
        return math.nan
    seen = counts > 0
    p, q = counts[seen] / n, weights[seen] / weights.sum()
    return float(max(0.0, np.sum(p * np.log(p / q))))


def perfect_high_quality(dim: int = 2) -> float:
    """The share of high quality among samples of the data: 98.89 % on the plane.

    More than that are modes that are narrower than the data's.
    """
    # the regularised gamma function P(dim / 2, x), from P(1, x) or P(1 / 2, x) upwards
    x, a = RADIUS**2 / 2, 0.5 if dim % 2 else 1.0
    share = math.erf(math.sqrt(x)) if dim % 2 else 1 - math.exp(-x)
    while a < dim / 2:
        share -= math.exp(a * math.log(x) - x - math.lgamma(a + 1))
        a += 1
    return share


def perfect_reverse_kl(k: int, n: int) -> float:
    """About what `reverse_kl` is on average for n fair samples of k modes.

    (k - 1) / 2n, which holds where n is much larger than k.
    """
    return (k - 1) / (2 * n)


def judge(samples, modes: Modes) -> dict[str, float]:
    """The metrics of samples [n, d], in the units of the data, by name.

    The reverse KL is left out where no sample is of high quality.
    """
    counts = mode_counts(samples, modes.means, modes.std)
    values = {
        "modes": modes_captured(counts),
        "high_quality": high_quality(counts, len(samples)),
    }
    if counts.any():
        values["reverse_kl"] = reverse_kl(counts, modes.weights)
    return values


def perfect(modes: Modes, n: int) -> dict[str, float]:
    """What `judge` gives on average for n samples of the data itself.

    Of modes that have some width and lie more than 6 standard deviations apart: where
    they overlap, one counts samples of another.
    """
    k, dim = np.shape(modes.means)
    return {
        "modes": k,
        "high_quality": perfect_high_quality(dim),
        "reverse_kl": perfect_reverse_kl(k, n),
    }


def known_modes(info: dict) -> Modes | None:
    """The modes of the data that `Dataset.info` or a run's record tells of, if any."""
    fields = info.get("modes")
    if fields is None:
        return None
    return Modes(**{name: np.asarray(value) for name, value in fields.items()})
