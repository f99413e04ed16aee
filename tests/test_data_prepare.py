"""Downloads against a local server: checksums hold, and failures leave nothing."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gan_jax.data import tfds as source
from gan_jax.errors import UsageError

RAW_MNIST = Path(__file__).parents[2] / "shared" / "data" / "raw" / "mnist"
IDX_NAMES = [
    f"{part}-{kind}-ubyte.gz"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """An empty TFDS directory and an empty cache."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "tfds"


@pytest.fixture
def served(tmp_path):
    """A folder, the address that serves it, and the list of paths it was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, form, *values):
            asked.append(values[0])

    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Handler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


def redirect(monkeypatch, builder_name, url, checksums):
    """Lets a builder download from `url`; checksums: name -> (size, SHA-256)."""
    from tensorflow_datasets.core.download.checksums import UrlInfo

    from gan_jax.data.prepare import BUILDERS

    infos = {
        url + name: UrlInfo(size=size, checksum=checksum, filename=name)
        for name, (size, checksum) in checksums.items()
    }
    builder = BUILDERS[builder_name]
    archive = "cifar-10-binary.tar.gz" if builder_name == "cifar10" else ""
    monkeypatch.setattr(builder, "URL", url + archive, raising=True)
    monkeypatch.setattr(builder, "url_infos", infos)


def checksums_of(folder):
    return {
        file.name: (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in folder.iterdir()
    }


def write_idx(path, array):
    header = struct.pack(f">{1 + array.ndim}i", 0x800 | array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))


def write_mnist_like(folder, seed, n=50):
    """Four idx files of random images; returns {split: (images, labels)}."""
    rng = np.random.default_rng(seed)
    made = {}
    for split, part in (("train", "train"), ("test", "t10k")):
        images = rng.integers(0, 256, (n, 28, 28), np.uint8)
        labels = rng.integers(0, 10, n, np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
        made[split] = images, labels
    return made


def write_cifar(path, n=6):
    """An archive of the binary version; returns {split: (images NHWC, labels)}."""
    rng = np.random.default_rng(0)
    names = b"airplane automobile bird cat deer dog frog horse ship truck"
    files = {"batches.meta.txt": names.replace(b" ", b"\n") + b"\n\n"}
    made = {"train": [], "test": []}
    for file in [f"data_batch_{i}.bin" for i in (1, 2, 3, 4, 5)] + ["test_batch.bin"]:
        images = rng.integers(0, 256, (n, 3, 32, 32), np.uint8)
        labels = rng.integers(0, 10, (n, 1), np.uint8)
        files[file] = np.concatenate([labels, images.reshape(n, -1)], 1).tobytes()
        split = "test" if file.startswith("test") else "train"
        made[split].append((images.transpose(0, 2, 3, 1), labels[:, 0]))
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo("cifar-10-batches-bin/" + name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return {
        k: tuple(map(np.concatenate, zip(*v, strict=True))) for k, v in made.items()
    }


def examples(images, labels):
    """The examples in an order that does not depend on how they are shuffled."""
    rows = zip(np.asarray(images), np.asarray(labels), strict=True)
    return sorted((image.tobytes(), int(label)) for image, label in rows)


def files_below(folder):
    return (
        sorted(p for p in folder.rglob("*") if p.is_file()) if folder.exists() else []
    )


def read_idx(path, offset):
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


@pytest.mark.skipif(
    not RAW_MNIST.is_dir(), reason=f"needs MNIST's files in {RAW_MNIST}"
)
@pytest.mark.slow
def test_mnist_is_checked_against_tfds_own_checksums(
    data_dir, served, monkeypatch, capfd
):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.checksums import get_all_url_infos
    from tensorflow_datasets.image_classification import MNIST as stock

    folder, url, _ = served
    for name in IDX_NAMES:
        shutil.copy(RAW_MNIST / name, folder / name)
    registered = {name: get_all_url_infos()[stock.URL + name] for name in IDX_NAMES}
    checksums = {name: (info.size, info.checksum) for name, info in registered.items()}
    redirect(monkeypatch, "mnist", url, checksums)

    # One byte of one file is wrong: refused, and nothing of it stays.
    data = bytearray((RAW_MNIST / IDX_NAMES[1]).read_bytes())
    data[1000] ^= 1
    (folder / IDX_NAMES[1]).chmod(0o644)
    (folder / IDX_NAMES[1]).write_bytes(data)
    with pytest.raises(UsageError, match="mnist is corrupted"):
        source.load(builder="mnist")
    assert files_below(data_dir) == []

    # The same call with the file mended.
    (folder / IDX_NAMES[1]).write_bytes((RAW_MNIST / IDX_NAMES[1]).read_bytes())
    capfd.readouterr()
    train = source.load(builder="mnist")
    out, err = capfd.readouterr()
    assert out == ""
    assert err == f"preparing mnist in {data_dir}, once\n"
    images = read_idx(RAW_MNIST / IDX_NAMES[0], 16).reshape(-1, 28, 28)
    labels = read_idx(RAW_MNIST / IDX_NAMES[1], 8)
    assert examples(train.x, train.y) == examples(images, labels)
    assert [p.name for p in data_dir.iterdir()] == ["mnist"]
    assert all(p.parent == data_dir / "mnist" / "3.0.1" for p in files_below(data_dir))

    # TFDS itself reads the result as its own.
    stock_reader = tfds.data_source("mnist", split="test", data_dir=data_dir)
    test = source.load(builder="mnist", split="test")
    assert len(stock_reader) == 10_000
    for i in (0, 1, 9_999):
        np.testing.assert_array_equal(stock_reader[i]["image"], test.x[i])
        assert stock_reader[i]["label"] == test.y[i]
    assert "tensorflow" not in sys.modules


def test_the_checksums_of_all_three_are_registered():
    from tensorflow_datasets.core.download import checksums

    from gan_jax.data.prepare import BUILDERS

    assert tuple(BUILDERS) == source.AUTOMATIC
    for name, builder in BUILDERS.items():
        urls = builder(data_dir="unused").urls().values()
        assert set(urls) <= checksums.get_all_url_infos().keys(), name


def test_fashion_mnist_after_mnist_is_not_mnist(
    data_dir, tmp_path, monkeypatch, served
):
    folder, url, _ = served
    made = {}
    for seed, name in enumerate(("mnist", "fashion_mnist")):
        (folder / name).mkdir()
        made[name] = write_mnist_like(folder / name, seed)
        redirect(monkeypatch, name, url + name + "/", checksums_of(folder / name))
    for name, parts in made.items():
        for split, (images, labels) in parts.items():
            loaded = source.load(builder=name, split=split)
            assert examples(loaded.x, loaded.y) == examples(images, labels)
    assert source.load(builder="fashion_mnist").classes[:2] == (
        "T-shirt/top",
        "Trouser",
    )


def test_cifar10_from_a_synthetic_archive(data_dir, served, monkeypatch):
    import tensorflow_datasets as tfds

    folder, url, _ = served
    made = write_cifar(folder / "cifar-10-binary.tar.gz")
    good = (folder / "cifar-10-binary.tar.gz").read_bytes()
    redirect(monkeypatch, "cifar10", url, checksums_of(folder))

    (folder / "cifar-10-binary.tar.gz").write_bytes(good[:-1])
    with pytest.raises(UsageError, match="cifar10 is corrupted"):
        source.load(builder="cifar10")
    assert files_below(data_dir) == []

    (folder / "cifar-10-binary.tar.gz").write_bytes(good)
    for split, (images, labels) in made.items():
        loaded = source.load(builder="cifar10", split=split)
        assert loaded.x.shape == (len(images), 32, 32, 3)
        assert examples(loaded.x, loaded.y) == examples(images, labels)
    assert loaded.classes[3] == "cat"
    # The format, shuffle and ids are the stock builder's.
    stock = tfds.data_source("cifar10", split="test", data_dir=data_dir)
    assert sorted(row["id"] for row in stock) == [b"test_%05d" % i for i in range(6)]
    for i, row in enumerate(stock):
        np.testing.assert_array_equal(row["image"], loaded.x[i])
        np.testing.assert_array_equal(row["image"], made["test"][0][int(row["id"][5:])])


def test_an_unregistered_checksum_is_refused(data_dir, served, monkeypatch):
    folder, url, _ = served
    write_mnist_like(folder, 0)
    redirect(monkeypatch, "mnist", url, {})
    with pytest.raises(ValueError, match="checksums"):
        source.load(builder="mnist")
    assert files_below(data_dir) == []


def test_a_file_that_the_server_does_not_have(data_dir, served, monkeypatch):
    folder, url, _ = served
    write_mnist_like(folder, 0)
    redirect(monkeypatch, "mnist", url, checksums_of(folder))
    (folder / IDX_NAMES[3]).unlink()
    with pytest.raises(UsageError, match=r"cannot prepare mnist .*404"):
        source.load(builder="mnist")
    assert files_below(data_dir) == []


def test_offline_is_said_within_seconds(data_dir, monkeypatch):
    from gan_jax.data import prepare

    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        redirect(monkeypatch, "cifar10", url, {})
        assert prepare.PROBE_SECONDS <= 10
        monkeypatch.setattr(prepare, "PROBE_SECONDS", 0.5)
        start = time.monotonic()
        with pytest.raises(UsageError) as silence:
            source.load(builder="cifar10")
        assert time.monotonic() - start < 5
    with pytest.raises(UsageError) as refusal:  # nobody listens there any more
        source.load(builder="cifar10")
    for error in (silence, refusal):
        message = str(error.value)
        assert "\n" not in message
        for needed in ("cifar10", str(data_dir), "127.0.0.1", "TFDS_DATA_DIR"):
            assert needed in message
    assert not data_dir.exists()


def test_an_unwritable_data_directory(tmp_path, served, monkeypatch):
    folder, url, _ = served
    write_mnist_like(folder, 0)
    redirect(monkeypatch, "mnist", url, checksums_of(folder))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file" / "tfds"))
    with pytest.raises(UsageError, match=r"cannot prepare mnist in .*TFDS_DATA_DIR"):
        source.load(builder="mnist")


def test_another_process_was_faster(data_dir, served, monkeypatch):
    """The set appears while this process prepares it too: what is there is used."""
    from gan_jax.data.prepare import MNIST

    folder, url, _ = served
    made = write_mnist_like(folder, 0)
    redirect(monkeypatch, "mnist", url, checksums_of(folder))
    source.load(builder="mnist")
    faster = data_dir.rename(data_dir.with_name("faster"))
    generate = MNIST._generate_examples

    def overtaken(self, *paths):
        if not (data_dir / "mnist" / "3.0.1").exists():
            shutil.copytree(faster / "mnist/3.0.1", data_dir / "mnist/3.0.1")
        return generate(self, *paths)

    monkeypatch.setattr(MNIST, "_generate_examples", overtaken)
    loaded = source.load(builder="mnist")
    assert examples(loaded.x, loaded.y) == examples(*made["train"])
    assert [p.name for p in (data_dir / "mnist").iterdir()] == ["3.0.1"]


def test_two_processes_at_a_time(data_dir, served):
    folder, url, _ = served
    made = write_mnist_like(folder, 0, n=2000)
    checksums = json.dumps(checksums_of(folder))
    program = f"""
import json, zlib
from tensorflow_datasets.core.download.checksums import UrlInfo
from gan_jax.data import prepare, tfds
prepare.MNIST.URL = {url!r}
prepare.MNIST.url_infos = {{
    {url!r} + name: UrlInfo(size=size, checksum=checksum, filename=name)
    for name, (size, checksum) in json.loads({checksums!r}).items()
}}
source = tfds.load(builder="mnist")
print(zlib.crc32(source.x.tobytes() + source.y.tobytes()))
"""
    run = [sys.executable, "-c", program]
    processes = [
        subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0][0] == results[1][0]
    loaded = source.load(builder="mnist")
    assert examples(loaded.x, loaded.y) == examples(*made["train"])
    assert [p.name for p in data_dir.rglob("*") if p.is_dir()] == ["mnist", "3.0.1"]
