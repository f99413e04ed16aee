"""Latents that are searched for, and images that are completed."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import cli, inversion, priors, search
from gan_jax.errors import UsageError
from gan_jax.metrics.real import held_out, real_examples


@pytest.fixture(scope="module")
def run(digits_run):
    return gan_jax.load(digits_run)


def test_a_sample_is_found_again(run):
    images = run.sample(3, seed=5)
    found = inversion.invert(run, images, starts=4, steps=150, rate=0.1)
    assert found.z.shape == (3, run.built.prior.dim)
    np.testing.assert_array_equal(run.generate(found.z), found.made)
    gap = np.abs(found.made.astype(float) - images).mean(axis=(1, 2, 3)) / 255
    np.testing.assert_allclose(found.distance, gap, rtol=1e-5)
    begun = inversion.invert(run, images, starts=4, steps=1, rate=0.0)
    assert (found.distance < 0.4 * begun.distance).all()
    again = inversion.invert(run, images[1:], starts=1, steps=2)
    assert again.made.shape == images[1:].shape
    trusting = inversion.invert(run, images, starts=4, steps=150, rate=0.1, prior=1e4)
    scores = [run.discriminate(x.made).mean() for x in (found, trusting)]
    assert scores[1] > scores[0]


def test_only_what_is_known_counts(run):
    images = run.sample(2, seed=5)
    hole = np.zeros(images.shape[1:3], bool)
    hole[:, 4:] = True
    spoilt = images.copy()
    spoilt[:, hole] = 255 - images[:, hole]
    how = {"starts": 4, "steps": 100, "rate": 0.1}
    found = inversion.invert(run, images, hole, **how)
    other = inversion.invert(run, spoilt, hole, **how)
    np.testing.assert_allclose(found.z, other.z, atol=1e-5)
    gap = np.abs(found.made.astype(float) - images)[:, ~hole].mean(axis=(1, 2)) / 255
    np.testing.assert_allclose(found.distance, gap, rtol=1e-5)
    whole, _ = inversion.complete(run, spoilt, hole, blend=False, prior=0, **how)
    np.testing.assert_array_equal(whole[:, ~hole], images[:, ~hole])
    np.testing.assert_array_equal(whole[:, hole], found.made[:, hole])


def test_weights_are_the_share_of_what_is_known_around():
    hole = np.zeros((9, 11), bool)
    assert (inversion.weights(hole) == 1).all()
    hole[4, 5] = True
    found = inversion.weights(hole)
    near = np.zeros(hole.shape, bool)
    near[1:8, 2:9] = True
    assert found[4, 5] == 0
    near[4, 5] = False
    np.testing.assert_allclose(found[near], 48 / 49, rtol=1e-5)
    assert (found[0] == 1).all()
    assert (found[:, 0] == 1).all()


def test_blending_takes_slopes_from_one_and_edges_from_the_other():
    rng = np.random.default_rng(0)
    image = rng.integers(50, 200, (8, 9, 3)).astype(np.uint8)
    hole = np.zeros((8, 9), bool)
    hole[2:6, 3:7] = hole[0, 0] = hole[5, 8] = True
    # what has the image's slopes, however bright, is filled in as the image itself
    np.testing.assert_array_equal(inversion.blended(image, image + 40, hole), image)
    ramp = np.broadcast_to(np.arange(9, dtype=np.uint8)[:, None] * 10, (8, 9, 1))
    flat = np.full_like(ramp, 7)
    # between the two sides of a ramp, what has no slope of its own is the ramp again
    hole = np.zeros((8, 9), bool)
    hole[:, 3:6] = True
    np.testing.assert_array_equal(inversion.blended(ramp, flat, hole), ramp)
    nothing = np.zeros((8, 9), bool)
    np.testing.assert_array_equal(inversion.blended(image, flat, nothing), image)


@pytest.mark.parametrize("name", ["normal", "uniform", "spherical"])
def test_the_nearest_latent_is_one_of_the_prior(name):
    import jax

    prior = getattr(priors, name)(dim=5)
    z = prior(jax.random.key(0), 7)
    np.testing.assert_allclose(prior.nearest(z), z, rtol=1e-6)
    far = prior.nearest(10 * z)
    if name == "uniform":
        assert np.abs(far).max() == 1
    if name == "spherical":
        np.testing.assert_allclose(far, z, rtol=1e-5)


def test_a_class_is_what_the_classifier_is_surest_of(run, monkeypatch):
    class Brightness:
        classes = ("dark", "bright")

        @staticmethod
        def apply(images):
            share = images.mean(axis=(1, 2, 3)) / 255
            return None, np.stack([1 - share, share], axis=1)

    with pytest.raises(UsageError, match="no classifier reads what"):
        inversion.of_class(run, "bright", 3)
    monkeypatch.setattr(inversion, "features_for", lambda shape: "brightness")
    monkeypatch.setattr(inversion, "load_features", lambda name: Brightness)
    z, sure = inversion.of_class(run, "bright", 3, draws=50)
    shares = run.sample(50).mean(axis=(1, 2, 3)) / 255
    np.testing.assert_allclose(sure, np.sort(shares)[::-1][:3], rtol=1e-6)
    _, shown = Brightness.apply(run.generate(z))
    np.testing.assert_allclose(shown[:, 1], sure, rtol=1e-6)
    with pytest.raises(UsageError, match="brigth"):
        inversion.of_class(run, "brigth", 3)


# --- the command ---------------------------------------------------------------------

QUICK = "--steps=2", "--starts=2"


@pytest.fixture
def command(capsys, tmp_path, digits_run):
    """python -m gan_jax.search, in this process: (status, stdout, last line)."""

    def command(*arguments):
        own = f"--workdir={digits_run}", f"--out={tmp_path / 'found.png'}", *QUICK
        status = cli.run(search.main, [*own, *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err.rstrip().rpartition("\n")[2]

    return command


def test_the_command_finds_images(run, command, tmp_path):
    (image,) = run.sample(1, seed=3)
    file = tmp_path / "image.png"
    Image.fromarray(image[..., 0]).save(file)
    status, out, said = command(f"--target={file}")
    assert status == 0, said
    expected = inversion.invert(run, image[None], starts=2, steps=2)
    assert f"{file}: {expected.distance[0]:.4f}" in out
    with np.load(tmp_path / "found.npz") as kept:
        np.testing.assert_allclose(kept["z"], expected.z, rtol=1e-6)
    assert (tmp_path / "found.png").is_file()
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[:3] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert command(f"--target={file}", f"--mask={tmp_path / 'mask.png'}")[0] == 0
    assert command(f"--target={file}", "--mask=left", "--noblend")[0] == 0
    (tmp_path / "images").mkdir()
    file.rename(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "b.png").write_text("no image")
    status, out, said = command(f"--target={tmp_path / 'images'}")
    assert status == 2
    assert "a.png: " in out
    assert "b.png; the first because: cannot be read as an image" in said


def test_nothing_that_is_not_of_an_earlier_search_is_written_over(command, tmp_path):
    (tmp_path / "photos" / "of_2020").mkdir(parents=True)
    target = tmp_path / "photos" / "of_2020" / "a.png"
    target.write_bytes(b"a photo")
    place = f"--target={tmp_path / 'photos'}"
    status, _, said = command(place, f"--out={target}")
    assert (status, target.read_bytes()) == (2, b"a photo")
    assert f"{target} would be written over" in said
    (tmp_path / "faces.npz").write_bytes(b"data")
    status, _, said = command(place, f"--out={tmp_path / 'faces.png'}")
    assert (status, (tmp_path / "faces.npz").read_bytes()) == (2, b"data")
    assert "faces.npz would be written over" in said


def test_images_are_compared_as_they_are_shown_where_a_scaling_loses_something(run):
    """Of what G shows exactly there is nothing between, whatever brightness it had."""
    scaling = run.built.scaling._replace(
        exact=False,
        apply=lambda x, fitted: jnp.asarray(x, jnp.float32) - jnp.mean(x),
        invert=lambda x, fitted: jnp.clip(x + 100, 0, 255).astype(np.uint8),
    )
    run = dataclasses.replace(run, built=run.built._replace(scaling=scaling))
    images = np.full((1, 8, 8, 1), 17, np.uint8)
    np.testing.assert_array_equal(scaling.as_shown(images, run.info["fitted"]), 100)
    hole = np.zeros((8, 8), bool)
    hole[:3] = True
    whole, _ = inversion.complete(run, images, hole, blend=False, starts=1, steps=1)
    np.testing.assert_array_equal(whole[:, 3:], 100)


def test_completions_are_measured_beside_two_guesses(command, labelled_run, run):
    run_of = f"--workdir={labelled_run}"
    status, out, said = command(run_of, "--held_out=4", "--mask=left", "--seed=1")
    assert status == 0, said
    rows = {line[:30].strip(): line[30:].split() for line in out.splitlines()[3:]}
    loaded = gan_jax.load(labelled_run)
    x = np.asarray(held_out(loaded).x, np.float64) / 255
    images = x[np.random.default_rng(1).permutation(len(x))[:4]]
    examples = np.asarray(real_examples(loaded).x, np.float64) / 255
    known, hole = np.s_[:, :, 4:], np.s_[:, :, :4]
    gaps = np.square(images[known][:, None] - examples[known]).sum(axis=(2, 3, 4))
    guesses = {
        "the mean of the data": np.rint(255 * examples.mean(axis=0))[None] / 255,
        "the nearest training image": examples[gaps.argmin(axis=1)],
    }
    for name, guess in guesses.items():
        far = np.abs(guess[hole] - images[hole]).mean()
        assert float(rows[name][0]) == pytest.approx(far, abs=1e-4)
    ((of_run, _),) = (row for name, row in rows.items() if name.startswith("completed"))
    assert 0 < float(of_run) < 1
    for flags, message in {
        (run_of, "--held_out=4"): "needs a --mask",
        (run_of, "--held_out=999", "--mask=left"): "there are 97 such images",
        ("--held_out=4", "--mask=left"): "held-out data",  # it was trained on all
    }.items():
        status, _, said = command(*flags)
        assert status == 2
        assert message in said


def test_what_cannot_be_searched_for_is_said(command, tmp_path):
    file, mask = tmp_path / "image.png", tmp_path / "mask.png"
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(file)
    for flags, message in {
        (): "one of --target, --held_out and --label",
        (
            f"--target={file}",
        ): "image.png: it has 9 x 8 pixels, but the run makes 8 x 8",
        (f"--target={tmp_path}/none",): "no such file or folder",
        ("--label=7",): "no classifier reads what",
        (f"--target={file}", "--label=7"): "one of --target",
        (f"--target={file}", "--out=found.txt"): "accepted: .jpeg",
        (f"--target={file}", f"--out={file}"): "image.png would be written over",
        ("--label=7", "--mask=left"): "--mask is of images, not of a --label",
    }.items():
        status, _, said = command(*flags)
        assert status == 2
        assert message in said
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file)
    Image.fromarray(np.zeros((8, 7), np.uint8)).save(mask)
    for given, message in {
        f"--mask={mask}": "7 x 8 pixels, but the run makes 8 x 8",
        "--mask=center": "did you mean 'centre'?",
        f"--mask={file}": "some pixels have to be known, and some not",
    }.items():
        status, _, said = command(f"--target={file}", given)
        assert status == 2
        assert message in said
