"""Whether a course has a period, told from noise."""

from typing import NamedTuple

import numpy as np

_CORRELATED = 0.5  # with itself, a period later; of short courses more
_FEWEST = 4  # rows of a period


class Period(NamedTuple):
    """rows:        that it takes
    swing:       from the middle to an end, of a sine with this variance
    correlation: of the course with itself, a period later
    """

    rows: int
    swing: float
    correlation: float


def period(values: np.ndarray) -> Period | None:
    """That of values [n], less their linear trend; None where there is none.

    It has to occur three times. Autocorrelations of n values without any course are
    about 1 / sqrt(n) in size, and the largest of many hardly ever 4 times that.
    """
    n, at = len(values), np.arange(len(values))
    x = values - np.polyval(np.polyfit(at, values, 1), at)
    variance = x @ x / n
    if variance <= 1e-12 * np.mean(np.square(values)):  # nothing but rounding
        return None
    lags = range(n // 3 + 1)
    correlations = np.array([x[: n - lag] @ x[lag:] / (n - lag) for lag in lags])
    correlations /= variance
    below = np.flatnonzero(correlations < 0)
    if not len(below):
        return None
    after = correlations[below[0] :]
    peak = int(np.argmax(after >= 0.9 * after.max()))  # of several periods the first
    while peak + 1 < len(after) and after[peak + 1] > after[peak]:
        peak += 1
    correlation, peak = float(after[peak]), int(peak + below[0])
    if peak < _FEWEST or correlation < max(_CORRELATED, 4 / np.sqrt(n)):
        return None
    return Period(peak, float(np.sqrt(2 * variance)), correlation)
