"""Types of keywords that say what values are accepted: ``weight: NotNegative = 10.0``.

An alias is ``Annotated[type, Range]``. A function that a config can name takes such
types in its signature, and that is all there is to say: what a config gives is held to
the range before a run begins, and where the type is float, it is a number that `vmap`
can batch wherever the entry's numbers are data.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple


class Range(NamedTuple):
    """holds: whether a value of the right type is accepted; message: what is"""

    holds: Callable[[Any], bool]
    message: str


def between(low, high) -> Range:
    """Values from `low` to `high`, both of them accepted."""
    return Range(lambda x: low <= x <= high, f"must be between {low:,} and {high:,}")


_POSITIVE = Range(lambda x: x > 0, "must be positive")
_NOT_NEGATIVE = Range(lambda x: x >= 0, "must not be negative")
_AT_LEAST_ONE = Range(lambda x: x >= 1, "must be at least 1")
_FRACTION = Range(lambda x: 0 <= x < 1, "must be in [0, 1)")
# one less a decay is a weight, computed in float32 and off by 1 % at this bound
_DECAY = Range(
    lambda x: 0 <= x <= 0.999997,
    "must be in [0, 1), and at most 0.999997, since float32 does not hold what is left "
    "to 1",
)

Positive = Annotated[float, _POSITIVE]
NotNegative = Annotated[float, _NOT_NEGATIVE]
Fraction = Annotated[float, _FRACTION]
Decay = Annotated[float, _DECAY]
Probability = Annotated[float, between(0, 1)]
Count = Annotated[int, _AT_LEAST_ONE]
CountOrZero = Annotated[int, _NOT_NEGATIVE]
Counts = Annotated[
    tuple[int, ...],
    Range(lambda x: min(x, default=1) >= 1, "each must be at least 1"),
]
Seed = Annotated[int, Range(lambda x: 0 <= x < 2**32, "must be in [0, 2^32)")]
Size = Annotated[int, between(1, 10**7)]  # of a data set, or of an image in pixels
# of points on a line or a plane: far from what overflows
Length = Annotated[float, Range(lambda x: 0 < x <= 1e6, "must be in (0, 1e6]")]
Spread = Annotated[float, Range(lambda x: 0 <= x <= 1e6, "must be in [0, 1e6]")]
