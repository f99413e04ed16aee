"""A set that stays on disk, against the same set in memory."""

import dataclasses
import io
import json
import pickle
import threading
import zlib

import jax
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax.config.files import load_experiment, override
from gan_jax.data import scaling, source, stream, tfds, tfds_split
from gan_jax.data.dataset import Options, make_dataset
from gan_jax.data.order import Order
from gan_jax.data.source import Source
from gan_jax.errors import UsageError
from gan_jax.metrics import case, choice, reference
from gan_jax.metrics.case import Real, flat
from gan_jax.metrics.features import FeatureNetwork

N, SHAPE = 23, (6, 5, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (N, *SHAPE), np.uint8)
LABELS = np.arange(N) % 3
KINDS = ["ape", "bee", "cat"]


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """write(images, labels) makes the TFDS set "few": its folder.

    The examples lie in their order in three files.
    """
    import tensorflow_datasets as lib
    from array_record.python.array_record_module import ArrayRecordWriter
    from tensorflow_datasets.proto import tf_example_pb2

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "sets" / "few" / "1.0.0"

    def record(image, label):
        example = tf_example_pb2.Example()
        example.features.feature["image"].bytes_list.value.append(image)
        example.features.feature["kind"].int64_list.value.append(label)
        return example.SerializeToString()

    def written(images=None, labels=LABELS):
        folder.mkdir(parents=True)
        records = [*map(record, images or map(png, IMAGES), labels)]
        shards = [list(part) for part in np.array_split(np.array(records, object), 3)]
        for i, shard in enumerate(shards):
            path = folder / f"few-train.array_record-{i:05d}-of-00003"
            writer = ArrayRecordWriter(str(path), "group_size:1,uncompressed")
            for each in shard:
                writer.write(each)
            writer.close()
        image = lib.features.Image(shape=(None, None, 3))
        kind = lib.features.ClassLabel(names=KINDS)
        lib.features.FeaturesDict({"image": image, "kind": kind}).save_config(folder)
        split = {
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            "name": "train",
            "numBytes": str(sum(map(len, records))),
            "shardLengths": [str(len(shard)) for shard in shards],
        }
        info = {"fileFormat": "array_record", "name": "few", "version": "1.0.0"}
        info |= {"moduleName": "few", "splits": [split]}
        (folder / "dataset_info.json").write_text(json.dumps(info))
        return folder

    return written


def streamed(**keywords):
    return tfds.load(builder="few", stream=True, **keywords)


def in_memory(read=None):
    """Records of IMAGES, which no file holds; `read` sees every request."""

    def fetch(rows, names):
        if read:
            read(rows)
        whole = {"x": IMAGES, "y": LABELS.astype(np.int32)}
        return {name: whole[name][rows] for name in names}

    fields = {"x": (SHAPE, np.dtype(np.uint8)), "y": ((), np.dtype(np.int32))}
    return stream.Records(fetch, np.arange(N), fields)


# --- columns -------------------------------------------------------------------------


def test_a_column_is_indexed_like_the_array_in_memory(write):
    write()
    whole, lazy = tfds.load(builder="few"), streamed()
    np.testing.assert_array_equal(whole.x, IMAGES)
    for column, array in ((lazy.x, whole.x), (lazy.y, whole.y)):
        assert column.shape == array.shape
        assert column.dtype == array.dtype
        assert column.ndim == array.ndim
        assert column.nbytes == array.nbytes
        assert len(column) == N
        for index in (
            *(3, -1, slice(None), slice(4, None, 5), slice(3, 3), [7, 7, 0]),
            *(np.array([[22, 1], [0, 8]]), LABELS == 1),
        ):
            found = column[index]
            np.testing.assert_array_equal(found, array[index])
            assert found.dtype == array.dtype
        np.testing.assert_array_equal(np.asarray(column), array)
        for index in (N, [0, -N - 1]):
            with pytest.raises(IndexError):
                column[index]
        with pytest.raises(TypeError, match="examples alone"):
            column[0, 0]
    assert lazy.classes == whole.classes == tuple(KINDS)


def test_a_split_and_classes_of_a_stream(write):
    write()
    for keywords in (
        {"split": "train[5:-3]"},
        {"split": "train[25%:]"},
        {"classes": ("cat", "ape")},
        {"classes": ("bee",), "split": "train[10:]"},
    ):
        whole, lazy = tfds.load(builder="few", **keywords), streamed(**keywords)
        np.testing.assert_array_equal(lazy.x[:], whole.x)
        np.testing.assert_array_equal(lazy.y[:], whole.y)
        assert lazy.classes == whole.classes
    assert 0 < len(whole.x) < N
    for keywords, message in (
        ({"classes": ("bie",)}, r"no class 'bie'; accepted: ape, bee, cat.*'bee'\?"),
        ({"classes": ("ape",), "split": "train[1:3]"}, "has no ape"),
        ({"split": "train[:24]"}, "beyond the 23 examples"),
        ({"split": "test"}, "no data split 'test'"),
    ):
        with pytest.raises(UsageError, match=message):
            streamed(**keywords)


def test_labels_for_classes_are_read_once(write, monkeypatch):
    write()
    streamed(classes=("ape",))
    asked = []
    read = tfds_split.Reader.__call__
    monkeypatch.setattr(
        tfds_split.Reader,
        "__call__",
        lambda self, rows, names: (
            asked.append((len(rows), names)) or read(self, rows, names)
        ),
    )
    streamed(classes=("ape",))
    assert asked == [(1, ("y",))]


def test_a_set_without_labels(write):
    write(labels=[-1] * N)
    lazy = streamed()
    assert (lazy.y, lazy.classes) == (None, ())
    np.testing.assert_array_equal(lazy.x[:], IMAGES)
    with pytest.raises(UsageError, match="no class 'ape'; accepted: none"):
        streamed(classes=("ape",))


def test_records_travel_to_other_processes(write):
    write()
    records = pickle.loads(pickle.dumps(streamed().x.records))
    np.testing.assert_array_equal(records["x"][:], IMAGES)


# --- minibatches ---------------------------------------------------------------------


def rows_of(step, count=1, n=4):
    return Order(5, n, N)(step * count, count)


@pytest.mark.parametrize("workers", [0, 2])
def test_minibatches_are_those_of_the_set_in_memory(write, workers):
    write()
    records = streamed(workers=workers).x.records
    seen = stream.minibatches(records, 5, 4, 3, count=2)
    for step in range(3, 12):  # through several epochs
        batch = next(seen)
        np.testing.assert_array_equal(batch["x"], IMAGES[rows_of(step, 2)])
        np.testing.assert_array_equal(batch["y"], LABELS[rows_of(step, 2)])
        assert (batch["x"].dtype, batch["y"].dtype) == (np.uint8, np.int32)
    seen.close()


def test_the_hosts_share_each_minibatch():
    parts = [
        stream.minibatches(in_memory(), 5, 6, 1, count=3, share=(host, 3))
        for host in range(3)
    ]
    for step in (1, 2, 3):
        own = [next(part)["x"] for part in parts]
        assert own[0].shape == (3, 2, *SHAPE)
        whole = IMAGES[rows_of(step, 3, n=6)]
        np.testing.assert_array_equal(np.concatenate(own, axis=1), whole)
    for part in parts:
        part.close()
    for share in ((0, 4), (3, 3)):
        with pytest.raises(ValueError, match="no equal part"):
            next(stream.minibatches(in_memory(), 5, 6, 1, share=share))


def test_reading_ahead_is_bounded_and_ends_when_closed(monkeypatch):
    # two steps of one minibatch of 4 fill the memory that is granted
    one = 4 * (IMAGES[0].nbytes + 4)
    monkeypatch.setattr(stream, "MOST_BYTES", 2 * one)
    read = threading.Semaphore(0)
    asked = []
    records = in_memory(lambda rows: asked.append(len(rows)) or read.release())
    seen = stream.minibatches(records, 5, 4, 0)
    for taken in range(1, 6):
        next(seen)
        for _ in range(3 if taken == 1 else 1):  # what was taken and the two after
            assert read.acquire(timeout=60)
        assert not read.acquire(timeout=0.05)
        assert asked == [4] * (taken + 2)

    def readers():
        return [t for t in threading.enumerate() if t.name.startswith("grain-pref")]

    reading = readers()
    assert reading
    seen.close()
    for reader in reading:
        reader.join(timeout=60)
    assert readers() == []


def test_steps_are_placed_two_ahead():
    placed = []
    place = lambda batch: placed.append(len(placed)) or len(placed) - 1  # noqa: E731
    steps = stream.placed_ahead((step for step in range(5)), place)
    for step, known in enumerate((3, 4, 5, 5, 5)):
        assert next(steps) == step
        assert len(placed) == known
    assert list(steps) == []


def test_a_stream_goes_on_anywhere():
    taken = stream.Stream(in_memory(), 5, 4, jax.device_put, count=2)
    for step in (0, 1, 2, 7, 8, 1):
        batch = taken.take(step)
        assert isinstance(batch["x"], jax.Array)
        np.testing.assert_array_equal(batch["x"], IMAGES[rows_of(step, 2)])
    taken.close()
    np.testing.assert_array_equal(taken.take(2)["x"], IMAGES[rows_of(2, 2)])
    taken.close()
    taken.close()


# --- a data set of records -----------------------------------------------------------


def test_the_view_of_a_minibatch_is_that_of_the_whole_set():
    options = Options(flip=True, dequantize=True)
    whole = Source(IMAGES, LABELS.astype(np.int32), tuple(KINDS))
    lazy = Source(in_memory()["x"], in_memory()["y"], tuple(KINDS))
    whole, lazy = (
        make_dataset(each, scaling.symmetric(), options) for each in (whole, lazy)
    )
    assert isinstance(lazy.arrays, stream.Records)
    shares = whole.info.pop("shares")  # of a stream they are not known at its start
    assert sum(shares) == pytest.approx(1)
    assert lazy.info == whole.info
    assert lazy.size == N
    rows, key = rows_of(2, 3), jax.random.key(1)
    expected = jax.jit(whole.view)(whole.arrays, rows, key)
    fetched = lazy.arrays.fetch(rows.ravel())
    flat = np.arange(rows.size).reshape(rows.shape)
    shaped = {k: v.reshape(*rows.shape, *v.shape[1:]) for k, v in fetched.items()}
    for arrays, indices in ((fetched, flat), (shaped, None)):
        batch = jax.jit(lazy.view)(arrays, indices, key)
        assert batch.keys() == expected.keys() == {"x", "y"}
        np.testing.assert_array_equal(batch["x"], expected["x"])
        np.testing.assert_array_equal(batch["y"], LABELS[rows])
    # the noise and the mirror images are in it
    plain = np.asarray(scaling.symmetric().apply(IMAGES[rows], whole.info["fitted"]))
    assert (np.abs(np.asarray(expected["x"]) - plain) > 1.01 / 255).any()


def test_a_minibatch_on_two_devices_is_not_gathered():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    data = make_dataset(Source(in_memory()["x"]), scaling.unit(), Options(flip=True))
    x = {"x": jax.device_put(IMAGES[:8], spread)}
    view = jax.jit(data.view, out_shardings={"x": spread})
    text = view.lower(x, None, jax.random.key(0)).compile().as_text()
    for exchange in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert exchange not in text


def test_what_is_known_of_a_stream_is_read_in_parts(monkeypatch):
    monkeypatch.setattr(source, "_PART_BYTES", 4 * IMAGES[0].nbytes)
    asked = []
    lazy = Source(in_memory(lambda rows: asked.append(len(rows)))["x"])
    for scale, reads in ((scaling.symmetric(), []), (scaling.gcn(), [4] * 5 + [3])):
        data = make_dataset(lazy, scale)
        assert asked == reads
        asked.clear()
        assert data.info["fitted"] == scale.fit(IMAGES)
        mean = np.asarray(scale.apply(IMAGES, data.info["fitted"])).mean(axis=0)
        np.testing.assert_allclose(data.mean(), mean, rtol=1e-4, atol=1e-5)
        assert asked == [4] * 5 + [3]
        asked.clear()


def test_held_out_examples_of_a_stream_are_read_into_memory(monkeypatch):
    whole = Source(in_memory()["x"])
    held_out = Source(in_memory()["x"].records.first(7)["x"])
    data = make_dataset(whole, scaling.unit(), validation=held_out)
    assert type(data.validation["x"]) is np.ndarray
    np.testing.assert_array_equal(data.validation["x"], IMAGES[:7])
    monkeypatch.setattr(stream, "MOST_BYTES", 7 * IMAGES[0].nbytes - 1)
    with pytest.raises(UsageError, match=r"7 streamed .*6 x 5 x 3 .*name fewer"):
        make_dataset(whole, scaling.unit(), validation=held_out)


# --- metrics -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["symmetric", "gcn"])
def test_real_examples_of_a_stream_are_those_of_the_set(monkeypatch, name):
    monkeypatch.setattr(source, "_PART_BYTES", 5 * IMAGES[0].nbytes)
    config, _ = load_experiment("experiments/digits.py")
    override(config, [("scaling.name", name)])
    scale = getattr(scaling, name)()
    info = {"fitted": scale.fit(IMAGES), "classes": ["a", "b"]}
    arrays = {"x": IMAGES, "y": LABELS.astype(np.int32)}
    whole = Real.of(config, scale, "train", info, arrays)
    lazy = Real.of(config, scale, "train", info, in_memory())
    assert lazy.name == whole.name
    assert lazy.classes == whole.classes == ("a", "b")
    assert whole.name.endswith(f" {zlib.crc32(whole.x.tobytes()):08x}")
    np.testing.assert_array_equal(lazy.x[:], whole.x)
    np.testing.assert_array_equal(lazy.y[:], whole.y)
    np.testing.assert_array_equal(flat(lazy.x), flat(whole.x))

    monkeypatch.setattr(case, "MOST_STREAMED", 9)
    some = Real.of(config, scale, "train", info, in_memory())
    assert "first 9 " in some.name
    np.testing.assert_array_equal(some.x[:], whole.x[:9])
    assert len(some.y) == 9


def test_features_of_a_stream_are_those_of_the_set(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    monkeypatch.setattr(source, "_PART_BYTES", 5 * IMAGES[0].nbytes)
    seen = []

    def apply(images):
        seen.append(type(images))
        means = np.stack([images[i].mean(axis=(0, 1)) for i in range(len(images))])
        return means.astype(np.float32), np.ones((len(images), 2), np.float32)

    names = "mean", "1" * 64, SHAPE, None, "a", "b"
    network = FeatureNetwork(*names, apply)
    lazy, _ = reference.reference_features(network, in_memory()["x"])
    whole, _ = reference.reference_features(network, IMAGES)
    assert seen == [stream.Column]  # the second time they came from the cache
    np.testing.assert_array_equal(lazy, whole)
    np.testing.assert_allclose(whole, IMAGES.mean(axis=(1, 2)), rtol=1e-6)
    changed = IMAGES.copy()
    changed[0, 0, 0, 0] ^= 1
    other, _ = reference.reference_features(network, changed)
    assert (other != whole).any()


# --- bad input -----------------------------------------------------------------------


def error_of(call):
    """What call() is refused for, one line."""
    with pytest.raises(UsageError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def next_minibatch(lazy, n=N):
    return next(stream.minibatches(lazy.x.records, 0, n, 0))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_named(write, workers):
    images = [*map(png, IMAGES)]
    images[13] = images[13][:60]
    write(images)
    message = error_of(lambda: next_minibatch(streamed(workers=workers)))
    assert message.startswith("example 13 of few train cannot be read: ")
    assert error_of(lambda: tfds.load(builder="few")) == message


def test_a_damaged_record_is_named(write):
    folder = write()
    (file,) = folder.glob("*-00001-of-00003")
    data = bytearray(file.read_bytes())
    at = data.index(png(IMAGES[11])) + 20
    data[at : at + 30] = bytes(30)
    file.write_bytes(data)
    lazy = streamed()
    message = error_of(lambda: next_minibatch(lazy))
    assert message.startswith("example 11 of few train cannot be read: ")
    np.testing.assert_array_equal(lazy.x[[0, 10, 12, 22]], IMAGES[[0, 10, 12, 22]])


def test_a_set_with_a_file_damaged_anywhere_is_refused_or_whole(write):
    from test_data_damage import damaged

    rng, refused = np.random.default_rng(0), []
    files = sorted(file for file in write().iterdir() if file.is_file())
    for i in range(120):
        file = files[i % len(files)]
        good = file.read_bytes()
        file.write_bytes(damaged(good, rng))
        try:
            found = tfds.load(builder="few")
        except UsageError as error:
            refused.append(str(error))
        else:
            np.testing.assert_array_equal(found.x, IMAGES)
        file.write_bytes(good)
    assert len(refused) > 50
    assert not [line for line in refused if "\n" in line or len(line) > 500]


def test_a_missing_file_is_named(write):
    folder = write()
    (file,) = folder.glob("*-00002-of-00003")
    file.unlink()
    message = error_of(lambda: next_minibatch(streamed()))
    assert message.startswith("example ")
    assert file.name in message


def test_images_of_different_sizes_are_refused(write):
    images = [*map(png, IMAGES)]
    images[9] = png(IMAGES[9, :4])
    write(images)
    message = error_of(lambda: next_minibatch(streamed()))
    assert "few train differ in shape ([6, 5, 3], [4, 5, 3])" in message


def test_an_example_without_a_label_among_others(write):
    labels = LABELS.copy()
    labels[17] = -1
    write(labels=labels)
    message = error_of(lambda: next_minibatch(streamed()))
    assert message == "example 17 of few train has no label, but the first has"
    assert len(streamed().x[:]) == N  # images alone are there for the asking


def test_another_format_is_refused(write):
    info = write() / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    assert "in the format tfrecord, but array_record is needed" in error_of(streamed)


def test_a_set_larger_than_memory_points_to_the_stream(write, monkeypatch):
    write()
    monkeypatch.setattr(tfds, "_memory", lambda: IMAGES.nbytes - 1)
    message = error_of(lambda: tfds.load(builder="few"))
    assert "few train" in message
    assert "data.stream=true" in message
    monkeypatch.setattr(tfds, "_memory", lambda: IMAGES.nbytes)
    assert len(tfds.load(builder="few").x) == N


def test_workers_are_for_streams(write):
    write()
    message = error_of(lambda: tfds.load(builder="few", workers=2))
    assert message == "data.workers=2 needs data.stream=true"


def test_pixels_that_no_memory_holds_are_refused_before_training(monkeypatch):
    config, _ = load_experiment("experiments/digits.py")
    override(config, [("evaluate_every", "5")])
    lazy = make_dataset(Source(in_memory()["x"]), scaling.unit())
    monkeypatch.setattr(choice, "MOST_BYTES", IMAGES.nbytes)
    choice.refuse(config, lazy)
    monkeypatch.setattr(choice, "MOST_BYTES", IMAGES.nbytes - 1)
    message = error_of(lambda: choice.refuse(config, lazy))
    assert "--reference=train[:5000]" in message
    held = dataclasses.replace(lazy.arrays, rows=np.arange(N - 1))
    choice.refuse(config, lazy._replace(arrays=held))


# training


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"d_steps": 2, "data.workers": 1, "data.flip": "true"},
        {"d_steps": 9},  # turn by turn
        {"devices": 2, "d_steps": 2, "data.dequantize": "true"},
    ],
)
def test_a_streamed_run_is_the_run_in_memory_bit_for_bit(write, gan, tmp_path, changes):
    """Through two epochs, and stopped and resumed on the way."""
    write()
    flags = [
        "--config.data.name=tfds",
        "--config.data.builder=few",
        "--config.batch_size=4",
        "--config.generator.widths=8",
        "--config.discriminator.widths=8",
        "--config.checkpoint_every=100",
        "--config.log_every=4",
        "--config.sample_grid=1,2",
    ]
    flags += [
        f"--config.{field}={value}"
        for field, value in changes.items()
        if field != "data.workers"
    ]
    workers = f"--config.data.workers={changes.get('data.workers', 0)}"
    stream_flags = "--config.data.stream=true", workers
    runs = {"disk": [(5, stream_flags), (12, stream_flags)], "memory": [(12, ())]}
    for name, parts in runs.items():
        for steps, more in parts:
            to = f"--config.steps={steps}", f"--workdir={tmp_path}/{name}"
            outcome = gan(*flags, *more, *to)
            assert outcome.status == 0, outcome.err
    states = [gan_jax.load(tmp_path / name).state for name in runs]
    for one, other in zip(*map(jax.tree.leaves, states), strict=True):
        if not jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
            np.testing.assert_array_equal(one, other)


def test_many_steps_in_one_program_have_no_stream(write, gan, tmp_path):
    write()
    flags = "--config.data.name=tfds", "--config.data.builder=few"
    outcome = gan(
        *flags,
        "--config.data.stream=true",
        "--config.batch_size=4",
        "--config.steps_per_dispatch=2",
        f"--workdir={tmp_path}/run",
    )
    assert outcome.status == 2
    assert "config.steps_per_dispatch=2" in outcome.error
