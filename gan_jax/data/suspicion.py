"""What a look at the numbers of a data set says: mistakes that train to nothing."""

from collections.abc import Iterator

import numpy as np

from gan_jax.data.source import Source, parts
from gan_jax.data.stream import Column

_DARK = 32  # grey levels of 256: images below it look black
_FLAT = 0.01  # a share of its range where nearly all of a coordinate lies


def suspicious(source: Source, fitted) -> tuple[str, ...]:
    """What looks like a mistake in the examples, a line each.

    fitted: what the scaling knows of them. What stays on disk is not looked at, nor is
            text
    """
    if isinstance(source.x, Column) or source.alphabet:
        return ()
    found = [*_alike(source.x)]
    if source.x.dtype == np.uint8:
        found += _dark(source.x)
    elif np.ndim((fitted or {}).get("low", 0)):
        found += _flattened(source.x, fitted)
    return tuple(found)


def _alike(x) -> Iterator[str]:
    kind = "images" if x.dtype == np.uint8 else "examples"
    if len(x) > 1 and all((part == x[0]).all() for part in parts(x)):
        yield f"all {len(x):,} {kind} are alike"


def _dark(x) -> Iterator[str]:
    low = min(int(part.min()) for part in parts(x))
    high = max(int(part.max()) for part in parts(x))
    if low == high:
        yield f"all pixels of all images are {low}"
    elif high < _DARK:
        masks = "; masks of 0 and 1 are to be 0 and 255" if high == 1 else ""
        yield f"images are nearly black: pixels are from {low} to {high} of 255{masks}"


def _flattened(x, fitted) -> Iterator[str]:
    """Of vectors and signals that are scaled from their least to their greatest value:
    coordinates that a few outliers leave next to no room.
    """
    rows = x.reshape(-1, x.shape[-1])
    some = rows[:: len(rows) // 10**5 + 1]  # of millions these tell enough
    bottom, top = np.percentile(some, (0.5, 99.5), axis=0)
    span = np.asarray(fitted["high"]) - np.asarray(fitted["low"])
    flat = np.flatnonzero((top > bottom) & (top - bottom < _FLAT * span))
    if flat.size:
        i = int(flat[0])
        outliers = np.count_nonzero((rows[:, i] < bottom[i]) | (rows[:, i] > top[i]))
        yield (
            f"outliers flatten {flat.size:,} of {len(span):,} coordinates: number {i} "
            f"is from {fitted['low'][i]:g} to {fitted['high'][i]:g}, but all of it but "
            f"{outliers:,} values from {bottom[i]:g} to {top[i]:g}; scaling.name="
            "standardised with scaling.robust=true goes by the quartiles"
        )
