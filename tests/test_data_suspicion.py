"""What a start says of data that look like a mistake, and of what was left out."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.dataset import Options, beside, make_dataset
from gan_jax.data.scaling import standardised, symmetric, unit
from gan_jax.data.source import Source


def notes(x, scaling=symmetric, **source):
    return make_dataset(Source(x, **source), scaling()).notes


def noise(*shape, top=256):
    return np.random.default_rng(0).integers(0, top, shape, np.uint8)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (noise(9, 4, 4, 1), []),
        (noise(9, 4, 4, 1, top=40), []),
        (
            noise(9, 4, 4, 1, top=2),
            ["nearly black: pixels are from 0 to 1 of 255; m"],
        ),
        (noise(9, 4, 4, 3, top=16), ["nearly black: pixels are from 0 to 15 of 255"]),
        (np.repeat(noise(1, 4, 4, 1), 9, axis=0), ["all 9 images are alike"]),
        (
            np.full((9, 4, 4, 1), 7, np.uint8),
            ["9 images are alike", "all images are 7"],
        ),
        (np.ones((9, 2), np.float32), ["all 9 examples are alike"]),
        (np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32), []),
    ],
)
def test_data_that_train_to_nothing(x, said):
    found = notes(x)
    assert len(found) == len(said)
    for note, part in zip(found, said, strict=True):
        assert part in note


def test_outliers_that_flatten_the_rest_are_said_and_have_a_scaling():
    x = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    x[5, 1] = 1e6
    for scaling in (symmetric, unit):
        (note,) = notes(x, scaling)
        assert note.startswith(
            "outliers flatten 1 of 3 coordinates: number 1 is from -"
        )
        assert "to 1e+06" in note
        assert "scaling.robust=true" in note
    assert notes(x, standardised) == ()
    robust = standardised(robust=True)
    fitted = robust.fit(x)
    seen = np.asarray(robust.apply(x, fitted))
    for column in seen.T:
        low, middle, high = np.percentile(column, (25, 50, 75))
        np.testing.assert_allclose([low, middle, high], [-0.67, 0, 0.67], atol=0.05)
    np.testing.assert_allclose(robust.invert(seen, fitted), x, rtol=1e-5, atol=1e-5)
    # where quartiles are all alike, the deviation has to do
    rare = np.zeros((100, 1), np.float32)
    rare[0] = 1
    assert robust.fit(rare)["std"] == standardised().fit(rare)["std"]


def test_notes_of_all_parts_are_said_once():
    source = Source(noise(9, 4, 4, 1), notes=("left out: 3",))
    held_out = source._replace(notes=("left out: 3", "left out: 4"))
    dataset = make_dataset(source, symmetric(), Options(), held_out)
    assert dataset.notes == ("left out: 3", "left out: 4")
    both = beside(dataset, dataset)
    assert both.notes[2:] == ("other data: left out: 3", "other data: left out: 4")


def test_a_start_says_what_it_found(gan, small, tmp_path):
    for i in range(16):
        Image.fromarray(noise(16, 16, top=2)).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.txt").write_text("")
    fields = ("name=folder", f"path={tmp_path}", "size=16", "channels=1")
    flags = [f"--config.data.{field}" for field in fields]
    run = (f"--workdir={tmp_path}/run", "--config.steps=1")
    outcome = gan(*small, *flags, *run)
    assert outcome.status == 0
    lines = outcome.err.splitlines()
    said = [line for line in lines if line.startswith("note: ")]
    assert said[0] == f"note: left out of {tmp_path}: 1 .txt"
    assert said[1] == "note: all 16 images are alike"
    assert "nearly black" in said[2]


def test_what_is_transparent_shows_white():
    from gan_jax import pictures

    images = np.zeros((2, 60, 60, 4), np.uint8)
    images[..., 0] = 200  # red, and seen through
    images[1, ..., 3] = 255
    picture = pictures.grid(images, 1, 2)
    assert picture.shape == (64, 126, 3)
    assert picture[30, 30].tolist() == [255, 255, 255]
    assert picture[30, 90].tolist() == [200, 0, 0]
