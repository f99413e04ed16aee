"""One split of a prepared TFDS directory, read by index and without TensorFlow."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gan_jax.errors import UsageError, is_of_memory, reason_of, unreadable


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads and decodes examples of one split by their numbers: `Records.read`.

    stored:  the split as TFDS reads it, images as they are encoded
    image:   name of the feature; label likewise, or None: all labels are 0
    shape:   of every image
    of:      what is read, for messages
    numbers: the set's label -> the label given. None: as they are, -1 for none
    """

    stored: Sequence
    image: str
    label: str | None
    shape: tuple[int, ...]
    of: str
    numbers: np.ndarray | None = None

    def __call__(self, rows: np.ndarray, names: tuple[str, ...]) -> dict:
        """The examples of integers [k]: images "x" and labels "y", as `names` ask."""
        examples = self._fetch(rows.tolist())
        found = {}
        if "x" in names:
            x = found["x"] = np.empty((len(rows), *self.shape), np.uint8)
            for i, row in enumerate(rows):
                x[i] = self._picture(row, examples[i])
        if "y" in names:
            y = [example[self.label] if self.label else 0 for example in examples]
            found["y"] = self._numbered(rows, np.array(y, np.int32))
        return found

    def _fetch(self, rows):
        try:
            return self.stored.__getitems__(rows)
        except Exception:  # whichever of them it is
            return [self.one(row) for row in rows]

    def one(self, row: int) -> dict:
        """One example by its features' names, as it is stored."""
        try:
            return self.stored[row]
        except Exception as error:  # on damaged files libraries raise nearly anything
            raise self.damaged(row, error) from error

    def _picture(self, row, example):
        try:
            picture = _decode(example[self.image])
        except Exception as error:
            raise self.damaged(row, error) from error
        if picture.shape != self.shape:
            raise UsageError(
                f"the images of {self.of} differ in shape ({list(self.shape)}, "
                f"{list(picture.shape)}); save them to files and use the folder "
                "source, whose `size` makes them alike"
            )
        return picture

    def _numbered(self, rows, y):
        if self.numbers is None:
            return y
        if (absent := rows[y < 0]).size:  # TFDS marks what has no label with -1
            raise UsageError(
                f"example {absent[0]:,} of {self.of} has no label, but the first has"
            )
        return self.numbers[y]

    def damaged(self, row: int, error: Exception) -> UsageError:
        """What to say of an example that cannot be read."""
        what = f"example {row:,} of {self.of} cannot be read"
        return UsageError(f"{what}: {reason_of(error)}")


def open_split(folder: Path, name: str) -> tuple[Reader, tuple[str, ...]]:
    """What reads one split, and the names of its labels, () if it has none."""
    import tensorflow_datasets as tfds

    try:
        info = (builder := tfds.builder_from_directory(folder)).info
        image, label = _features(info)
        # Pillow decodes, since TFDS would import TensorFlow or OpenCV for it.
        undecoded = {image: tfds.decode.SkipDecoding()}
        stored = builder.as_data_source(name, decoders=undecoded)
    except UsageError:
        raise
    except Exception as error:  # of damaged records, TFDS raises nearly anything
        if is_of_memory(error):
            raise
        raise unreadable(folder, error) from error
    read = Reader(stored, image, label, (), f"{info.name} {name}")
    first = read.one(0)
    try:
        shape = _decode(first[image]).shape
    except Exception as error:
        raise read.damaged(0, error) from error
    labels = tuple(info.features[label].names) if label else ()
    return dataclasses.replace(read, shape=shape), labels


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
