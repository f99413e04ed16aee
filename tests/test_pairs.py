"""Pairs of images: read from what people have, translated by the command."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import cli, translate
from gan_jax.data import arrays, pairs
from gan_jax.data.dataset import Options, make_dataset
from gan_jax.data.scaling import symmetric
from gan_jax.errors import UsageError
from gan_jax.metrics.protocol import read

PIX2PIX = (
    *("--config.game.name=pix2pix", "--config.generator.name=pix2pix"),
    *("--config.generator.width=2", "--config.discriminator.name=pix2pix"),
    *("--config.discriminator.width=2", "--config.discriminator.layers=1"),
    *("--config.steps=2", "--config.batch_size=2", "--config.sample_grid=2,3"),
    *("--config.log_every=1", "--config.validate_every=2", "--config.sample_every=1"),
    *("--config.evaluate_every=2", "--config.evaluate_metrics=translation"),
    *("--config.best=translation", "--config.data.name=pairs"),
)


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


LEFT, RIGHT = noise(0, 6, 8, 12, 3), noise(1, 6, 8, 12, 3)


def write(folder, images, suffix=".png", size=None):
    folder.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i}{suffix}")
    return folder


@pytest.fixture
def beside(tmp_path):
    """A folder of images that hold both halves of a pair."""
    return write(tmp_path / "beside", np.concatenate([LEFT, RIGHT], axis=2))


def test_halves_beside_each_other_are_a_pair(beside):
    found = pairs.load(path=str(beside))
    np.testing.assert_array_equal(found.input, LEFT)
    np.testing.assert_array_equal(found.x, RIGHT)
    turned = pairs.load(path=str(beside), layout="right_left", split="train[1:3]")
    np.testing.assert_array_equal(turned.input, RIGHT[1:3])
    np.testing.assert_array_equal(turned.x, LEFT[1:3])
    small = pairs.load(path=str(beside), size=4, channels=1)
    assert small.x.shape == small.input.shape == (6, 4, 4, 1)


def test_two_folders_are_pairs_by_the_names_of_their_files(tmp_path):
    x, made_of = write(tmp_path / "x", RIGHT), write(tmp_path / "in", LEFT, ".bmp")
    found = pairs.load(path=str(x), inputs=str(made_of))
    np.testing.assert_array_equal(found.input, LEFT)
    np.testing.assert_array_equal(found.x, RIGHT)
    (made_of / "about.txt").write_text("")
    assert pairs.load(path=str(x), inputs=str(made_of)).notes == (
        f"left out of {made_of}: 1 .txt",
    )
    (x / "4.png").write_text("no image")
    (made_of / "1.bmp").write_text("no image")
    some = pairs.load(path=str(x), inputs=str(made_of), skip_bad=True)
    kept = [0, 2, 3, 5]
    np.testing.assert_array_equal(some.x, RIGHT[kept])
    np.testing.assert_array_equal(some.input, LEFT[kept])
    assert ["unreadable" in note for note in some.notes] == [False, True, True]
    write(x, RIGHT), write(made_of, LEFT, ".bmp")
    with pytest.raises(UsageError, match=r"which data\.inputs=.* rules out"):
        pairs.load(path=str(x), inputs=str(made_of), layout="right_left")
    (made_of / "3.bmp").unlink()
    with pytest.raises(UsageError, match=r"in .*in there is no partner of .*x/3\.png"):
        pairs.load(path=str(x), inputs=str(made_of))
    Image.fromarray(LEFT[3]).save(made_of / "3.png")
    Image.fromarray(LEFT[3]).save(made_of / "7.png")
    with pytest.raises(UsageError, match=r"in .*x there is no partner of .*in/7\.png"):
        pairs.load(path=str(x), inputs=str(made_of))
    (made_of / "7.png").rename(made_of / "2.png")
    with pytest.raises(UsageError, match=r"2\.bmp and .*2\.png differ in their suffix"):
        pairs.load(path=str(x), inputs=str(made_of))


def test_arrays_may_be_pairs(tmp_path):
    file = tmp_path / "pairs.npz"
    np.savez(file, x=RIGHT, input=LEFT[..., 0], y=np.arange(6))
    found = arrays.load(path=str(file), split="train[2:]")
    np.testing.assert_array_equal(found.x, RIGHT[2:])
    np.testing.assert_array_equal(found.input, LEFT[2:, ..., :1])
    np.savez(file, x=RIGHT, input=LEFT[:4])
    with pytest.raises(UsageError, match="6 images x of 12 x 8 pixels, but 4 images"):
        arrays.load(path=str(file))
    with pytest.raises(UsageError, match=r"pairs in a \.npz are for data arrays"):
        pairs.load(path=str(file))


def test_what_is_no_pair_is_named(tmp_path, beside):
    Image.fromarray(noise(2, 8, 23, 3)).save(beside / "2.png")
    with pytest.raises(UsageError, match=r"2\.png; .*even width, not 23 pixels"):
        pairs.load(path=str(beside))
    Image.fromarray(noise(2, 8, 20, 3)).save(beside / "2.png")
    with pytest.raises(UsageError, match=r"2\.png has 20 x 8 pixels, .* 24 x 8"):
        pairs.load(path=str(beside))
    assert pairs.load(path=str(beside), size=8).x.shape == (6, 8, 8, 3)
    (beside / "4.png").write_text("no image")
    with pytest.raises(UsageError, match=r"cannot be read as an image: .*4\.png"):
        pairs.load(path=str(beside), size=8)
    x, made_of = write(tmp_path / "x", RIGHT), write(tmp_path / "in", LEFT[:, :6])
    with pytest.raises(UsageError, match=r"12 x 8 pixels, those of .* 12 x 6"):
        pairs.load(path=str(x), inputs=str(made_of))


def test_both_halves_are_moved_alike():
    import jax

    source = pairs.Source(LEFT, input=LEFT)
    options = Options(flip=True, jitter=3)
    dataset = make_dataset(source, symmetric(), options)
    arrays = {"x": LEFT, "input": LEFT}
    rows = np.tile(np.arange(6), 4)
    batch = dataset.view(arrays, rows, jax.random.key(0))
    np.testing.assert_array_equal(batch["x"], batch["input"])
    still = dataset.view(arrays, rows, None)
    np.testing.assert_allclose(still["x"], LEFT[rows] / 127.5 - 1, atol=1e-6)
    assert (np.abs(batch["x"] - still["x"]).max(axis=(1, 2, 3)) > 0.1).all()
    assert dataset.info["input"] == [8, 12, 3]


# --- the command ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pairs of 16 x 24 pixels in a folder, and a run that was trained on them."""
    root = tmp_path_factory.mktemp("pairs")
    both = noise(0, 8, 16, 48, 3)
    write(root / "images", both)
    return root


@pytest.fixture(scope="module")
def trained(folder):
    from gan_jax import main

    flags = (
        "--config=experiments/default.py",
        "--config.devices=1",
        f"--workdir={folder / 'run'}",
        f"--config.data.path={folder / 'images'}",
        "--config.data.split=train[:5]",
        "--config.data.validation_split=train[5:]",
        "--config.data.jitter=2",
    )
    assert cli.run(main.main, [*flags, *PIX2PIX]) == 0
    return folder / "run"


def test_a_run_of_pairs_shows_and_measures_what_it_makes(trained):
    pictures = [trained / "samples" / "00000002.png", trained / "training.png"]
    for file in (*pictures, trained / "samples.gif", trained / "losses.png"):
        assert file.is_file()
    # two rows of an input, what was made of it, and what should have been
    shown = np.asarray(Image.open(pictures[0]))
    assert shown.shape[1] / shown.shape[0] == pytest.approx(3 * 24 / (2 * 16), rel=0.1)
    lines = (trained / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    run = gan_jax.load(trained)
    both = noise(0, 8, 16, 48, 3)[5:]
    made = run.translate(both[:, :, :24])
    gap = np.abs(made.astype(float) - both[:, :, 24:]) / 255
    assert last["l1"] == pytest.approx(gap.mean(), rel=1e-5)
    assert "validation_g_l1" in last
    assert gan_jax.load(trained, "best").state.step == 2
    np.testing.assert_array_equal(run.translate(both[:1, :, :24]), made[:1])
    assert (run.translate(both[:, :, :24], seed=1) != made).any()
    assert run.translate(both[:, :8, :24]).shape == (3, 8, 24, 3)


def test_what_was_made_of_held_out_pairs_is_measured(trained, judged):
    outcome = judged(f"--workdir={trained}")
    assert outcome.status == 0, outcome.err
    *_, first, second = read(trained)  # after those of the run itself
    assert "frechet_pixels" in second.values
    last = json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])
    assert first.values["l1"] == pytest.approx(last["l1"], rel=1e-5)


@pytest.fixture
def command(capsys):
    """python -m gan_jax.translate, in this process: (status, its last line)."""

    def command(*arguments):
        status = cli.run(translate.main, list(map(str, arguments)))
        return status, capsys.readouterr().err.rstrip().rpartition("\n")[2]

    return command


def test_the_command_translates_a_file_and_a_folder(trained, command, tmp_path):
    photo, out = tmp_path / "photo.png", tmp_path / "made.png"
    pixels = noise(3, 32, 40, 4)
    Image.fromarray(pixels).save(photo)  # with an alpha channel
    run = f"--workdir={trained}"
    assert command(run, f"--input={photo}", f"--out={out}")[0] == 0
    white = Image.new("RGBA", (40, 32), "white")
    flat = Image.alpha_composite(white, Image.open(photo)).convert("RGB")
    expected = gan_jax.load(trained).translate(np.asarray(flat)[None])[0]
    np.testing.assert_array_equal(np.asarray(Image.open(out)), expected)
    images = write(tmp_path / "images", noise(4, 3, 16, 16, 3))
    (images / "1.png").write_text("no image")
    Image.fromarray(noise(5, 15, 16)).save(images / "odd.gif")
    status, said = command(run, f"--input={images}", f"--out={tmp_path / 'made'}")
    assert status == 2
    assert "1.png, " in said
    assert "odd.gif; the first because: cannot be read as an image" in said
    names = sorted(file.name for file in (tmp_path / "made").iterdir())
    assert names == ["0.png", "2.png"]
    made = tmp_path / "made"
    _, said = command(run, f"--input={images / 'odd.gif'}", f"--out={made / 'a.png'}")
    assert "odd.gif; the first because: pix2pix with 3 halvings" in said
    flags = run, f"--input={images / 'odd.gif'}", "--size=16", f"--out={made / 'a.png'}"
    assert command(*flags)[0] == 0
    with Image.open(made / "a.png") as image:
        assert image.size == (16, 16)


def test_several_runs_translate_the_same_image(trained, command, tmp_path, digits_run):
    runs, image = tmp_path / "runs", noise(3, 16, 16, 3)
    shutil.copytree(trained, runs / "a")
    write(tmp_path / "images", image[None])
    given = f"--input={tmp_path / 'images' / '0.png'}", f"--out={tmp_path / 'made.png'}"
    status, said = command(f"--workdir={runs / 'a'},{digits_run}", *given)
    assert status == 2
    assert "refused 1 of 2 runs" in said
    assert "game gan makes no images of images" in said
    (made,) = tmp_path.glob("made*.png")
    assert made.name.endswith("_runs_a.png")
    expected = gan_jax.load(trained).translate(image[None])[0]
    np.testing.assert_array_equal(np.asarray(Image.open(made)), expected)
    shutil.copytree(trained, runs / "b")
    given = f"--input={tmp_path / 'images'}", f"--out={tmp_path / 'made'}"
    assert command(f"--workdir={runs}/*", *given)[0] == 0
    files = sorted(file.relative_to(tmp_path) for file in tmp_path.glob("made/*/*"))
    assert list(map(str, files)) == ["made/a/0.png", "made/b/0.png"]


def test_what_cannot_be_translated_is_said(trained, command, tmp_path, digits_run):
    photo = tmp_path / "photo.png"
    Image.fromarray(noise(3, 16, 16, 3)).save(photo)
    run, given = f"--workdir={trained}", f"--input={photo}"
    twins = tmp_path / "twins"
    twins.mkdir()
    for name in ("a.gif", "a.png", "photo.png"):
        Image.fromarray(noise(3, 16, 16, 3)).save(twins / name)
    for flags, message in {
        (run,): "--input= has to name an image",
        (run, f"--input={tmp_path}/none"): "there is no such file or folder",
        (run, given, "--out=made.txt"): "accepted: .jpeg, .jpg, .png, .webp",
        (run, given, f"--out={photo}"): "photo.png would be written over",
        (run, f"--input={twins}", f"--out={tmp_path}/x"): "a.gif and",
        (run, f"--input={tmp_path}", f"--out={twins}"): "would be written over",
        (run, given, "--back"): "game pix2pix knows no way back",
        (f"--workdir={digits_run}", given): "game gan makes no images of images",
    }.items():
        status, said = command(*flags)
        assert status == 2
        assert message in said
    with pytest.raises(UsageError, match=r"expected uint8 \(n, height, width, 3\)"):
        gan_jax.load(trained).translate(noise(0, 2, 16, 16, 1))
    with pytest.raises(UsageError, match=r"gan_jax\.translate --input=FILE"):
        gan_jax.load(trained).sample(2)


def test_d_of_pairs_is_told_what_images_were_made_of(trained):
    run, both = gan_jax.load(trained), noise(0, 8, 16, 48, 3)[:2]
    x, made_of = both[:, :, 24:], both[:, :, :24]
    scores = run.discriminate(x, inputs=made_of)
    assert scores.shape == (2,)
    assert (run.discriminate(x, inputs=made_of[::-1]) != scores).all()
    for inputs in (None, made_of[:1]):
        with pytest.raises(UsageError, match="give inputs of shape"):
            run.discriminate(x, inputs=inputs)


@pytest.mark.slow
def test_two_sets_are_translated_both_ways(gan, tmp_path, command):
    """Of different sizes, one of them with labels: measured by what is known."""
    digits, others = noise(0, 30, 28, 28), noise(1, 17, 28, 28)
    np.savez(tmp_path / "x.npz", x=digits, y=np.arange(30) % 10)
    np.savez(tmp_path / "y.npz", x=others)
    flags = (
        *("--config=experiments/mnist_rotated.py", f"--workdir={tmp_path / 'run'}"),
        *("--config.generator.width=2", "--config.generator.blocks=1"),
        *("--config.discriminator.width=2", "--config.batch_size=4"),
        *("--config.steps=2", "--config.log_every=1", "--config.validate_every=2"),
        *("--config.evaluate_every=2", "--config.sample_grid=2,3"),
        *("--config.data.name=arrays", f"--config.data.path={tmp_path}/x.npz"),
        *("--config.other.name=arrays", f"--config.other.path={tmp_path}/y.npz"),
        *("--config.data.split=train[:25]", "--config.other.split=train[:12]"),
        "--config.data.validation_split=train[25:]",
        "--config.other.validation_split=train[12:]",
    )
    outcome = gan(*flags)
    assert outcome.status == 0, outcome.err
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    run = gan_jax.load(tmp_path / "run")
    held_out = others[12:, ..., None]
    back = run.translate(run.translate(held_out), back=True)
    gap = np.abs(back.astype(float) - held_out) / 255
    assert last["cycle_l1"] == pytest.approx(gap.mean(), rel=1e-5)
    assert "frechet_mnist" in last
    assert not {"l1", "class_agreement"} & set(last)
    for name in ("back.png", "training.png"):
        assert (tmp_path / "run" / name).is_file()
    photo, out = tmp_path / "photo.png", tmp_path / "out.png"
    Image.fromarray(others[0]).save(photo)
    where = f"--workdir={tmp_path / 'run'}", f"--input={photo}", f"--out={out}"
    assert command(*where, "--back")[0] == 0
    expected = run.translate(others[:1, ..., None], back=True)[0]
    np.testing.assert_array_equal(np.asarray(Image.open(out)), expected[..., 0])
    with pytest.raises(UsageError, match="no statistics of a minibatch"):
        run.sampled_by("batch")
    for changes, message in {
        ("--config.pack=2",): "translates images one by one, but config.pack=2",
        ("--config.evaluate_metrics=class_agreement",): "or translates what has them",
        ("--config.evaluate_metrics=kernel",): "2,000 samples and examples",
    }.items():
        outcome = gan(*flags, f"--workdir={tmp_path / 'no'}", *changes)
        assert outcome.status == 2
        assert message in outcome.error
    toy = *flags[:1], f"--workdir={tmp_path / 'no'}", "--config.scaling.name=identity"
    for entry in ("data", "other"):
        toy += (f"--config.{entry}.name=toy2d",)
    assert "translates images, not vectors of toy2d" in gan(*toy).error
    assert not (tmp_path / "no").exists()


def test_what_pairs_need_is_said_before_a_run(gan, folder, tmp_path):
    flags = (
        *("--config=experiments/default.py", f"--workdir={tmp_path / 'run'}"),
        *PIX2PIX,
        f"--config.data.path={folder / 'images'}",
        "--config.data.validation_split=train[5:]",
        "--config.data.split=train[:5]",
    )
    for changes, message in {
        ("--config.data.input=edges",): "these data are pairs already",
        ("--config.data.inputs=nowhere",): "there is no folder nowhere",
        ("--config.batch_size=9",): "config.batch_size=9 is larger than the data",
        ("--config.discriminator.layers=4",): "judges images from 48 pixels, not 16",
        ("--config.generator.depth=5",): "can be halved 3 times",
    }.items():
        outcome = gan(*flags, *changes)
        assert outcome.status == 2
        assert message in outcome.error
        assert not (tmp_path / "run").exists()
    digits = "--config.data.name=digits", "--config.data.validation_split=train[:9]"
    outcome = gan(*flags[:2], *PIX2PIX, *digits, "--config.data.split=train[9:]")
    assert (
        "game pix2pix is played with pairs, but data digits are none" in outcome.error
    )
    flags = (*flags[:2], *PIX2PIX, flags[-3])
    assert "needs held-out images: data.validation_split" in gan(*flags).error
