"""Damaged files of data: each is read as it was meant, or refused in one line.

Seeded, and cheap enough for thousands: flips, cuts, zeros, foreign pieces and deletions
at random places of files of every kind that people bring.
"""

import gzip
import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import arrays, folder
from gan_jax.data.prepare import read_idx
from gan_jax.errors import UsageError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (6, 9, 9, 3), np.uint8)
Y = np.arange(6) % 3


def damaged(good: bytes, rng) -> bytes:
    """One of five kinds of damage, somewhere; headers are hit as often as the rest."""
    bad = bytearray(good)
    end = min(len(bad), 200) if rng.random() < 0.5 else len(bad)
    at, length = int(rng.integers(end)), int(rng.integers(1, 40))
    match rng.integers(5):
        case 0:
            bad[at] ^= 1 << rng.integers(8)
        case 1:
            del bad[at:]
        case 2:
            bad[at : at + length] = bytes(len(bad[at : at + length]))
        case 3:
            bad[at : at + length] = rng.bytes(length)
        case 4:
            del bad[at : at + length]
    return bytes(bad)


def outcomes(path, good, read, times, seed=0):
    """What is read of so many damaged files, and what the rest are refused with."""
    rng = np.random.default_rng(seed)
    read_well, refused = [], []
    for _ in range(times):
        path.write_bytes(damaged(good, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow and of numpy
            try:
                read_well.append(read())
            except UsageError as error:
                refused.append(str(error))
    assert len(read_well) + len(refused) == times
    for line in refused:
        assert "\n" not in line
        assert path.name in line
        assert len(line) < 500
    return read_well, refused


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    """Of these every array has a checksum: what is read is what was written."""
    file = io.BytesIO()
    save(file, x=X, y=Y)
    path = tmp_path / "data.npz"
    read_well, refused = outcomes(
        path, file.getvalue(), lambda: arrays.load(path=str(path)), 300
    )
    assert len(refused) > 150
    for found in read_well:
        np.testing.assert_array_equal(found.x, X)
        assert found.y is None or found.y.tolist() == Y.tolist()


def test_npy(tmp_path):
    file = io.BytesIO()
    np.save(file, X)
    path = tmp_path / "data.npy"
    read_well, refused = outcomes(
        path, file.getvalue(), lambda: arrays.load(path=str(path)), 300
    )
    assert len(refused) > 50
    assert all(found.x.size <= X.size for found in read_well)


@pytest.mark.parametrize(
    "kind", ["png", "jpg", "gif", "bmp", "tif", "webp", "ppm", "tga", "ico", "avif"]
)
def test_images(tmp_path, kind):
    picture = Image.fromarray(RNG.integers(0, 256, (16, 16, 3), np.uint8))
    path = tmp_path / f"a.{kind}"
    picture.save(path)
    read_well, refused = outcomes(
        path,
        path.read_bytes(),
        lambda: folder.load(path=str(tmp_path), size=8),
        60,
    )
    assert refused
    assert all(found.x.shape == (1, 8, 8, 3) for found in read_well)


def test_idx(tmp_path):
    """Checked by gzip; uncompressed damage shows in the header or in the length."""
    values = X[..., 0]
    good = struct.pack(">4I", 0x803, *values.shape) + values.tobytes()
    path = tmp_path / "images.gz"
    read_well, refused = outcomes(
        path, gzip.compress(good, mtime=0), lambda: read_idx(path, 3), 200
    )
    assert len(refused) > 100
    for found in read_well:
        np.testing.assert_array_equal(found, values)
    for bad in (good[:10], good[:-1], good + b"1", b"\0" * 4 + good[4:]):
        path.write_bytes(gzip.compress(bad))
        with pytest.raises(UsageError, match="no idx file of 3 dimensions"):
            read_idx(path, 3)
