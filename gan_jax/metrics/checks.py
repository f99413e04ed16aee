"""What every metric refuses, in one line each, before it computes a wrong number."""

import numpy as np

from gan_jax.errors import UsageError


def vectors(x, name: str, *, at_least: int = 1) -> np.ndarray:
    """`x` as float32 or float64 [n, d]: n >= `at_least` rows, all finite.

    name: what the rows are ("samples"), for the error's message.
    """
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] == 0:
        raise UsageError(f"{name} have shape {list(x.shape)}; expected [n, d]")
    if len(x) < at_least:
        raise UsageError(f"{len(x)} {name} are too few; at least {at_least} are needed")
    try:
        x = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    except TypeError:
        raise UsageError(f"{name} of type {x.dtype} are not numbers") from None
    if x.dtype.kind != "f":
        raise UsageError(f"{name} of type {x.dtype} are not real numbers")
    # NaN passes through min and max; isfinite(x) would be an array as long as x
    if not (np.isfinite(x.min()) and np.isfinite(x.max())):
        raise UsageError(f"{name} are not finite")
    return x


def same_width(**arrays) -> None:
    """Refuses arrays [n, d] of different d; the keywords name them in the message."""
    if len({x.shape[1] for x in arrays.values()}) > 1:
        widths = (f"{name} {x.shape[1]}" for name, x in arrays.items())
        raise UsageError(f"vectors differ in length: {', '.join(widths)}")


def same_shape(**arrays) -> None:
    """Refuses arrays of different shapes; the keywords name them in the message."""
    if len({x.shape for x in arrays.values()}) > 1:
        shapes = (f"{name} {list(x.shape)}" for name, x in arrays.items())
        raise UsageError(f"shapes differ: {', '.join(shapes)}")


def labels(y, name: str, n: int, classes: int | None = None) -> np.ndarray:
    """`y` as int64 [n], one label for each of n examples, below `classes` if given."""
    y = np.asarray(y)
    if y.shape != (n,):
        raise UsageError(f"{name} have shape {list(y.shape)}; expected [{n}]")
    if y.dtype.kind not in "iu":
        raise UsageError(f"{name} of type {y.dtype} are not integers")
    if classes is not None and n and not 0 <= y.min() <= y.max() < classes:
        raise UsageError(
            f"{name} are from {y.min()} to {y.max()}; accepted: 0 to {classes - 1}"
        )
    return y.astype(np.int64)


def at_least(least: int, **counts) -> None:
    """Refuses counts below `least`; the keywords name them in the message."""
    for name, count in counts.items():
        if count < least:
            raise UsageError(f"{name}={count}: must be at least {least}")
