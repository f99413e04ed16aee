"""What a data source delivers: arrays on the host, before any scaling."""

import re
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UsageError


class Source(NamedTuple):
    """Examples as they are stored.

    x:       uint8 images [n, height, width, channels], or float32 vectors [n, d]
    y:       int32 labels [n], or None where there are none
    classes: the labels' names, classes[y[i]]; empty without labels
    """

    x: np.ndarray
    y: np.ndarray | None = None
    classes: tuple[str, ...] = ()


_SPLIT = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")


def parse_split(split: str) -> tuple[str, slice]:
    """The name and the range of a split: "train[:50000]", "train[10%:]", "test".

    Percentages are kept as floats in (-1, 1]; `split_range` turns them into indices.
    """
    match = _SPLIT.fullmatch(split.strip())
    if not match:
        raise UsageError(
            f"data split {split!r} is not understood; accepted are a name and a range, "
            "for instance train, train[:50000], train[90%:]"
        )

    def bound(text):
        if not text:
            return None
        return float(text[:-1]) / 100 if text.endswith("%") else int(text)

    name, start, stop = match.groups()
    return name, slice(bound(start), bound(stop))


def split_range(split: str, size: int) -> slice:
    """The indices of `split` in a data set of `size` examples: slice(start, stop).

    Raises UsageError for a range that is empty or reaches beyond the data.
    """
    _, bounds = parse_split(split)

    def index(bound, default):
        if bound is None:
            return default
        if isinstance(bound, float):
            bound = round(bound * size)
        return bound + size if bound < 0 else bound

    start, stop = index(bounds.start, 0), index(bounds.stop, size)
    if not 0 <= start < stop <= size:
        raise UsageError(
            f"data split {split!r} is empty or reaches beyond the {size:,} examples"
        )
    return slice(start, stop)
