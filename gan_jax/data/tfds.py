"""Image data sets of TensorFlow Datasets (TFDS), read without TensorFlow.

MNIST, Fashion-MNIST and CIFAR-10 are downloaded and prepared on first use; every other
set has to be prepared before. Neither TensorFlow nor TFDS is imported by this module or
for a set that is in the cache (`gan_jax.data.cache`).
"""

import io
import json
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

from gan_jax.data.cache import cached
from gan_jax.data.source import Source, hint, select, split_name, split_range
from gan_jax.errors import UsageError

AUTOMATIC = ("mnist", "fashion_mnist", "cifar10")

# A split with more bytes of encoded images than this is not decoded as a whole.
CACHE_LIMIT = 2**30

_BUILDER = re.compile(r"(\w+)(?:/(\w[\w.+-]*))?(?::(\d+\.\d+\.\d+))?")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def load(
    *, builder: str = "mnist", split: str = "train", classes: tuple[str, ...] = ()
) -> Source:
    """The images of a TFDS data set, [n, height, width, channels], and their labels.

    `builder` is a name, name/configuration or name:version. `classes` keeps those of
    the split's examples alone, with labels in the given order. The TFDS directory is
    $TFDS_DATA_DIR, or ~/tensorflow_datasets.
    """
    folder = _find(builder)
    splits = _splits(folder)
    name = split_name(split, splits)
    examples, size = splits[name]
    chosen = split_range(split, examples)  # refuses a wrong range before decoding
    if size > CACHE_LIMIT:
        source = _read(folder, name, chosen)
    else:
        key = f"{folder.parent.name}-{folder.name}-{name}"
        source = select(cached(folder, key, lambda: _read(folder, name)), split)
    return _only(source, classes, builder) if classes else source


def data_directory() -> Path:
    """Where TFDS keeps its data sets."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


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
    info = json.loads((folder / "dataset_info.json").read_text())
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
    import tensorflow_datasets as tfds

    info = (builder := tfds.builder_from_directory(folder)).info
    image, label = _features(info)
    # Pillow decodes, since TFDS would import TensorFlow or OpenCV for it.
    records = builder.as_data_source(name, decoders={image: tfds.decode.SkipDecoding()})
    indices = range(len(records))[chosen]
    shape, x = None, np.empty(0)
    y = np.zeros(len(indices), np.int32)
    for start in range(0, len(indices), 1000):
        batch = records.__getitems__(indices[start : start + 1000])
        for i, record in enumerate(batch, start):
            picture = _decode(record[image])
            if shape is None:
                shape = picture.shape
                x = np.empty((len(indices), *shape), np.uint8)
            if picture.shape != shape:
                raise UsageError(
                    f"the images of {info.name} differ in shape ({list(shape)}, "
                    f"{list(picture.shape)}); save them to files and use the folder "
                    "source, whose `size` makes them alike"
                )
            x[i] = picture
            y[i] = record[label] if label else 0
    if label is None or y.min() < 0:  # TFDS marks what has no label with -1
        return Source(x)
    return Source(x, y, tuple(info.features[label].names))


def _features(info) -> tuple[str, str | None]:
    """The names of the image and of the label, if there is one."""
    import tensorflow_datasets as tfds

    def named(kind):
        return [
            name for name, feature in info.features.items() if type(feature) is kind
        ]

    images, labels = named(tfds.features.Image), named(tfds.features.ClassLabel)
    if len(images) != 1:
        raise UsageError(
            f"the examples of {info.name} hold {len(images)} images each "
            f"(features: {', '.join(info.features)}); sets with one are accepted"
        )
    if len(labels) > 1:  # such as CIFAR-100's superclasses
        labels = [name for name in labels if name in (info.supervised_keys or ())]
    return images[0], labels[0] if labels else None


def _decode(data: bytes) -> np.ndarray:
    """An encoded image as uint8 [height, width, 1 or 3]."""
    with Image.open(io.BytesIO(data)) as image:
        if image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
        pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _only(source: Source, classes: tuple[str, ...], builder: str) -> Source:
    """The examples of `classes`, with the labels renumbered in that order."""
    for name in classes:
        if name not in source.classes:
            accepted = ", ".join(source.classes[:20]) or "none, it has no labels"
            raise UsageError(
                f"{builder} has no class {name!r}; accepted: {accepted}"
                f"{' ...' if len(source.classes) > 20 else ''}"
                f"{hint(name, source.classes)}"
            )
    if len(set(classes)) < len(classes):
        raise UsageError(f"a class is named twice in {', '.join(classes)}")
    new = np.full(len(source.classes), -1, np.int32)
    new[[source.classes.index(name) for name in classes]] = np.arange(len(classes))
    y = new[source.y]
    if not (y >= 0).any():
        raise UsageError(f"this split of {builder} has no {' or '.join(classes)}")
    return Source(source.x[y >= 0], y[y >= 0], tuple(classes))
