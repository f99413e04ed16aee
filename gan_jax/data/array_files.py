"""Files of arrays as people have them: which of their arrays is what, and their size.

Nothing is unpickled, and no name in an archive is ever used as a path.
"""

import math
import os
import zipfile
from pathlib import Path

import numpy as np

from gan_jax.data.source import split_name
from gan_jax.errors import UsageError, is_of_memory, nearest, unreadable

# names of examples and of their labels that are known, beside x, y and input
_NAMES = (
    *(("x", "y"), ("X", "y"), ("X", "Y"), ("images", "labels"), ("image", "label")),
    *(("data", "labels"), ("data", "target"), ("features", "labels")),
    ("arr_0", "arr_1"),  # of numpy.savez without names
)
_SPLITS = {"train": "train", "test": "test", "val": "val", "valid": "val"}


def read(path: Path, split: str, x=None, y=None, max_gib=None):
    """The arrays of a file by what they are, "x", perhaps "y" and "input", and notes.

    split:   names the part of a file with several, see `members`
    x, y:    names of arrays of a .npz, or None where they are known ones
    max_gib: that they may take; None: as much as this machine has of memory

    Raises UsageError for what cannot be read, is larger, or is not there.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}; a .npy or .npz file is needed")
    try:
        with path.open("rb") as file:
            magic = file.read(6)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if not magic.startswith((b"\x93NUMPY", b"PK")):
        raise UsageError(f"{path} is not a .npy or .npz file")
    if not magic.startswith(b"PK"):
        split_name(split)
        if x is not None or y is not None:
            raise UsageError(f"data.x and data.y are of a .npz; {path} is one array")
        # Mapped, so that a split of it reads no more than it needs.
        return {"x": _attempt(path, np.load, path, mmap_mode="r")}, ()
    headers = _attempt(path, _headers, path)
    chosen = members(path, list(headers), split, x, y)
    _refuse_bombs(path, {name: headers[name] for name in chosen.values()}, max_gib)

    def arrays():
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {what: found[name] for what, name in chosen.items()}

    return _attempt(path, arrays), _left_out(path, headers, chosen)


def _attempt(path, function, *arguments, **keywords):
    try:
        return function(*arguments, **keywords)
    except Exception as error:  # numpy, zipfile and zlib raise many kinds
        if is_of_memory(error):
            raise
        if "object" in str(error).lower():
            raise UsageError(
                f"{path} holds Python objects, which are never unpickled; save plain "
                "numbers, for instance images of one shape"
            ) from error
        raise unreadable(path, error) from error


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """The shape and the type of each array of a .npz, as its header says."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if not member.endswith(".npy"):
                continue
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(file)
            found[member.removesuffix(".npy")] = shape, dtype
    return found


def members(path: Path, names: list[str], split: str, x=None, y=None) -> dict[str, str]:
    """Which array of a .npz is "x", which "y" and which "input", by their names.

    A single array is x. Known are x, y and input, `_NAMES`, and either of these with
    the name of a split before or behind it, as x_train and train_images, where `split`
    says which of them. Raises UsageError where none is.
    """
    if x is not None or y is not None:
        split_name(split)
        return _named(path, names, x, y)
    if len(names) == 1:
        split_name(split)
        return {"x": names[0]}
    if parts := _parts(names):
        return parts[split_name(split, parts)]
    split_name(split)
    for of_x, of_y in _NAMES:
        if of_x in names:
            known = {"x": of_x, "y": of_y, "input": "input"}
            return {what: name for what, name in known.items() if name in names}
    raise UsageError(
        f"{path} holds the arrays {sorted(names)}; accepted are x with optional labels "
        "y and images input that x are made of, or a single array; data.x=NAME and "
        "data.y=NAME say which they are"
    )


def _named(path, names, x, y):
    chosen = {"x": x or ("x" if "x" in names else None), "y": y}
    if "input" in names:
        chosen["input"] = "input"
    if chosen["x"] is None:
        raise UsageError(f"data.y={y} needs data.x=; {path} holds {sorted(names)}")
    for what, name in chosen.items():
        if name is not None and name not in names:
            raise UsageError(
                f"data.{what}={name}: {path} has no such array; {nearest(name, names)}"
            )
    return {what: name for what, name in chosen.items() if name is not None}


def _parts(names):
    """The members by split, of a file whose arrays are named so: {"train": {..}}."""
    found = {}
    for part, split in _SPLITS.items():
        for of_x, of_y in _NAMES:
            for form in (f"{{}}_{part}", f"{part}_{{}}"):
                if form.format(of_x) in names and split not in found:
                    both = {"x": form.format(of_x), "y": form.format(of_y)}
                    found[split] = {a: b for a, b in both.items() if b in names}
    return found


def _refuse_bombs(path, headers, max_gib):
    """Raises UsageError for arrays larger than memory, before any is unpacked."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    most = memory if max_gib is None else max_gib
    needed = sum(math.prod(shape) * kind.itemsize for shape, kind in headers.values())
    if needed > most * 2**30:
        raise UsageError(
            f"the arrays of {path} would take {needed / 2**30:,.2f} GiB of memory; "
            + (
                f"data.max_gib={max_gib:g} allows no more"
                if max_gib
                else f"this machine has {memory:,.1f} GiB"
            )
        )


def _left_out(path, headers, chosen):
    others = sorted(set(headers) - set(chosen.values()))
    if not others:
        return ()
    named = ", ".join(others[:8]) + " ..." * (len(others) > 8)
    return (f"left out of {path}: {len(others)} arrays ({named})",)
