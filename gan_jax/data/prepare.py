"""Makes the TFDS directories of the standard data sets, without TensorFlow.

TFDS needs TensorFlow to unpack archives and to write PNG; Python and Pillow do both as
well. Everything else is TFDS's own: the names, versions and features, the download and
its registered checksums, the shuffle and the files. So the result is what
`tfds.builder(name)` would have made, and reads.
"""

import contextlib
import gzip
import io
import struct
import sys
import tarfile
import tempfile
import threading
import urllib.parse
import zlib
from pathlib import Path

import numpy as np
import requests
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets import image_classification as stock
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

from gan_jax.errors import UsageError

PROBE_SECONDS = 10


def _png(image: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG")
    file.seek(0)
    return file


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The bytes of a compressed file of the idx format, uint8 of so many dimensions.

    A big-endian header of 4 bytes a number, what it is and the shape, then the bytes.
    Raises UsageError for any other file.
    """
    try:
        data = gzip.decompress(path.read_bytes())
        magic, *shape = struct.unpack_from(f">{1 + dimensions}I", data)
        if magic != 0x800 + dimensions:
            raise ValueError(f"it begins with {magic:#x}")
        values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
        return values.reshape(shape)
    except (EOFError, OSError, ValueError, struct.error, zlib.error) as error:
        raise UsageError(
            f"{path} is no idx file of {dimensions} dimensions: {error}"
        ) from error


class _Idx:
    """The idx format of MNIST."""

    SPLITS = (("train", "train"), ("test", "t10k"))

    def urls(self):
        return {
            prefix + suffix: urllib.parse.urljoin(self.URL, prefix + suffix)
            for _, prefix in self.SPLITS
            for suffix in ("-images-idx3-ubyte.gz", "-labels-idx1-ubyte.gz")
        }

    def _split_generators(self, dl_manager):
        # One at a time: after a failure, TFDS would leave the others running.
        files = {name: dl_manager.download(url) for name, url in self.urls().items()}
        return {
            split: self._generate_examples(
                files[f"{prefix}-images-idx3-ubyte.gz"],
                files[f"{prefix}-labels-idx1-ubyte.gz"],
            )
            for split, prefix in self.SPLITS
        }

    def _generate_examples(self, image_file, label_file):
        images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
        if len(images) != len(labels):
            raise UsageError(
                f"{image_file} has {len(images):,} images, but {label_file} "
                f"{len(labels):,} labels"
            )
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": _png(image), "label": int(label)}


# The stock classes hold the names already, so these are not registered a second time.
class MNIST(_Idx, stock.MNIST, skip_registration=True):
    """Handwritten digits, LeCun, Cortes & Burges."""

    name = "mnist"


class FashionMNIST(_Idx, stock.FashionMNIST, skip_registration=True):
    """Pictures of clothing, Xiao, Rasul & Vollgraf (2017)."""

    name = "fashion_mnist"


class Cifar10(stock.Cifar10, skip_registration=True):
    """Small photographs of ten kinds of things, Krizhevsky (2009)."""

    name = "cifar10"
    URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    FOLDER = "cifar-10-batches-bin/"
    SPLITS = (
        ("train", tuple(f"data_batch_{i}.bin" for i in range(1, 6))),
        ("test", ("test_batch.bin",)),
    )

    def urls(self):
        return {"archive": self.URL}

    def _split_generators(self, dl_manager):
        path = dl_manager.download(self.urls())["archive"]
        # Read in memory: no member's name is ever used as a path to write to.
        with tarfile.open(path, "r:gz") as tar:
            data = {
                member.name: tar.extractfile(member).read()
                for member in tar
                if member.isfile()
            }
        names = data[self.FOLDER + "batches.meta.txt"].decode().split()
        self.info.features["label"].names = names
        return {
            split: self._generate_examples(
                split, b"".join(data[self.FOLDER + file] for file in files)
            )
            for split, files in self.SPLITS
        }

    def _generate_examples(self, split, data):
        # A row is a label and the red, the green and the blue plane of an image.
        rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        images = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        for index, (image, label) in enumerate(zip(images, rows[:, 0], strict=True)):
            name = f"{split}_{index:05d}"
            yield index, {"id": name, "image": _png(image), "label": int(label)}


BUILDERS = {builder.name: builder for builder in (MNIST, FashionMNIST, Cifar10)}


def prepare(name: str, data_dir: Path) -> None:
    """Downloads the data set `name` and makes its TFDS directory below `data_dir`.

    The downloads live in a temporary folder of their own: two sets whose files have
    the same names do not meet, and nothing of a failure is left to be taken for whole.
    Several processes may do the same at a time; one of them makes it, all go on.
    """
    builder = BUILDERS[name](data_dir=data_dir)
    _probe(name, next(iter(builder.urls().values())), data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        print(f"preparing {name} in {data_dir}, once", file=sys.stderr, flush=True)
        tfds.display_progress_bar(sys.stderr.isatty())
        with tempfile.TemporaryDirectory(
            prefix="downloads.", dir=data_dir, ignore_cleanup_errors=True
        ) as folder:
            _download_and_prepare(builder, folder)
    except NonMatchingChecksumError as error:
        raise UsageError(
            f"the download of {name} is corrupted (its SHA-256 is not the registered "
            "one) and was deleted; try again"
        ) from error
    except (tfds.download.DownloadError, OSError) as error:
        raise UsageError(
            f"cannot prepare {name} in {data_dir} (TFDS_DATA_DIR): {error}"
        ) from error


def _download_and_prepare(builder: tfds.core.DatasetBuilder, folder: str) -> None:
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints banners
            builder.download_and_prepare(
                file_format="array_record",
                download_dir=folder,
                download_config=tfds.download.DownloadConfig(
                    force_checksums_validation=True, try_download_gcs=False
                ),
            )
    except OSError:
        # TFDS renames a finished directory to its place, which fails if another
        # process was faster.
        if not builder.is_prepared():
            raise


def _probe(name: str, url: str, data_dir: Path) -> None:
    """Raises UsageError unless the server answers: TFDS itself retries for minutes."""
    answers = []

    def ask():
        try:
            answers.append(requests.head(url, timeout=PROBE_SECONDS).status_code < 500)
        except requests.RequestException:
            answers.append(False)

    # A thread, because the look-up of a name has a timeout of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if answers != [True]:
        host = urllib.parse.urlparse(url).netloc
        raise UsageError(
            f"{name} is not in {data_dir} and cannot be downloaded: {host} does not "
            "answer; set TFDS_DATA_DIR to a folder that has it, or make one where it "
            'does: TFDS_DATA_DIR=FOLDER python -c "from gan_jax.data import tfds; '
            f"tfds.load(builder='{name}')\""
        )
