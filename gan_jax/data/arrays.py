"""The user's own arrays, images, vectors or signals: a .npy or .npz file."""

from pathlib import Path

import numpy as np

from gan_jax.data.labels import numbered
from gan_jax.data.source import Source, split_name, split_range
from gan_jax.errors import UsageError

_MEMBERS = ("x", "y", "input")  # of a .npz


def load(*, path: str, split: str = "train", signals: bool = False) -> Source:
    """Images or vectors from `path`: a .npy, or a .npz with `x` and perhaps more.

    That is labels `y`, and `input`, the images that x are to be made of in a game that
    translates.

    Images are [n, height, width] or [n, height, width, channels] with 1 or 3 channels,
    as uint8 or as floats in [0, 1]; vectors are [n, d]. Only those of `split` are
    checked. Labels are whole numbers from 0, names or booleans, [n] or [n, 1], or
    one-hot rows [n, k]; the classes are the labels that occur in the whole file, by
    number or by name.

    signals: x are [n, length] or [n, length, channels], real numbers
    """
    split_name(split)
    given = _read(Path(path).expanduser())
    x, y, inputs = (given.get(name) for name in _MEMBERS)
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
        inputs = _inputs(path, inputs, x, chosen)
    numbers = signals or x.ndim == 2
    x = _vectors(path, x[chosen]) if numbers else _images(path, x[chosen])
    y = None if labels is None else labels[chosen]
    return Source(x, y, classes, input=inputs)


def _read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the file, by name: x, and of a .npz perhaps y and input."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}; a .npy or .npz file is needed")
    try:
        with path.open("rb") as file:
            magic = file.read(6)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if not magic.startswith((b"\x93NUMPY", b"PK")):
        raise UsageError(f"{path} is not a .npy or .npz file")
    try:
        if not magic.startswith(b"PK"):
            # Mapped, so that a split of it reads no more than it needs.
            return {"x": np.load(path, mmap_mode="r", allow_pickle=False)}
        with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
            arrays = dict(members)
    except Exception as error:  # numpy, zipfile and zlib raise many kinds
        if "object" in str(error).lower():
            raise UsageError(
                f"{path} holds Python objects, which are never unpickled; save plain "
                "numbers, for instance images of one shape"
            ) from error
        raise UsageError(f"{path} is damaged: {error}") from error
    if len(arrays) == 1:
        return {"x": arrays.popitem()[1]}
    if "x" not in arrays or not arrays.keys() <= {*_MEMBERS}:
        raise UsageError(
            f"{path} holds the arrays {sorted(arrays)}; accepted are x with optional "
            "labels y and images input that x are made of, or a single array"
        )
    return arrays


def _inputs(path: str, inputs: np.ndarray, x: np.ndarray, chosen: slice) -> np.ndarray:
    """The images that the chosen ones of x are to be made of."""
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


def _images(path: str, x: np.ndarray) -> np.ndarray:
    """The images as uint8 [n, height, width, channels]."""
    x = x[..., None] if x.ndim == 3 else x
    if x.shape[-1] not in (1, 3):
        raise UsageError(
            f"{path} holds images of {x.shape[-1]} channels (shape {list(x.shape)}); "
            "accepted are 1 or 3 in the last dimension"
        )
    if x.dtype == np.uint8:
        return np.array(x)
    accepted = "accepted are uint8, or floats between 0 and 1"
    if x.dtype.kind != "f":
        raise UsageError(f"{path} holds images of type {x.dtype}; {accepted}")
    low, high = x.min(), x.max()
    if low < 0 or high > 1:
        raise UsageError(
            f"{path} holds floating-point images from {low:g} to {high:g}; {accepted}"
        )
    return np.rint(x * 255).astype(np.uint8)


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
