"""Decoded arrays kept on disk, so that images are decoded once and not every start.

An entry is an uncompressed .npz: a zip archive, whose CRC-32 of every member numpy's
reader checks, and which can be read without pickle.
"""

import logging
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs

from gan_jax.data.source import Source


def directory() -> Path:
    """$GAN_JAX_CACHE, or the user's cache directory."""
    return Path(
        os.environ.get("GAN_JAX_CACHE") or platformdirs.user_cache_dir("gan_jax")
    ).expanduser()


def fingerprint(folder: Path) -> str:
    """The names, sizes and times of the files in `folder`, as one string."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return "\n".join(
        f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files
    )


def cached(folder: Path, name: str, build: Callable[[], Source]) -> Source:
    """build(), which decodes the files of `folder`, or its result of an earlier time.

    An entry that is damaged, or older than the files, is rebuilt. Where the cache
    cannot be written, a warning says so and nothing else happens.
    """
    folder = folder.resolve()
    stamp = fingerprint(folder)
    place = zlib.crc32(os.fsencode(folder))  # the same set may lie in two folders
    path = directory() / f"{name}-{place:08x}.npz"
    if (source := _read(path, stamp)) is not None:
        return source
    source = build()
    try:
        _write(path, stamp, source)
    except OSError as error:
        reason = error.strerror or error
        logging.getLogger(__name__).warning(
            "decoded images are not cached: cannot write %s (%s)", path.parent, reason
        )
    return source


def _read(path: Path, stamp: str) -> Source | None:
    """The entry, or None if there is none that is whole and of this `stamp`."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as entry:
            if entry["stamp"].item() != stamp:
                return None
            return Source(entry["x"], entry.get("y"), tuple(entry["classes"].tolist()))
    except Exception:  # damage shows in many ways, and all of them end in a rebuild
        return None


def _write(path: Path, stamp: str, source: Source) -> None:
    arrays = {"stamp": np.array(stamp), "x": source.x, "classes": source.classes}
    if source.y is not None:
        arrays["y"] = source.y
    write_arrays(path, arrays)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a temporary .npz and renames it: readers see a whole entry or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
