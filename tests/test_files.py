"""Files of a run: whole or not there, and drawn anew where they are not."""

import numpy as np
import pytest
from PIL import Image

from gan_jax import files, pictures
from gan_jax.errors import StorageError, UsageError
from gan_jax.loop.log import Album, MetricLog, curves_are_current, read_metrics
from gan_jax.loop.storage import told_in_one_line

PICTURE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_becomes_another_only_when_it_is_whole(tmp_path):
    path = tmp_path / "x.txt"
    files.write_text(path, "ü")
    with pytest.raises(ZeroDivisionError), files.whole(path) as unfinished:
        unfinished.write_text(str(1 / 0))
    assert path.read_text(encoding="utf-8") == "ü"
    with files.whole(path) as unfinished:
        unfinished.write_text("y")
        assert path.read_text(encoding="utf-8") == "ü"
    assert path.read_text() == "y"
    assert names(tmp_path) == ["x.txt"]


def test_an_error_of_the_system_names_the_file_that_was_meant(tmp_path):
    path = tmp_path / "no" / "x.png"
    with pytest.raises(FileNotFoundError) as raised:
        pictures.write_image(path, PICTURE)
    assert raised.value.filename == str(path)
    with pytest.raises(OSError) as raised, files.named(path):  # noqa: PT011
        raise OSError("image file is truncated")
    assert raised.value.filename is None


def test_a_picture_that_a_format_cannot_hold_is_an_error_of_writing(tmp_path):
    with pytest.raises(OSError, match="16383"):
        pictures.write_image(tmp_path / "x.webp", np.zeros((2, 16_400, 3), np.uint8))
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["x.png", "x.gif"])
def test_a_torn_picture_is_seen_wherever_it_is_torn(tmp_path, name):
    path = tmp_path / name
    if name == "x.png":
        pictures.write_image(path, np.tile(PICTURE, (20, 20, 1)))
    else:
        pictures.write_animation(path, [PICTURE, 255 - PICTURE, PICTURE // 2])
    assert pictures.is_whole(path)
    content = path.read_bytes()
    for size in {0, 1, 20, len(content) // 2, len(content) - 1}:
        path.write_bytes(content[:size])
        assert not pictures.is_whole(path), size
    path.unlink()
    assert not pictures.is_whole(path)


def test_torn_pictures_are_left_out_of_the_animation(tmp_path, capsys):
    with Album(tmp_path, 0) as album:
        for step, picture in enumerate([PICTURE, 255 - PICTURE, PICTURE // 2]):
            album.add(step, picture)
        assert not album.is_current()
    assert album.is_current()
    (tmp_path / "samples" / "00000001.png").write_bytes(b"torn")
    assert not album.is_current()  # older than what it shows
    album.animate()
    assert "that are torn and left out: 1" in capsys.readouterr().err
    with Image.open(tmp_path / "samples.gif") as animation:
        assert animation.n_frames == 2


def test_curves_are_current_until_something_is_logged(tmp_path):
    assert curves_are_current(tmp_path)  # there is nothing to be drawn
    with MetricLog(tmp_path, 0) as log:
        log.write(1, {"d_loss": 1.0})
    assert not curves_are_current(tmp_path)
    pictures.write_image(tmp_path / "losses.png", PICTURE)
    assert curves_are_current(tmp_path)
    (tmp_path / "quality.png").write_bytes(b"torn")
    assert not curves_are_current(tmp_path)


def test_rows_that_are_none_are_left_out_of_a_log(tmp_path):
    rows = b'{"step": 1, "x": 2}\n3\n{"x": 1}\n\xff\n[]\n{"step": 2, "x": 3}\n{"st'
    (tmp_path / "metrics.jsonl").write_bytes(rows)
    with pytest.raises(UsageError, match="is not the log of a run: '3'"):
        read_metrics(tmp_path)
    with MetricLog(tmp_path, 5):  # of a run that goes on
        assert read_metrics(tmp_path)["step"].tolist() == [1, 2]


@pytest.mark.parametrize("folder", [".", "gone"])
def test_what_fails_is_told_with_the_room_there_is_and_what_is_kept(tmp_path, folder):
    workdir = tmp_path / folder
    error = OSError(28, "No space left on device", str(workdir / "x.png"))
    if folder == ".":
        (workdir / "checkpoints" / "1200").mkdir(parents=True)
    kept = "last good checkpoint: step 1,200" if folder == "." else "no checkpoint is"
    with pytest.raises(StorageError) as raised, told_in_one_line(workdir):
        raise error
    said = str(raised.value)
    assert said.startswith(f"{error.filename} cannot be used: No space left on device")
    assert " MiB are free there; " in said
    assert kept in said
    assert "\n" not in said
    with pytest.raises(UsageError), told_in_one_line(workdir):
        raise UsageError("as it was")
