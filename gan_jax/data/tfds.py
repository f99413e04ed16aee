"""Image data sets of TensorFlow Datasets (TFDS), read without TensorFlow.

MNIST, Fashion-MNIST and CIFAR-10 are downloaded and prepared on first use; every other
set has to be prepared before. Neither TensorFlow nor TFDS is imported by this module or
for a set that is in the cache (`gan_jax.data.cache`).
"""

import dataclasses
import json
import math
import os
import re
from pathlib import Path
from typing import Annotated

import numpy as np

from gan_jax.config.ranges import between
from gan_jax.data.cache import cached
from gan_jax.data.source import Source, hint, select, split_name, split_range
from gan_jax.data.stream import Records
from gan_jax.data.tfds_split import open_split
from gan_jax.errors import UsageError, reason_of
from gan_jax.paths import readable

AUTOMATIC = ("mnist", "fashion_mnist", "cifar10")

# A split with more bytes of encoded images than this is not decoded as a whole.
CACHE_LIMIT = 2**30

_BUILDER = re.compile(r"(\w+)(?:/(\w[\w.+-]*))?(?::(\d+\.\d+\.\d+))?")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def load(
    *,
    builder: str = "mnist",
    split: str = "train",
    classes: tuple[str, ...] = (),
    stream: bool = False,
    workers: Annotated[int, between(0, 256)] = 0,
) -> Source:
    """The images of a TFDS data set, [n, height, width, channels], and their labels.

    `builder` is a name, name/configuration or name:version. `classes` keeps those of
    the split's examples alone, with labels in the given order. The TFDS directory is
    $TFDS_DATA_DIR, or ~/tensorflow_datasets.

    stream:  the images stay on disk and are read while a run trains, for sets larger
             than memory; it sees the same minibatches. All labels are read at the start
             where `classes` asks for some, and kept in the cache
    workers: processes that decode the images of a stream; 0: threads of this one do
    """
    folder = _find(builder)
    splits = _splits(folder)
    name = split_name(split, splits)
    examples, size = splits[name]
    chosen = split_range(split, examples)  # refuses a wrong range before decoding
    if stream:
        return _stream(folder, name, chosen, classes, workers, builder)
    if workers:
        raise UsageError(f"data.workers={workers} needs data.stream=true")
    if size > CACHE_LIMIT:
        source = _read(folder, name, chosen)
    else:
        key = f"{folder.parent.name}-{folder.name}-{name}"
        source = select(cached(folder, key, lambda: _read(folder, name)), split)
    return _only(source, classes, builder) if classes else source


def data_directory() -> Path:
    """Where TFDS keeps its data sets."""
    given = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return readable(Path(given).expanduser())


def _find(builder: str) -> Path:
    """The prepared directory of a data set, made first if it is one of AUTOMATIC."""
    match = _BUILDER.fullmatch(builder)
    if not match:
        raise UsageError(
            f"data set {builder!r} is not understood; accepted are a TFDS name, "
            "name/configuration or name:version"
        )
    name, config, version = match.groups()
    folder = data_directory() / name / (config or "")
    if not _versions(folder) and config is None:
        folder = _only_configuration(folder)
    prepared = _versions(folder)
    if not prepared and name in AUTOMATIC and config is None:
        from gan_jax.data.prepare import prepare  # imports TFDS

        prepare(name, data_directory())
        prepared = _versions(folder)
    if not prepared or version not in (None, *prepared):
        raise UsageError(_how_to_prepare(name, builder))
    return folder / (version or prepared[-1])


def _versions(folder: Path) -> list[str]:
    """The prepared versions in `folder`, oldest first."""
    names = (path.parent.name for path in folder.glob("*/dataset_info.json"))
    return sorted(
        filter(_VERSION.fullmatch, names),
        key=lambda name: tuple(map(int, name.split("."))),
    )


def _only_configuration(folder: Path) -> Path:
    """The one prepared configuration below `folder`; `folder` itself if none is."""
    if not folder.is_dir():
        return folder
    found = sorted(path for path in folder.iterdir() if _versions(path))
    if len(found) > 1:
        names = ", ".join(f"{folder.name}/{path.name}" for path in found)
        raise UsageError(f"data set {folder.name!r} is ambiguous; accepted: {names}")
    return found[0] if found else folder


def _splits(folder: Path) -> dict[str, tuple[int, int]]:
    """The number of examples and of bytes of each split of a prepared directory."""
    try:
        return _recorded_splits(folder, (folder / "dataset_info.json").read_bytes())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"{folder} is damaged: dataset_info.json cannot be read "
            f"({reason_of(error)})"
        ) from error


def _recorded_splits(folder, record):
    info = json.loads(record)
    first = info.get("fileFormat", "tfrecord")
    if "array_record" not in (first, *info.get("alternativeFileFormats", ())):
        name = folder.relative_to(data_directory()).parts[0]
        raise UsageError(
            f"{folder} is in the format {first}, but array_record is needed; delete it "
            "or set TFDS_DATA_DIR to another folder, then "
            + ("start again" if name in AUTOMATIC else f"run: {_command(name)}")
        )
    return {
        part["name"]: (
            sum(map(int, part.get("shardLengths", ()))),
            int(part.get("numBytes", 0)),
        )
        for part in info["splits"]
    }


def _command(builder: str) -> str:
    """A shell command that prepares any TFDS set, once TensorFlow is installed.

    The command line tool `tfds build` would need Apache Beam besides.
    """
    return (
        'pip install tensorflow && python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{builder}', data_dir='{data_directory()}', "
        "file_format='array_record').download_and_prepare()\""
    )


def _how_to_prepare(name: str, builder: str) -> str:
    """What to say of a data set that is not in the TFDS directory."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    if name not in known:
        return (
            f"TFDS has no data set {name!r}, nor is there one in {data_directory()}"
            + (
                hint(name, known)
                or "; all are listed at https://www.tensorflow.org/datasets/catalog"
            )
        )
    return (
        f"data set {builder!r} is not prepared in {data_directory()}; set "
        "TFDS_DATA_DIR to a folder that has it, or prepare it once with: "
        + _command(builder)
    )


def _read(folder: Path, name: str, chosen: slice = slice(None)) -> Source:
    """Decodes the examples `chosen` of one split."""
    read, classes = open_split(folder, name)
    rows = np.arange(len(read.stored))[chosen]
    needed, memory = len(rows) * math.prod(read.shape), _memory()
    if needed > memory:
        raise UsageError(
            f"the images of {read.of} take {needed / 2**30:,.1f} GiB decoded, of the "
            f"{memory / 2**30:,.1f} GiB of memory here; data.stream=true reads them "
            "while it trains"
        )
    x, y = np.empty((len(rows), *read.shape), np.uint8), np.empty(len(rows), np.int32)
    for start in range(0, len(rows), 1000):
        part = slice(start, start + 1000)
        examples = read(rows[part], ("x", "y"))
        x[part], y[part] = examples["x"], examples["y"]
    if not classes or y.min() < 0:
        return Source(x)
    return Source(x, y, classes)


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _stream(folder, name, chosen, only, workers, builder) -> Source:
    """The examples `chosen` of one split, which stay on disk."""
    read, classes = open_split(folder, name)
    rows = np.arange(len(read.stored), dtype=np.int32)[chosen]
    fields = {"x": (read.shape, np.dtype(np.uint8))}
    if classes and read(rows[:1], ("y",))["y"][0] < 0:
        classes = ()  # the first tells of all
    if only:
        numbers = _numbers(classes, only, builder)
        y = numbers[_labels(folder, name, read)[rows]]
        rows, classes = rows[_some(y, only, builder)], only
    else:
        numbers = np.arange(len(classes), dtype=np.int32)
    if classes:
        fields["y"] = ((), np.dtype(np.int32))
        read = dataclasses.replace(read, numbers=numbers)
    records = Records(read, rows, fields, workers)
    return Source(records["x"], records.get("y"), classes)


def _labels(folder, name, read) -> np.ndarray:
    """The labels of a whole split, read without decoding images, once."""

    def build():
        rows = np.arange(len(read.stored))
        starts = range(0, len(rows), 1000)
        found = [read(rows[i : i + 1000], ("y",))["y"] for i in starts]
        return Source(np.concatenate(found))

    key = f"{folder.parent.name}-{folder.name}-{name}-labels"
    return cached(folder, key, build).x


def _only(source: Source, classes: tuple[str, ...], builder: str) -> Source:
    """The examples of `classes`, with the labels renumbered in that order."""
    y = _numbers(source.classes, classes, builder)[source.y]
    kept = _some(y, classes, builder)
    return Source(source.x[kept], y[kept], tuple(classes))


def _numbers(known: tuple[str, ...], classes: tuple[str, ...], builder) -> np.ndarray:
    """The new label of each known class: its place in `classes`, -1 if it is not there.

    There is one more -1 at the end, for the label -1 of what has none.
    """
    for name in classes:
        if name not in known:
            accepted = ", ".join(known[:20]) or "none, it has no labels"
            raise UsageError(
                f"{builder} has no class {name!r}; accepted: {accepted}"
                f"{' ...' if len(known) > 20 else ''}{hint(name, known)}"
            )
    if len(set(classes)) < len(classes):
        raise UsageError(f"a class is named twice in {', '.join(classes)}")
    new = np.full(len(known) + 1, -1, np.int32)
    new[[known.index(name) for name in classes]] = np.arange(len(classes))
    return new


def _some(y: np.ndarray, classes: tuple[str, ...], builder: str) -> np.ndarray:
    """Which labels are not -1, booleans; at least one has to be."""
    if not (kept := y >= 0).any():
        raise UsageError(f"this split of {builder} has no {' or '.join(classes)}")
    return kept
