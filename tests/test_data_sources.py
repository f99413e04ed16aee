"""Every source against an independent reading of what it reads."""

import errno
import functools
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import arrays, cache, digits, folder, image_files, tfds
from gan_jax.data.source import Source, parse_split, select, split_name, split_range
from gan_jax.errors import UsageError

SHARED = Path(__file__).parents[2] / "shared" / "data"


def prepared(name, version):
    """The TFDS directory that holds a prepared data set; skips where there is none."""
    for place in (os.environ.get("TFDS_DATA_DIR"), SHARED / "tensorflow_datasets"):
        if place and (Path(place) / name / version / "dataset_info.json").is_file():
            return Path(place).resolve()
    pytest.skip(f"{name} {version} is neither in $TFDS_DATA_DIR nor in {SHARED}")
    return None


@pytest.fixture
def cache_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# Splits


@pytest.mark.parametrize(
    ("split", "start", "stop"),
    [
        ("train", 0, 200),
        ("train[:50]", 0, 50),
        ("train[50:]", 50, 200),
        ("train[-50:]", 150, 200),
        ("train[10:-10]", 10, 190),
        ("train[10%:50%]", 20, 100),
        ("train[-10%:]", 180, 200),
        ("train[:100%]", 0, 200),
        (" train[199:200] ", 199, 200),
    ],
)
def test_split_range(split, start, stop):
    assert split_range(split, 200) == slice(start, stop)
    assert parse_split(split)[0] == "train"


@pytest.mark.parametrize(
    "split",
    [
        *("train[50:50]", "train[:201]", "train[-201:]", "train[:0]", "train[150%:]"),
        *("train[-0%:0%]", "train[60:50]"),
    ],
)
def test_split_range_refuses_what_is_empty_or_beyond(split):
    with pytest.raises(UsageError, match="empty or reaches beyond the 200 examples"):
        split_range(split, 200)


@pytest.mark.parametrize("split", ["train[", "train[5]", "train+test", "", "train[a:]"])
def test_split_that_is_not_understood(split):
    with pytest.raises(UsageError, match="is not understood"):
        parse_split(split)


def test_split_name_and_select():
    assert split_name("test[:10]", ("train", "test")) == "test"
    with pytest.raises(UsageError, match=r"'tset'; accepted: train, test.*'test'\?"):
        split_name("tset", ("train", "test"))
    source = Source(np.arange(10)[:, None], np.arange(10), ("a",))
    part = select(source, "train[3:5]")
    assert part.x.tolist() == [[3], [4]]
    assert part.y.tolist() == [3, 4]
    assert select(Source(source.x), "train[:1]").y is None


# Digits


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    x, y, classes = digits.load()[:3]
    assert (x.shape, x.dtype, y.dtype) == ((1797, 8, 8, 1), np.uint8, np.int32)
    np.testing.assert_array_equal(np.rint(x[..., 0] / 255.0 * 16), load_digits().images)
    np.testing.assert_array_equal(y, load_digits().target)
    assert (x.min(), x.max()) == (0, 255)
    assert classes == tuple("0123456789")
    np.testing.assert_array_equal(digits.load(split="train[-97:]").x, x[1700:])
    with pytest.raises(UsageError, match="no data split 'test'; accepted: train"):
        digits.load(split="test")


# TFDS


def by_content(x, y):
    """The examples in an order that does not depend on how they are stored."""
    return sorted(
        (image.tobytes(), int(label)) for image, label in zip(x, y, strict=True)
    )


@pytest.mark.parametrize(("split", "file"), [("train", "train"), ("test", "t10k")])
def test_mnist_equals_the_original_files(split, file, cache_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared("mnist", "3.0.1")))
    raw = SHARED / "raw" / "mnist"
    if not raw.is_dir():
        pytest.skip(f"the original files are not in {raw}")

    def idx(kind, offset):
        data = gzip.decompress((raw / f"{file}-{kind}-ubyte.gz").read_bytes())
        return np.frombuffer(data, np.uint8, offset=offset)

    x, y, classes = tfds.load(builder="mnist", split=split)[:3]
    images, labels = idx("images-idx3", 16).reshape(-1, 784), idx("labels-idx1", 8)
    assert (x.shape[1:], x.dtype, y.dtype) == ((28, 28, 1), np.uint8, np.int32)
    assert by_content(x, y) == by_content(images, labels)
    assert classes == tuple("0123456789")


def test_cifar10_classes_are_taken_after_the_range(cache_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared("cifar10", "3.0.2")))
    whole = tfds.load(builder="cifar10", split="test[:300]")
    assert whole.x.shape == (300, 32, 32, 3)
    assert whole.classes[2:4] == ("bird", "cat")
    some = tfds.load(builder="cifar10", split="test[:300]", classes=("cat", "bird"))
    wanted = np.isin(whole.y, (2, 3))
    assert 0 < wanted.sum() < 300
    np.testing.assert_array_equal(some.x, whole.x[wanted])
    np.testing.assert_array_equal(some.y, np.where(whole.y[wanted] == 3, 0, 1))
    assert some.classes == ("cat", "bird")
    with pytest.raises(
        UsageError, match=r"no class 'brid'; accepted: airplane.*'bird'"
    ):
        tfds.load(builder="cifar10", split="test", classes=("brid",))
    with pytest.raises(UsageError, match="named twice"):
        tfds.load(builder="cifar10", split="test", classes=("cat", "cat"))


@pytest.fixture
def make(tmp_path, monkeypatch, cache_dir):
    """make(name, features, examples, config) writes a small TFDS data set."""
    import tensorflow_datasets as lib

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    lib.disable_progress_bar()

    def made(set_name, features, examples, config=None, tag="1.0.0", keys=None):
        class Small(lib.core.GeneratorBasedBuilder, skip_registration=True):
            name = set_name
            VERSION = lib.core.Version(tag)
            pkg_dir_path = lib.core.Path(tmp_path)  # where TFDS looks for a README
            BUILDER_CONFIGS = [lib.core.BuilderConfig(name=config)] if config else []

            def _info(self):
                return self.dataset_info_from_configs(
                    features=lib.features.FeaturesDict(features), supervised_keys=keys
                )

            def _split_generators(self, dl_manager):
                return {"train": self._generate_examples()}

            def _generate_examples(self):
                yield from enumerate(examples)

        Small(data_dir=tmp_path / "sets").download_and_prepare(
            file_format="array_record"
        )
        return tmp_path / "sets" / set_name

    return made


def encoded(*shape, seed=0):
    """A random image as PNG, the form that TFDS stores without TensorFlow."""
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    file.seek(0)
    return file


def test_labels_of_a_set(make):
    from tensorflow_datasets.public_api import features as lib

    image = lib.Image(shape=(None, None, 3))
    examples = [{"image": encoded(4, 4, 3, seed=i)} for i in range(9)]
    make("unlabelled", {"image": image}, examples)
    x, y, classes = tfds.load(builder="unlabelled")[:3]
    assert (x.shape, y, classes) == ((9, 4, 4, 3), None, ())
    with pytest.raises(UsageError, match=r"no class 'a'; accepted: none"):
        tfds.load(builder="unlabelled", classes=("a",))

    examples = [{"image": encoded(4, 4, 3), "kind": i % 2} for i in range(4)]
    kind = lib.ClassLabel(names=["ape", "bee"])
    make("labelled", {"image": image, "kind": kind}, examples)
    x, y, classes = tfds.load(builder="labelled")[:3]
    assert sorted(y) == [0, 0, 1, 1]
    assert classes == ("ape", "bee")

    two = [{"image": encoded(4, 4, 3), "a": 0, "b": 1}]
    make("two_labels", {"image": image, "a": kind, "b": kind}, two)
    assert tfds.load(builder="two_labels").y is None
    features = {"image": image, "a": kind, "b": kind}
    two[0]["image"].seek(0)
    make("supervised", features, two, keys=("image", "b"))
    assert tfds.load(builder="supervised").y.tolist() == [1]

    hidden = [{"image": encoded(4, 4, 3), "kind": -1}]
    make("hidden", {"image": image, "kind": kind}, hidden)
    assert tfds.load(builder="hidden").y is None


def test_sets_that_are_refused(make):
    from tensorflow_datasets.public_api import features as lib

    image = lib.Image(shape=(None, None, 1))
    shapes = [{"image": encoded(4, 4 + i)} for i in range(2)]
    make("ragged", {"image": image}, shapes)
    with pytest.raises(UsageError, match=r"differ in shape .*folder source.*`size`"):
        tfds.load(builder="ragged")

    pair = [{"a": encoded(4, 4), "b": encoded(4, 4)}]
    make("pairs", {"a": image, "b": image}, pair)
    with pytest.raises(UsageError, match=r"pairs hold 2 images each"):
        tfds.load(builder="pairs")

    for name in ("../../etc", "mnist/../etc", "mnist mnist"):
        with pytest.raises(UsageError, match="not understood"):
            tfds.load(builder=name)
    with pytest.raises(
        UsageError, match=r"no data set 'mnits'.*did you mean 'mnist'\?"
    ):
        tfds.load(builder="mnits")
    with pytest.raises(UsageError) as absent:
        tfds.load(builder="stl10")
    place = str(tfds.data_directory())
    for part in (place, "TFDS_DATA_DIR", "pip install tensorflow", "'array_record'"):
        assert part in str(absent.value)


def test_another_format_is_refused(make):
    from tensorflow_datasets.public_api import features as lib

    folder_of_set = make("small", {"n": lib.Scalar(np.int32)}, [{"n": 1}])
    info = folder_of_set / "1.0.0" / "dataset_info.json"
    text = info.read_text()
    info.write_text(text.replace("array_record", "tfrecord"))
    with pytest.raises(
        UsageError, match=r"in the format tfrecord.*download_and_prepare"
    ):
        tfds.load(builder="small")
    info.write_text(text.replace('"fileFormat": "array_record",', ""))
    with pytest.raises(UsageError, match="in the format tfrecord"):
        tfds.load(builder="small")


def test_versions_and_configurations(make):
    from tensorflow_datasets.public_api import features as lib

    image = {"image": lib.Image(shape=(None, None, 1))}
    for size, tag in ((3, "1.9.0"), (4, "1.10.0")):
        make("versions", image, [{"image": encoded(size, size)}], tag=tag)
    assert tfds.load(builder="versions").x.shape == (1, 4, 4, 1)  # 1.10 is the newer
    assert tfds.load(builder="versions:1.9.0").x.shape == (1, 3, 3, 1)
    with pytest.raises(UsageError):
        tfds.load(builder="versions:2.0.0")

    make("configs", image, [{"image": encoded(5, 5)}], config="five")
    assert tfds.load(builder="configs").x.shape == (1, 5, 5, 1)
    make("configs", image, [{"image": encoded(6, 6)}], config="six")
    assert tfds.load(builder="configs/six").x.shape == (1, 6, 6, 1)
    with pytest.raises(
        UsageError, match="ambiguous; accepted: configs/five, configs/six"
    ):
        tfds.load(builder="configs")


def test_a_wrong_range_is_refused_before_decoding(make, cache_dir):
    from tensorflow_datasets.public_api import features as lib

    examples = [{"image": encoded(4, 4, seed=i)} for i in range(5)]
    place = make("five", {"image": lib.Image(shape=(4, 4, 1))}, examples)
    with pytest.raises(UsageError, match="beyond the 5 examples"):
        tfds.load(builder="five", split="train[:6]")
    assert not cache_dir.exists()
    # An empty split: its counts are absent, as protobuf leaves out zeros.
    info = place / "1.0.0" / "dataset_info.json"
    content = json.loads(info.read_text())
    del content["splits"][0]["shardLengths"], content["splits"][0]["numBytes"]
    info.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="empty or reaches beyond the 0 examples"):
        tfds.load(builder="five")


def test_a_split_too_big_for_the_cache_is_read_in_part(make, cache_dir, monkeypatch):
    from tensorflow_datasets.public_api import features as lib

    examples = [{"image": encoded(4, 4, seed=i)} for i in range(20)]
    make("big", {"image": lib.Image(shape=(4, 4, 1))}, examples)
    whole = tfds.load(builder="big").x
    assert len(list(cache_dir.iterdir())) == 1
    monkeypatch.setenv("GAN_JAX_CACHE", str(cache_dir.with_name("other")))
    monkeypatch.setattr(tfds, "CACHE_LIMIT", 10)
    np.testing.assert_array_equal(
        tfds.load(builder="big", split="train[5:9]").x, whole[5:9]
    )
    assert not cache_dir.with_name("other").exists()


PROGRAM = """
import sys
from gan_jax.data import tfds
assert not {"tensorflow", "tensorflow_datasets"} & set(sys.modules), "import"
first = tfds.load(builder="cifar10", split="test")
assert "tensorflow_datasets" in sys.modules or sys.argv[1] == "cached"
assert "tensorflow_datasets" not in sys.modules or sys.argv[1] == "empty"
assert "tensorflow" not in sys.modules, "tensorflow"
print(len(first.x))
"""


def test_tensorflow_is_never_imported(cache_dir, tmp_path):
    """Even where it is installed; and TFDS is not either, once the set is cached."""
    place = prepared("cifar10", "3.0.2")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "tensorflow.py").write_text(
        "raise RuntimeError('imported')"
    )
    environment = {
        **os.environ,
        "TFDS_DATA_DIR": str(place),
        "PYTHONPATH": os.pathsep.join(
            [str(tmp_path / "modules"), os.environ.get("PYTHONPATH", "")]
        ),
    }
    for state in ("empty", "cached"):
        run = [sys.executable, "-c", PROGRAM, state]
        done = subprocess.run(run, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""


# The cache


class Counter:
    """A build function that counts its calls."""

    calls = 0

    def __call__(self):
        self.calls += 1
        x = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), np.uint8)
        return Source(x, np.arange(50, dtype=np.int32), ("a", "b"))


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("content")
    return tmp_path / "data"


def test_the_cache_builds_once(cache_dir, data):
    build = Counter()
    first, second = (cache.cached(data, "set-train", build) for _ in range(2))
    assert build.calls == 1
    for a, b in ((first.x, second.x), (first.y, second.y)):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    assert second.classes == ("a", "b")
    assert len(list(cache_dir.iterdir())) == 1  # no temporary file stays
    bare = Source(np.zeros((2, 3), np.float32))
    for _ in range(2):
        loaded = cache.cached(data, "bare", lambda: bare)
        assert (loaded.y, loaded.classes) == (None, ())


def test_the_cache_notices_damage_anywhere(cache_dir, data):
    build = Counter()
    cache.cached(data, "set", build)
    (entry,) = cache_dir.iterdir()
    good = entry.read_bytes()
    expected = build()
    build.calls = 0
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(good), 60):
        bad = bytearray(good)
        bad[position] ^= 1 << rng.integers(8)
        entry.write_bytes(bad)
        loaded = cache.cached(data, "set", build)
        np.testing.assert_array_equal(loaded.x, expected.x)
        np.testing.assert_array_equal(loaded.y, expected.y)
        assert loaded.classes == expected.classes
    assert build.calls > 40  # the rest hit bytes that mean nothing, such as times
    for length in (0, 10, len(good) // 2, len(good) - 1):
        entry.write_bytes(good[:length])
        build.calls = 0
        cache.cached(data, "set", build)
        assert build.calls == 1
        assert entry.read_bytes() == good


def test_the_cache_notices_other_data(cache_dir, data):
    build = Counter()
    cache.cached(data, "set", build)
    os.utime(data / "file", ns=(1, 1))
    cache.cached(data, "set", build)
    assert build.calls == 2
    (data / "more").write_text("")
    cache.cached(data, "set", build)
    assert build.calls == 3
    cache.cached(data.rename(data.with_name("moved")), "set", build)
    assert build.calls == 4
    assert len(list(cache_dir.iterdir())) == 2  # one for each place


def test_a_cache_that_cannot_be_written(data, tmp_path, monkeypatch, caplog):
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "occupied"))
    build = Counter()
    assert len(cache.cached(data, "set", build).x) == 50
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "not cached" in caplog.text


def test_a_failed_write_leaves_nothing(cache_dir, data, monkeypatch, caplog):
    def full(file, **arrays):
        file.write(b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    cache.cached(data, "set", Counter())
    assert list(cache_dir.iterdir()) == []
    assert "No space left" in caplog.text


# Arrays


def npy(tmp_path, array, name="data.npy"):
    np.save(tmp_path / name, array)
    return str(tmp_path / name)


def test_images_of_an_array(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (10, 5, 4, 3), np.uint8)
    loaded = arrays.load(path=npy(tmp_path, x))
    np.testing.assert_array_equal(loaded.x, x)
    assert (loaded.y, loaded.classes) == (None, ())
    grey = arrays.load(path=npy(tmp_path, x[..., 0]), split="train[2:4]")
    np.testing.assert_array_equal(grey.x, x[2:4, ..., :1])
    for dtype in (np.float32, np.float64):
        floats = arrays.load(path=npy(tmp_path, x.astype(dtype) / 255))
        np.testing.assert_array_equal(floats.x, x)
        assert floats.x.dtype == np.uint8
    rounded = arrays.load(path=npy(tmp_path, np.array([[[0.4, 0.6, 254.6]]]) / 255))
    assert rounded.x.ravel().tolist() == [0, 1, 255]


def test_vectors_of_an_array(tmp_path):
    x = np.random.default_rng(0).normal(size=(10, 3))
    loaded = arrays.load(path=npy(tmp_path, x))
    assert loaded.x.dtype == np.float32
    np.testing.assert_array_equal(loaded.x, x.astype(np.float32))
    integers = arrays.load(path=npy(tmp_path, np.arange(6).reshape(3, 2)))
    assert integers.x.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_npz_with_labels(tmp_path):
    path, x = tmp_path / "data.npz", np.zeros((4, 2, 2), np.uint8)
    np.savez(path, x=x, y=np.array([2, 0, 1, 2]))
    loaded = arrays.load(path=str(path), split="train[:3]")
    assert loaded.y.tolist() == [2, 0, 1]
    assert (loaded.y.dtype, loaded.classes) == (np.int32, ("0", "1", "2"))
    np.savez_compressed(path, anything=x)
    assert arrays.load(path=str(path)).x.shape == (4, 2, 2, 1)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), r"shape \[3\]"),
        (np.zeros((2, 2, 2, 2, 2)), r"shape \[2, 2, 2, 2, 2\]"),
        (np.zeros((2, 2, 2, 5), np.uint8), "5 channels.*1, 3 or 4"),
        (np.zeros((9, 3, 8, 8), np.uint8), r"8 channels.*first here: x\.transpose"),
        (np.zeros((9, 8, 3), np.uint8), r"one picture in colour, or 9 grey ones"),
        (np.full((2, 2, 2), 1.003), "from 1.003 to 1.003"),
        (np.zeros((2, 2, 2), np.int64), "int64; accepted are uint8, or floats"),
        (np.full((2, 2, 2), 255.0), "from 255 to 255; accepted are uint8, or floats"),
        (np.full((2, 2, 2), -0.1), "from -0.1 to -0.1"),
        (np.array([["a", "b"]]), "vectors of type <U1"),
        (np.full((2, 2), 1e300), "too large for float32"),
    ],
)
def test_arrays_that_are_refused(tmp_path, array, message):
    with pytest.raises(UsageError, match=message):
        arrays.load(path=npy(tmp_path, array))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite(tmp_path, value):
    x = np.zeros((9, 4, 3))
    x[7, 2, 1] = x[8] = value
    path = npy(tmp_path, x)
    with pytest.raises(UsageError, match=r"not a finite number at \[7, 2, 1\]"):
        arrays.load(path=path, split="train[5:]")
    assert len(arrays.load(path=path, split="train[:7]").x) == 7


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "data.npz"
    with pytest.raises(UsageError, match="there is no file"):
        arrays.load(path=str(path))
    path.write_text("hello")
    with pytest.raises(UsageError, match=r"not a \.npy or \.npz file"):
        arrays.load(path=str(path))
    np.savez(path, x=np.zeros((2, 2)), y=np.zeros(3, int))
    with pytest.raises(UsageError, match=r"2 examples, but labels of shape \[3\]"):
        arrays.load(path=str(path))
    np.savez(path, a=np.zeros((2, 2)), b=np.zeros(3))
    with pytest.raises(UsageError, match=r"arrays \['a', 'b'\]; accepted are x"):
        arrays.load(path=str(path))
    np.savez(path, x=np.arange(1000.0).reshape(10, 100))
    data = path.read_bytes()
    path.write_bytes(data[:500])
    with pytest.raises(UsageError, match="damaged"):
        arrays.load(path=str(path))
    path.write_bytes(data[:600] + b"\xff" + data[601:])
    with pytest.raises(UsageError, match="damaged"):
        arrays.load(path=str(path))


def test_floats_that_rounding_brought_beyond_the_ends_are_taken_for_these(tmp_path):
    x = np.array([[[0, 0.5, 1 + 1e-7], [-1e-7, 1, 0.1]]], np.float32)
    found = arrays.load(path=npy(tmp_path, x))
    assert found.x.ravel().tolist() == [0, 128, 255, 0, 255, 26]
    (note,) = found.notes
    assert note.startswith("2 of 6 values of images in ")
    assert "from -1.0" in note
    assert "to 1.0000001" in note
    assert arrays.load(path=npy(tmp_path, x.clip(0, 1))).notes == ()


def test_images_of_four_channels(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 4), np.uint8)
    np.testing.assert_array_equal(arrays.load(path=npy(tmp_path, x)).x, x)


def test_an_npz_with_other_names(tmp_path):
    path, rng = str(tmp_path / "data.npz"), np.random.default_rng(0)
    x, y = rng.integers(0, 256, (6, 9, 9), np.uint8), np.arange(6) % 3

    def load(members, **how):
        np.savez(path, **members)
        return arrays.load(path=path, **how)

    for names in (("X", "y"), ("images", "labels"), ("arr_0", "arr_1")):
        found = load(dict(zip(names, (x, y), strict=True)))
        np.testing.assert_array_equal(found.x[..., 0], x)
        assert (found.y.tolist(), found.notes) == (y.tolist(), ())
    for form in ("x_{}", "{}_images"):
        members = {form.format("train"): x[:4], form.format("test"): x[4:]}
        labels = form.replace("x", "y").replace("images", "labels")
        members |= {labels.format("train"): y[:4], labels.format("test"): y[4:]}
        found = load(members, split="test[:1]")
        np.testing.assert_array_equal(found.x[..., 0], x[4:5])
        assert found.y.tolist() == [0]  # of the two labels of this part
        assert load(members).x.shape == (4, 9, 9, 1)
        with pytest.raises(UsageError, match="no data split 'val'; accepted: train, t"):
            load(members, split="val")
    odd = {"pictures": x, "kinds": y, "made": np.zeros(3)}
    found = load(odd, x="pictures", y="kinds")
    assert (len(found.x), found.y.tolist()) == (6, y.tolist())
    assert found.notes == (f"left out of {path}: 1 arrays (made)",)
    assert load(odd, x="pictures").y is None
    with pytest.raises(UsageError, match=r"arrays \['kinds', .*; data\.x=NAME"):
        load(odd)
    with pytest.raises(UsageError, match=r"data\.x=picture: .*'pictures'\?"):
        load(odd, x="picture")
    with pytest.raises(UsageError, match=r"data\.y=kinds needs data\.x="):
        load(odd, y="kinds")


def test_arrays_larger_than_allowed_are_not_unpacked(tmp_path):
    """A few kilobytes that say they were 2 GiB, and 60 TiB."""
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((2000, 32, 32), np.uint8), more=np.zeros(9))
    how = {"path": str(path), "x": "x"}
    with pytest.raises(UsageError, match=r"take 0\.00 GiB.*max_gib=0\.001 allows"):
        arrays.load(**how, max_gib=0.001)
    assert len(arrays.load(**how, max_gib=0.01).x) == 2000
    header = io.BytesIO()
    what = {"descr": "|u1", "fortran_order": False, "shape": (2**30, 256, 256)}
    np.lib.format.write_array_header_1_0(header, what)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(UsageError, match=r"take 65,536\.00 GiB .*; this machine"):
        arrays.load(path=str(path))


class Trap:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("save", [np.save, lambda path, x: np.savez(path, x=x)])
def test_objects_are_never_unpickled(tmp_path, save):
    path = tmp_path / ("data.npy" if save is np.save else "data.npz")
    save(path, np.array([Trap(tmp_path / "sprung")], object))
    with pytest.raises(UsageError, match="Python objects, which are never unpickled"):
        arrays.load(path=str(path))
    assert not (tmp_path / "sprung").exists()


# Folders


def picture(path, width, height, mode="RGB", color=(10, 200, 60), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), color).convert(mode).save(path, **options)
    return path


def test_a_folder_is_read_in_order(tmp_path):
    for i, name in enumerate(["b/2.png", "a.png", "b/10.PNG", "c.bmp"]):
        picture(tmp_path / name, 4, 4, color=(i, i, i))
    (tmp_path / "notes.txt").write_text("no image")
    picture(tmp_path / ".hidden.png", 4, 4)
    picture(tmp_path / ".thumbs" / "a.png", 4, 4)
    x, y, classes = folder.load(path=str(tmp_path), size=4)[:3]
    assert (x.shape, x.dtype, y, classes) == ((4, 4, 4, 3), np.uint8, None, ())
    assert x[:, 0, 0, 0].tolist() == [1, 2, 0, 3]  # a.png, b/10.PNG, b/2.png, c.bmp
    part = folder.load(path=str(tmp_path), size=4, split="train[1:3]")
    np.testing.assert_array_equal(part.x, x[1:3])


def test_the_range_is_taken_before_decoding(tmp_path):
    picture(tmp_path / "a.png", 4, 4)
    (tmp_path / "b.png").write_bytes(b"damaged")
    assert len(folder.load(path=str(tmp_path), size=4, split="train[:1]").x) == 1


def test_a_folder_is_resized_and_cropped_around_the_centre(tmp_path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255  # the central square is white
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(wide.transpose(1, 0, 2).copy()).save(tmp_path / "b.png")
    x = folder.load(path=str(tmp_path), size=10).x
    assert (x == 255).all()
    # Half the size: the same as Pillow's antialiased resize, then the central square.
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (16, 24, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "c.png")
    expected = Image.fromarray(noise).resize((12, 8), Image.LANCZOS).crop((2, 0, 10, 8))
    x = folder.load(path=str(tmp_path), size=8, split="train[2:]").x[0]
    np.testing.assert_array_equal(x, np.asarray(expected))


def test_a_folder_respects_the_orientation_of_photographs(tmp_path):
    image = Image.new("RGB", (8, 8), "black")
    image.paste("white", (0, 0, 8, 4))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    image.save(tmp_path / "a.png", exif=exif)
    x = folder.load(path=str(tmp_path), size=8, channels=1).x[0, :, :, 0]
    assert (x[:, 4:] == 255).all()
    assert (x[:, :4] == 0).all()


def test_a_folder_converts_every_kind_of_pixel(tmp_path):
    grey = (100, 100, 100)
    for mode in ("RGB", "L", "P", "RGBA", "LA", "1", "CMYK"):
        color = (255, 255, 255) if mode == "1" else grey
        suffix = "tif" if mode == "CMYK" else "png"
        picture(tmp_path / f"{mode}.{suffix}", 6, 6, mode, color)
    pixels = np.full((6, 6), 100 * 257, np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    Image.new("RGBA", (6, 6), (0, 0, 0, 0)).save(tmp_path / "through.png")
    for channels in (1, 3):
        x = folder.load(path=str(tmp_path), size=6, channels=channels).x
        assert x.shape == (9, 6, 6, channels)
        for name, image in zip(
            sorted(p.name for p in tmp_path.iterdir()), x, strict=True
        ):
            level = 255 if name in ("1.png", "through.png") else 100
            assert abs(int(image.min()) - level) <= 3, name
            assert abs(int(image.max()) - level) <= 3, name


def test_subfolders_as_labels(tmp_path):
    for name in ("dog/1.png", "cat/deep/2.png", "cat/1.png"):
        picture(tmp_path / name, 4, 4)
    x, y, classes = folder.load(path=str(tmp_path), size=4, labels=True)[:3]
    assert (len(x), y.tolist(), y.dtype) == (3, [0, 0, 1], np.int32)
    assert classes == ("cat", "dog")
    part = folder.load(path=str(tmp_path), size=4, labels=True, split="train[2:]")
    assert (part.y.tolist(), part.classes) == ([1], ("cat", "dog"))
    picture(tmp_path / "stray.png", 4, 4)
    with pytest.raises(
        UsageError, match=r"subfolder of its class; stray\.png does not"
    ):
        folder.load(path=str(tmp_path), size=4, labels=True)


def test_folders_that_are_refused(tmp_path):
    def load(**keywords):
        return folder.load(**{"path": str(tmp_path / "images"), "size": 4, **keywords})

    with pytest.raises(UsageError, match="there is no folder"):
        load()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "notes.txt").write_text("")
    with pytest.raises(UsageError, match=r"no images .*looked for .*\.jpg"):
        load()
    picture(tmp_path / "images" / "good.png", 4, 4)
    for keywords, message in (
        ({"channels": 2}, "channels is 2; accepted are 1"),
        ({"size": 0}, "size is 0"),
        ({"split": "test"}, "no data split 'test'"),
        ({"split": "train[:2]"}, "beyond the 1 examples"),
    ):
        with pytest.raises(UsageError, match=message):
            load(**keywords)
    for i in range(12):
        (tmp_path / "images" / f"{i:02d}.jpg").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"00\.jpg, .*09\.jpg and 2 more; the first"):
        load()


def test_truncated_and_huge_images_are_named(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:4000])
    with pytest.raises(UsageError, match=r"cannot be read as an image: .*cut\.png"):
        folder.load(path=str(tmp_path), size=8)
    (tmp_path / "cut.png").unlink()
    picture(tmp_path / "huge.png", 100, 100)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UsageError, match=r"huge\.png; .*decompression bomb"):
        folder.load(path=str(tmp_path), size=8)


def test_what_is_left_out_of_a_folder_is_counted(tmp_path):
    """Links are followed, of classes too, but not in circles."""
    images = tmp_path / "images"
    for name in ("cat/a.jfif", "cat/b.JPE", "cat/c.avif"):
        kind = "AVIF" if name.endswith("avif") else "JPEG"
        picture(images / name, 4, 4, format=kind)
    for i in range(2):
        picture(tmp_path / "elsewhere" / f"{i}.png", 4, 4)
    (images / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(images)
    (images / "gone.png").symlink_to(tmp_path / "nowhere")
    for name in ("a.txt", "b.txt", "c.heic", "cat/.d.png", "readme"):
        (images / name).write_text("")
    (images / ".git").mkdir()
    x, y, classes, *_, (note,) = folder.load(path=str(images), size=4, labels=True)
    assert (len(x), y.tolist(), classes) == (5, [0, 0, 0, 1, 1], ("cat", "dog"))
    assert note.startswith(f"left out of {images}: 2 .txt, ")
    for part in (
        *("1 .heic", "1 hidden", "1 broken link", "1 without a suffix"),
        *("1 link to a folder above it", "1 hidden folder"),
    ):
        assert part in note


def test_files_that_cannot_be_read_may_be_left_out(tmp_path):
    for i in range(4):
        picture(tmp_path / str(i % 2) / f"{i}.png", 4, 4, color=(i, i, i))
    (tmp_path / "0" / "2.png").write_bytes(b"no image")
    how = {"path": str(tmp_path), "size": 4, "labels": True, "skip_bad": True}
    x, y, *_, notes = folder.load(**how)
    assert (x[:, 0, 0, 0].tolist(), y.tolist()) == ([0, 1, 3], [0, 1, 1])
    (note,) = notes
    assert "left out as unreadable, of 4: " in note
    assert "0/2.png; the first because: cannot identify" in note
    with pytest.raises(UsageError, match=r"2\.png.*data\.skip_bad=true goes on"):
        folder.load(**how | {"skip_bad": False})
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(UsageError, match="cannot be read as an image") as error:
        folder.load(**how)
    assert "skip_bad" not in str(error.value)


def test_files_that_may_be_read_another_time_are_not_left_out(tmp_path):
    """Or the data would change by themselves."""
    files = [tmp_path / f"{i}.png" for i in range(3)]

    def read(file, error):
        if file == files[1]:
            raise error
        return np.zeros((4, 4, 1), np.uint8)

    closed = PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(UsageError, match=r"1\.png.*Permission denied") as raised:
        image_files.read_all(files, functools.partial(read, error=closed), True)
    assert "skip_bad" not in str(raised.value)
    with pytest.raises(MemoryError):
        image_files.read_all(files, functools.partial(read, error=MemoryError()), True)
    bad = functools.partial(read, error=ValueError("bad"))
    assert image_files.read_all(files, bad, True)[1].tolist() == [True, False, True]


def test_memory_that_is_not_enough_is_no_damage(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((2, 4)))
    for error, says in (
        (
            OSError(errno.EMFILE, "Too many open files"),
            "cannot be read now: .*Too many",
        ),
        (ValueError("bad magic"), "is damaged: bad magic"),
    ):
        monkeypatch.setattr(np, "load", raises(error))
        with pytest.raises(UsageError, match=says):
            arrays.load(path=str(tmp_path / "x.npy"))
    monkeypatch.setattr(np, "load", raises(MemoryError("7 GiB")))
    with pytest.raises(MemoryError, match="7 GiB"):
        arrays.load(path=str(tmp_path / "x.npy"))


def raises(error):
    def function(*arguments, **keywords):
        raise error

    return function


@pytest.mark.parametrize(("depth", "top"), [(10, 900), (12, 4095), (14, 9000)])
def test_levels_of_16_bits_that_use_fewer(tmp_path, depth, top):
    levels = np.linspace(0, top, 64).reshape(8, 8).astype(np.uint16)
    for name, values in (("a", levels), ("b", levels // 2)):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    how = {"path": str(tmp_path), "size": 8, "channels": 1}
    found = folder.load(**how)
    np.testing.assert_array_equal(found.x[0, ..., 0], levels >> (depth - 8))
    np.testing.assert_array_equal(found.x[1, ..., 0], levels // 2 >> (depth - 8))
    assert f"taken for {depth} bits" in found.notes[0]
    plain = folder.load(**how, bits=16)
    np.testing.assert_array_equal(plain.x[0, ..., 0], levels >> 8)
    assert plain.notes == ()


def test_images_that_are_enlarged_are_counted(tmp_path):
    for i, width in enumerate((4, 6, 8)):
        picture(tmp_path / f"{i}.png", width, 8)
    for size, count in ((4, 0), (6, 1), (8, 2)):
        notes = folder.load(path=str(tmp_path), size=size).notes
        said = f"{count} of 3 images are smaller than {size} pixels and enlarged"
        assert notes == ((said,) if count else ())


def test_transparency_as_a_channel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture(tmp_path / "b.jpg", 6, 6)
    x = folder.load(path=str(tmp_path), size=6, channels=4).x
    np.testing.assert_array_equal(x[0], pixels)
    assert (x[1, ..., 3] == 255).all()


def test_more_pixels_than_asked_for_are_not_decoded(tmp_path):
    picture(tmp_path / "a.png", 30, 40)
    how = {"path": str(tmp_path), "size": 4}
    assert len(folder.load(**how, max_pixels=1200).x) == 1
    with pytest.raises(UsageError, match=r"30 x 40 pixels are more.*max_pixels=1199"):
        folder.load(**how, max_pixels=1199)
