"""Points of a sweep: dicts of overrides, {"loss.name": "saturating", "d_steps": 5}.

All are generators of points, to be given out by the `sweep()` of an experiment's file
with `yield from`; one after the other is their union.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from gan_jax.errors import UsageError

Point = dict[str, object]
# a way to draw a value
Range = Callable[[np.random.Generator], object]
_DRAWS = 1_000  # without a point that is new, after which there are none


def product(*parts: Mapping[str, Iterable] | Iterable[Point]) -> Iterator[Point]:
    """Each with each; the last part varies fastest.

    A part is fields with the values that each takes, {"d_steps": (1, 5)}, or points
    themselves, as other generators give them. Raises UsageError where a field is in
    two parts.
    """
    lists = []
    for part in parts:
        if isinstance(part, Mapping):
            lists += [[{field: x} for x in _values(part, field)] for field in part]
        else:
            lists.append(list(part))
    for chosen in itertools.product(*lists):
        point = {}
        for overrides in chosen:
            if twice := point.keys() & overrides.keys():
                raise UsageError(f"{sorted(twice)[0]} is varied twice")
            point |= overrides
        yield point


def zipped(fields: Mapping[str, Iterable]) -> Iterator[Point]:
    """The first values of all fields, then the second ones, and so on.

    Raises UsageError where a field has more values than another.
    """
    columns = {field: list(_values(fields, field)) for field in fields}
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{field}: {len(x)}" for field, x in columns.items())
        raise UsageError(f"zipped fields need equally many values ({lengths})")
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def search(n: int, ranges: Mapping[str, Range], seed: int = 0) -> Iterator[Point]:
    """n distinct points, every field drawn from its range.

    More points of the same seed begin with the same ones. Raises UsageError where the
    ranges hold fewer.
    """
    random, seen, misses = np.random.default_rng(seed), [], 0
    while len(seen) < n:
        point = {field: draw(random) for field, draw in ranges.items()}
        misses = misses + 1 if point in seen else 0
        if misses == _DRAWS:
            raise UsageError(f"a search for {n} points found only {len(seen)}")
        if not misses:
            seen.append(point)
            yield dict(point)


def uniform(low: float, high: float) -> Range:
    """Numbers of [low, high], all alike, to four significant digits."""
    _require(low < high, low, high)
    return lambda random: _rounded(random.uniform(low, high), low, high)


def log_uniform(low: float, high: float) -> Range:
    """Numbers of [low, high], each power of ten alike, to four significant digits."""
    _require(0 < low < high, low, high)
    logs = math.log(low), math.log(high)
    return lambda random: _rounded(math.exp(random.uniform(*logs)), low, high)


def integers(low: int, high: int) -> Range:
    """Whole numbers from low to high, which is one of them."""
    _require(low < high, low, high)
    return lambda random: int(random.integers(low, high, endpoint=True))


def choice(*values) -> Range:
    """One of some values."""
    return lambda random: values[random.integers(len(values))]


def _values(fields, field):
    """The values of a field, which are not the letters of a text."""
    values = fields[field]
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise UsageError(f"{field}: expected several values, not {values!r}")
    return values


def _rounded(value, low, high):
    """Digits that a name can show; rounding does not lead out of the range."""
    return min(max(float(f"{value:.4g}"), low), high)


def _require(fits, low, high):
    if not fits:
        raise UsageError(f"an empty range of numbers: from {low} to {high}")
