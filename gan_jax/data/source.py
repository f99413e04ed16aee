"""What a data source delivers, and the part of it that a split names."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from gan_jax.data.stream import Column
from gan_jax.errors import UsageError, did_you_mean

_PART_BYTES = 2**24


class Modes(NamedTuple):
    """Where the data are known to lie: round normal distributions of one width.

    means:   float64 [k, d], in the units of the examples as stored
    std:     standard deviation of every mode in every direction
    weights: float64 [k], their shares of the data
    """

    means: np.ndarray
    std: float
    weights: np.ndarray


class Source(NamedTuple):
    """Examples as they are stored, on the host, before any scaling.

    x:       uint8 images [n, height, width, channels], float32 vectors [n, d] or
             signals [n, length, channels], or uint8 codes of characters [n, length];
             arrays, or columns of `stream.Records` for what stays on disk
    y:       int32 labels [n], or None where there are none
    classes: the labels' names, classes[y[i]]; empty without labels
    fresh:   (arrays, key, shape) -> examples [*shape, ...] as stored, drawn anew for
             every minibatch: a pure function for use inside a jitted step, with x and y
             in `arrays`. None: minibatches are of x
    modes:   of examples that are drawn from known modes, else None
    input:   of pairs, the images [n, height, width, channels] that x are to be made
             of, uint8, in memory; else None
    alphabet: of text, the characters, alphabet[code]; else empty
    notes:   what was left out of the data, or changed, with counts, a line each
    """

    x: np.ndarray | Column
    y: np.ndarray | Column | None = None
    classes: tuple[str, ...] = ()
    fresh: Callable | None = None
    modes: Modes | None = None
    input: np.ndarray | None = None
    alphabet: str = ""
    notes: tuple[str, ...] = ()

    def rows(self, chosen) -> "Source":
        """The examples of some indices, or of a range of them."""
        columns = {name: getattr(self, name) for name in ("x", "y", "input")}
        given = {name: each for name, each in columns.items() if each is not None}
        return self._replace(**{name: each[chosen] for name, each in given.items()})

    def padded(self, pixels: int) -> "Source":
        """The images, and what they are made of, with so many zeros on every side.

        Raises UsageError for images that stay on disk or are drawn anew.
        """
        if isinstance(self.x, Column) or self.fresh is not None:
            raise UsageError(f"data.pad={pixels} needs images in memory, drawn once")
        pads = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
        images = {name: getattr(self, name) for name in ("x", "input")}
        given = {name: x for name, x in images.items() if x is not None}
        return self._replace(**{name: np.pad(x, pads) for name, x in given.items()})


def parts(x: np.ndarray | Column) -> Iterator[np.ndarray]:
    """All of x [n, ...] in slices of 16 MiB, in order; a column reads one at a time."""
    one = x.dtype.itemsize * int(np.prod(x.shape[1:]))
    size = max(1, _PART_BYTES // one)
    return (x[start : start + size] for start in range(0, len(x), size))


def hint(name: str, known: Iterable[str]) -> str:
    """The end of an error message: "; did you mean 'cat'?", or "" for none near."""
    question = did_you_mean(name, known).rstrip()
    return f"; {question}" if question else ""


_SPLIT = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")


def parse_split(split: str) -> tuple[str, slice]:
    """The name and the range of a split: "train[:50000]", "train[90%:]", "test".

    Percentages come as floats, 1.0 for 100 %; `split_range` makes them indices.
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


def split_name(split: str, names: Iterable[str] = ("train",)) -> str:
    """The name of the split, which must be one of `names`."""
    name, _ = parse_split(split)
    if name not in (names := list(names)):
        raise UsageError(
            f"there is no data split {name!r}; accepted: {', '.join(names)}, each "
            f"with an optional range such as {names[0]}[:1000]{hint(name, names)}"
        )
    return name


def split_range(split: str, size: int) -> slice:
    """The indices of `split` in a data set of `size` examples: slice(start, stop).

    A negative bound counts from the end. Raises UsageError for a range that is empty
    or reaches beyond the data.
    """
    _, bounds = parse_split(split)

    def index(bound, default):
        if bound is None:
            return default
        if isinstance(bound, float):
            return round((bound + 1 if bound < 0 else bound) * size)
        return bound + size if bound < 0 else bound

    start, stop = index(bounds.start, 0), index(bounds.stop, size)
    if not 0 <= start < stop <= size:
        raise UsageError(
            f"data split {split!r} is empty or reaches beyond the {size:,} examples"
        )
    return slice(start, stop)


def overlap(split: str, other: str) -> bool:
    """Whether two splits share examples, whatever the size of the data.

    Bounds that are counted in different ways, from the other end or in percent, are
    taken not to cross. "all" is made of all other splits and shares examples with each.
    """
    large = 10**12
    names = {parse_split(split)[0], parse_split(other)[0]}
    if len(names) > 1:
        return "all" in names
    a, b = split_range(split, large), split_range(other, large)
    return max(a.start, b.start) < min(a.stop, b.stop)


def select(source: Source, split: str) -> Source:
    """The examples of `source` that lie in the range of `split`."""
    return source.rows(split_range(split, len(source.x)))
