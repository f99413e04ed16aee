"""Trained runs, read back: load() and the command that samples."""

import itertools
import json
import re
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax.config import files
from gan_jax.errors import UsageError


@pytest.fixture(scope="module")
def run(digits_run):
    return gan_jax.load(digits_run)


# load()


def test_names_that_are_no_text_are_refused(gan, draw, small):
    """Of other locales, or no UTF-8: Orbax would call a sound run damaged."""
    name = "runs/s\udcfc\udcdf"
    for outcome in (draw(f"--workdir={name}"), gan(*small, f"--workdir={name}")):
        assert outcome.status == 2
        assert "this name is no text in the locale's" in outcome.error


def test_samples_are_images_and_depend_on_the_seed_alone(run):
    samples = run.sample(7)
    assert samples.shape == (7, 8, 8, 1)
    assert samples.dtype == np.uint8
    np.testing.assert_array_equal(samples, run.sample(7, seed=0))
    assert (samples != run.sample(7, seed=1)).any()
    assert samples.std(axis=0).mean() > 0  # not one image seven times


def test_a_run_of_an_older_version_lacks_the_fields_that_came_later(
    gan, small, digits_run, run, tmp_path
):
    shutil.copytree(digits_run, tmp_path / "old")
    record = json.loads((tmp_path / "old" / "config.json").read_text())
    for name in files._LATER:
        del record["config"][name]
    (tmp_path / "old" / "config.json").write_text(json.dumps(record))
    old = gan_jax.load(tmp_path / "old")
    np.testing.assert_array_equal(old.sample(3), run.sample(3))
    same = "--config.steps=60", "--config.ema_decay=0.9"
    assert gan(*small, *same, f"--workdir={tmp_path}/old").status == 0


def test_samples_are_what_g_makes_of_the_latents(run):
    z = run.latents(5, seed=3)
    assert z.shape == (5, 8)
    np.testing.assert_array_equal(run.generate(z), run.sample(5, seed=3))


def test_large_numbers_are_generated_in_parts_with_the_same_result(run):
    z = run.latents(300)
    made = run.generate(z)
    assert made.shape == (300, 8, 8, 1)
    # matrix products of other sizes may round otherwise, by a grey level at most
    last = run.generate(z[299:]).astype(int)
    assert np.abs(made[299:] - last).max() <= 1


def test_the_average_of_g_is_sampled_from(run):
    averaged, stats = run.state.sampler
    assert averaged is run.state.g_ema[0]
    raw = run.state.g.params
    kernels = averaged["Dense_0"]["kernel"], raw["Dense_0"]["kernel"]
    assert np.abs(np.subtract(*kernels)).max() > 1e-5
    expected, _ = run.game.generate(averaged, stats, run.latents(4))
    np.testing.assert_array_equal(
        run.built.scaling.invert(expected, run.info["fitted"]), run.sample(4)
    )


def test_discriminate_gives_raw_scores_or_their_sigmoid(run):
    images = run.sample(6)
    scores = run.discriminate(images)
    assert scores.shape == (6,)
    probabilities = run.discriminate(images, probability=True)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-scores)), rtol=1e-5)
    x = images.astype(np.float32) / 127.5 - 1
    expected = run.game.score(run.state.d, run.state.g, {"x": x})
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 9, 1), np.uint8), r"shape \(2, 8, 9, 1\); expected \(n, "),
        (np.zeros((8, 8, 1), np.uint8), r"shape \(8, 8, 1\)"),
        (np.zeros((2, 8, 8, 1)), "type float64; expected uint8"),
    ],
)
def test_discriminate_refuses_what_d_was_not_trained_on(run, images, message):
    with pytest.raises(UsageError, match=message):
        run.discriminate(images)


def test_least_squares_scores_are_no_probabilities(gan, small, tmp_path):
    flags = f"--workdir={tmp_path}/run", "--config.loss.name=least_squares"
    assert gan(*small, *flags, "--config.steps=1").status == 0
    run = gan_jax.load(tmp_path / "run")
    assert run.discriminate(run.sample(2)).shape == (2,)
    with pytest.raises(UsageError, match="scores of loss least_squares are no logits"):
        run.discriminate(run.sample(2), probability=True)


def test_metrics_are_columns_of_what_was_logged(run):
    metrics = run.metrics()
    assert metrics["step"].tolist() == [10, 20, 30, 40, 50, 60]
    assert {"d_loss", "g_loss", "d_real", "d_fake"} <= set(metrics)
    assert all(np.isfinite(column).all() for column in metrics.values())


def test_any_kept_step_can_be_loaded(run, digits_run):
    before = gan_jax.load(digits_run, step=20)
    assert (int(before.state.step), int(run.state.step)) == (20, 60)
    assert (before.sample(4) != run.sample(4)).any()
    with pytest.raises(UsageError, match=r"no checkpoint of step 30 .* 20, 40, 60"):
        gan_jax.load(digits_run, step=30)


def test_load_needs_no_data(gan, small, tmp_path):
    points = np.random.default_rng(0).normal(size=(32, 2))
    np.save(tmp_path / "points.npy", points)
    flags = f"--config.data.path={tmp_path}/points.npy", f"--workdir={tmp_path}/run"
    arrays = "--config.data.name=arrays"
    assert gan(*small, arrays, *flags, "--config.steps=1").status == 0
    expected = gan_jax.load(tmp_path / "run").sample(3)
    (tmp_path / "points.npy").unlink()
    shutil.copytree(tmp_path / "run", tmp_path / "moved")
    np.testing.assert_array_equal(gan_jax.load(tmp_path / "moved").sample(3), expected)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_load_of_nothing_says_how_to_train_and_creates_nothing(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no checkpoint in .*python -m gan_jax\.main"):
        gan_jax.load(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


# python -m gan_jax.sample


def test_a_picture_of_samples(draw, digits_run, tmp_path):
    out = tmp_path / "grid.png"
    outcome = draw(f"--workdir={digits_run}", "--num=5", f"--out={out}")
    assert outcome.status == 0
    assert "step 60" in outcome.err
    # 5 samples in 2 rows of 3, 8 pixels magnified 7 times, gaps of 2
    with Image.open(out) as picture:
        assert picture.size == (3 * 58 + 2, 2 * 58 + 2)


def test_each_sample_in_a_file_of_its_own_size(draw, run, digits_run, tmp_path):
    flags = f"--workdir={digits_run}", "--num=3", "--seed=2"
    out = tmp_path / "each"
    outcome = draw(*flags, f"--out={out}/")
    assert outcome.status == 0
    files = sorted(out.iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png", "00002.png"]
    seen = np.stack([np.asarray(Image.open(file)) for file in files])
    np.testing.assert_array_equal(seen, run.sample(3, seed=2)[..., 0])
    again = draw(*flags, f"--out={out}")
    assert again.status == 2
    assert "there are files in it; name a new folder" in again.error
    assert draw(*flags, f"--out={tmp_path}/1.5/").status == 0
    assert len(list((tmp_path / "1.5").iterdir())) == 3


def test_a_single_sample_is_a_picture_of_its_own_size(draw, run, digits_run, tmp_path):
    out = tmp_path / "one.PNG"
    outcome = draw(f"--workdir={digits_run}", "--num=1", f"--out={out}")
    assert outcome.status == 0
    with Image.open(out) as picture:
        np.testing.assert_array_equal(np.asarray(picture), run.sample(1)[0, ..., 0])


def test_arrays_of_samples_and_their_latents(draw, run, digits_run, tmp_path):
    out = tmp_path / "samples.npz"
    flags = f"--workdir={digits_run}", f"--out={out}", "--num=5", "--seed=2"
    assert draw(*flags).status == 0
    with np.load(out) as arrays:
        assert sorted(arrays) == ["x", "z"]
        np.testing.assert_array_equal(arrays["x"], run.sample(5, seed=2))
        np.testing.assert_array_equal(arrays["z"], run.latents(5, seed=2))
    assert draw(*flags, "--step=20").status == 0
    with np.load(out) as arrays:
        early = gan_jax.load(digits_run, step=20).sample(5, seed=2)
        np.testing.assert_array_equal(arrays["x"], early)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_an_interpolation_is_an_animation(draw, digits_run, tmp_path, suffix):
    out = tmp_path / f"walk.{suffix}"
    flags = f"--workdir={digits_run}", f"--out={out}", "--num=1", "--interpolate"
    assert draw(*flags).status == 0
    with Image.open(out) as animation:
        frames = []
        for i in range(animation.n_frames):
            animation.seek(i)
            frames.append(np.asarray(animation.convert("L"), int))
    assert len(frames) > 20
    assert all(frame.shape == (60, 60) for frame in frames)
    steps = [np.abs(a - b).mean() for a, b in itertools.pairwise(frames)]
    closing = np.abs(frames[-1] - frames[0]).mean()
    assert 0 < closing <= 2 * max(steps)  # closed, and no jump


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out=x.tif"], r"--out=x\.tif: accepted: \.jpeg, \.jpg, \.npz, \.png"),
        (["--out=x.txt"], "makes no text"),
        (["--out=x.png", "--interpolate"], r"accepted: \.gif, \.webp"),
        (["--out=nowhere/x.png"], "there is no folder"),
        (["--out=folder.png"], "cannot be written"),
        (["--num=0"], "--num=0"),
        (["--num=many"], "--num=many"),
        (["--seed=-1"], "--seed=-1"),
        (["--seed=99999999999999999999"], "--seed=99999999999999999999"),
        (["--truncation=-1"], r"truncation=-1\.0: must be positive and finite"),
        (["--truncation=nan"], "truncation=nan: must be positive and finite"),
        (["--truncation=1,few"], "--truncation=1,few: expected numbers separated by"),
        (["--truncation=1,2,3", "--num=8"], "--num=8: .* multiple of the 3 trunc"),
        (["--batch_norm=batch"], "has no batch norm"),
        (["--step=\u00b2"], "expected a step or best"),
        (["--step=7"], "no checkpoint of step 7 .* 20, 40, 60"),
        (["--nmu=3"], "'nmu'"),
        (["x.png"], r"unexpected argument 'x\.png'"),
    ],
)
def test_bad_requests_for_samples(
    draw, digits_run, tmp_path, monkeypatch, flags, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    outcome = draw(f"--workdir={digits_run}", *flags)
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert re.search(message, outcome.error)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder.png"]


def test_help_of_sample_lists_its_flags(draw):
    outcome = draw("--help")
    assert outcome.status == 0
    for flag in ("--workdir", "--num", "--out", "--seed", "--step", "--truncation"):
        assert flag in outcome.out


def test_latents_are_on_the_default_device(run):
    assert run.latents(1).devices() == {jax.devices()[0]}
