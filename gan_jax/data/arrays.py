"""The user's own arrays, images, vectors or signals: a .npy or .npz file."""

from pathlib import Path

import numpy as np

from gan_jax.config.ranges import Positive
from gan_jax.data.array_files import read
from gan_jax.data.labels import numbered
from gan_jax.data.source import Source, split_range
from gan_jax.errors import UsageError

_CHANNELS = (1, 3, 4)
_SMALLEST = 8  # pixels of the sides of what may be one picture
_HALF_LEVEL = 0.5 / 255


def load(
    *,
    path: str,
    split: str = "train",
    signals: bool = False,
    x: str | None = None,
    y: str | None = None,
    max_gib: Positive | None = None,
) -> Source:
    """Images or vectors from `path`: a .npy, or a .npz with `x` and perhaps more.

    That is labels `y`, and `input`, the images that x are to be made of in a game that
    translates. What other names stand for that is known, see `members`: those of a file
    with x_train and x_test or the like are splits of their own.

    Images are [n, height, width] or [n, height, width, channels] with 1, 3 or 4
    channels, as uint8 or as floats in [0, 1]; vectors are [n, d]. Only those of `split`
    are checked. Labels are whole numbers from 0, names or booleans, [n] or [n, 1], or
    one-hot rows [n, k]; the classes are the labels that occur in the whole file, by
    number or by name.

    signals: x are [n, length] or [n, length, channels], real numbers
    x, y:    the names of these arrays in a .npz where they are others
    max_gib: that the arrays of a .npz may take in memory, of which it says itself how
             much it needs; None: as much as there is
    """
    file = Path(path).expanduser()
    given, notes = read(file, split, x, y, max_gib)
    x, y, inputs = (given.get(name) for name in ("x", "y", "input"))
    if signals and x.ndim in (2, 3) and 0 not in x.shape:
        x = x.reshape(*x.shape[:2], -1)
    elif signals or x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise UsageError(
            f"{path} holds an array of shape {list(x.shape)}; accepted are images "
            "[n, height, width] or [n, height, width, channels], vectors [n, d] and, "
            "with data.signals=true, signals [n, length] or [n, length, channels]"
        )
    chosen = split_range(split, len(x))
    labels, classes = (None, ()) if y is None else _labels(path, y, len(x))
    _check_finite(path, x[chosen], chosen.start)
    if inputs is not None:
        inputs, of_inputs = _inputs(path, inputs, x, chosen)
        notes += of_inputs
    if signals or x.ndim == 2:
        x = _vectors(path, x[chosen])
    else:
        x, of_images = _images(path, x[chosen])
        notes += of_images
    y = None if labels is None else labels[chosen]
    return Source(x, y, classes, input=inputs, notes=tuple(dict.fromkeys(notes)))


def _inputs(path: str, inputs: np.ndarray, x: np.ndarray, chosen: slice):
    """The images that the chosen ones of x are to be made of, and notes."""
    if inputs.ndim not in (3, 4) or x.ndim not in (3, 4):
        raise UsageError(
            f"{path} holds x of shape {list(x.shape)} and input of shape "
            f"{list(inputs.shape)}; pairs are of images [n, height, width] or "
            "[n, height, width, channels]"
        )
    if inputs.shape[:3] != x.shape[:3]:
        raise UsageError(
            f"{path} holds {len(x):,} images x of {x.shape[2]} x {x.shape[1]} pixels, "
            f"but {len(inputs):,} images input of {inputs.shape[2]} x "
            f"{inputs.shape[1]}; a pair has one size, and each image a partner"
        )
    _check_finite(path, inputs[chosen], chosen.start)
    return _images(path, inputs[chosen])


def _check_finite(path: str, x: np.ndarray, start: int) -> None:
    """Refuses NaN and infinity; `start` is the index of x[0] in the file."""
    finite = np.isfinite(x) if x.dtype.kind == "f" else np.True_
    if not finite.all():
        i, *rest = np.argwhere(~finite)[0].tolist()
        raise UsageError(
            f"{path} holds a value that is not a finite number at {[start + i, *rest]}"
        )


def _images(path: str, x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The images as uint8 [n, height, width, channels], and what was changed."""
    _refuse_other_axes(path, x.shape)
    x = x[..., None] if x.ndim == 3 else x
    if x.dtype == np.uint8:
        return np.array(x), ()
    accepted = "accepted are uint8, or floats between 0 and 1"
    if x.dtype.kind != "f":
        raise UsageError(f"{path} holds images of type {x.dtype}; {accepted}")
    low, high = float(x.min()), float(x.max())
    # up to half of a grey level beyond, rounding finds the same level
    if low < -_HALF_LEVEL or high > 1 + _HALF_LEVEL:
        raise UsageError(
            f"{path} holds floating-point images from {low:g} to {high:g}; {accepted}"
        )
    notes = ()
    if beyond := np.count_nonzero((x < 0) | (x > 1)):
        notes = (
            f"{beyond:,} of {x.size:,} values of images in {path} lie beyond 0 and 1, "
            f"from {low!r} to {high!r}, and are taken for these",
        )
    return np.rint(x * 255).clip(0, 255).astype(np.uint8), notes


def _refuse_other_axes(path: str, shape: tuple[int, ...]) -> None:
    """Raises UsageError for what is no images [n, h, w] or [n, h, w, channels]."""
    if len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) >= _SMALLEST:
        raise UsageError(
            f"{path} holds an array of shape {list(shape)}: one picture in colour, or "
            f"{shape[0]} grey ones of {shape[1]} x {shape[2]} pixels? as [1, "
            f"{', '.join(map(str, shape))}] or [{', '.join(map(str, shape))}, 1] it is "
            "accepted"
        )
    if len(shape) == 4 and shape[-1] not in _CHANNELS:
        first = shape[1] in _CHANNELS
        advice = "; they come first here: x.transpose(0, 2, 3, 1)" if first else ""
        raise UsageError(
            f"{path} holds images of {shape[-1]} channels (shape {list(shape)}); "
            f"accepted are 1, 3 or 4 in the last dimension{advice}"
        )


def _vectors(path: str, x: np.ndarray) -> np.ndarray:
    """The vectors, or signals, as float32 of the same shape."""
    if x.dtype.kind not in "fiub":
        raise UsageError(
            f"{path} holds vectors of type {x.dtype}; accepted are real numbers"
        )
    with np.errstate(over="ignore"):
        vectors = np.array(x, np.float32)
    if not np.isfinite(vectors).all():
        raise UsageError(f"{path} holds numbers that are too large for float32")
    return vectors


def _labels(path: str, y: np.ndarray, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels as int32 [n], and the names of the classes."""
    if y.ndim not in (1, 2) or len(y) != n:
        raise UsageError(
            f"{path} holds {n:,} examples, but labels of shape {list(y.shape)}; "
            f"accepted are [{n}], [{n}, 1] or one-hot rows [{n}, classes]"
        )
    single = y.ndim == 1 or y.shape[1] == 1
    if y.dtype.kind not in ("biufU" if single else "biuf"):
        raise UsageError(
            f"{path} holds labels of type {y.dtype} and shape {list(y.shape)}; "
            f"accepted are numbers, booleans, names [{n}] or one-hot rows of numbers"
        )
    return numbered(_checked(path, y.reshape(n)) if single else _columns(path, y))


def _checked(path: str, y: np.ndarray) -> np.ndarray:
    """The labels y [n], each of which can be a class."""
    if y.dtype.kind == "U":
        wrong = y == ""
    else:
        wrong = ~np.isfinite(y) | (y < 0) | (y != np.floor(y))
    if wrong.any():
        i = int(wrong.argmax())
        raise UsageError(
            f"{path}: the label of example {i:,} is {y[i].item()!r}; "
            "accepted are whole numbers from 0, booleans or names"
        )
    return y


def _columns(path: str, y: np.ndarray) -> np.ndarray:
    """The columns of the ones in one-hot rows y [n, k], [n]."""
    if y.shape[1] > len(y):
        raise UsageError(
            f"{path} holds {len(y):,} examples, but one-hot labels of {y.shape[1]:,} "
            "classes; accepted are at most as many classes as examples"
        )
    accepted = "accepted are one-hot rows, of one 1 and else 0"
    if (wrong := (y != 0) & (y != 1)).any():
        i, column = np.argwhere(wrong)[0].tolist()
        raise UsageError(
            f"{path}: the labels of example {i:,} hold {y[i, column].item()!r}; "
            f"{accepted}"
        )
    ones = np.count_nonzero(y, axis=1)
    if (wrong := ones != 1).any():
        i = int(wrong.argmax())
        raise UsageError(
            f"{path}: the labels of example {i:,} sum to {ones[i]}; {accepted}"
        )
    return y.argmax(axis=1)
