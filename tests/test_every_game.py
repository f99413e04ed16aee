"""What every game has to do, whatever it is: end to end, on a few small digits."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import some_slow
from test_main import refused
from test_parallel import SGD

import gan_jax
from gan_jax import models
from gan_jax.config import resolve
from gan_jax.config.files import load_experiment, override
from gan_jax.loop.population import train_population

OTHER = (
    *("other.name=digits", "other.split=train[:64]"),
    "other.validation_split=train[200:232]",
)
# from 4 pixels, one step long, to 8, whose fade all other steps are inside of
GROWING = (
    *("game.first=4", "game.stay=8", "game.fade=64", "game.batches=8,4"),
    *("generator.channel_base=16", "discriminator.channel_base=16"),
)
# of each game: what it is played with, in networks of `models/tiny.py`
GAMES = {
    "gan": ("game.labels=true",),
    "acgan": ("discriminator.says=score and classes",),
    "infogan": ("discriminator.says=score and codes",),
    "bigan": ("encoder.name=tiny",),
    "semi_supervised": ("discriminator.says=classes", *OTHER, "other.per_class=2"),
    "began": ("discriminator.says=reconstruction",),
    "ebgan": ("discriminator.says=reconstruction",),
    "cogan": ("generator.pairs=true", "discriminator.says=both scores", *OTHER),
    "stylegan2": (
        *("game.labels=true", "generator.name=tiny_styles", "penalty.name=r1"),
        *("game.path_every=2", "game.penalty_every=2"),
    ),
    "pix2pix": ("data.input=half", "data.jitter=2", "data.flip=true"),
    "cyclegan": ("game.pool=6", *OTHER),
    "pggan": ("generator.name=pggan", "discriminator.name=pggan", *GROWING),
    "stylegan": (
        *("generator.name=stylegan", "generator.dim=4", "generator.depth=1"),
        *("discriminator.name=pggan", *GROWING),
    ),
}
BRIEF = (
    *("batch_size=8", "sample_grid=4,3", "log_every=1", "sample_every=2"),
    *("validate_every=2", "checkpoint_every=2", "data.split=train[:96]"),
    *("data.validation_split=train[96:128]", "prior.dim=4", "scaling.name=unit"),
    *("generator.name=tiny", "discriminator.name=tiny"),
    # under Adam a bias before batch norm gets rounding noise, made as large as the rest
    *(f"{field}={value}" for field, value in SGD),
    *("d_optimizer.momentum=0.5", "g_optimizer.momentum=0.5"),
)


@pytest.fixture(params=some_slow(GAMES, quick=["gan", "stylegan2"]))
def config(request, monkeypatch):
    """(changes) -> the config of a game."""
    own = Path(__file__).parent / "models"
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(own)])

    def config(*changes):
        made, _ = load_experiment("experiments/digits.py")
        given = f"game.name={request.param}", *GAMES[request.param], "devices=1"
        flags = [*BRIEF, *given, *changes]
        override(made, [tuple(flag.split("=", 1)) for flag in flags])
        return made

    return config


def test_all_games_are_tried():
    assert set(GAMES) == set(resolve.available("game"))


def same(a, b):
    """Whether two states have the same bits."""
    one, other = (jax.tree.leaves(jax.device_get(dataclasses.replace(x, key=0)))
                  for x in (a, b))  # fmt: skip
    return all(map(np.array_equal, one, other)) and len(one) == len(other)


def test_it_trains_goes_on_has_company_and_spreads(config, tmp_path):
    """Resumed bit for bit; in a population, on two devices, what it is by itself."""
    alone = gan_jax.train(config("steps=4"), tmp_path / "alone")
    gan_jax.train(config("steps=2"), tmp_path / "twice")
    assert same(alone, gan_jax.train(config("steps=4"), tmp_path / "twice"))
    for file in ("samples/00000004.png", "losses.png", "samples.gif"):
        assert (tmp_path / "alone" / file).is_file()
    lines = (tmp_path / "alone" / "metrics.jsonl").read_text().splitlines()
    for line in lines:
        assert np.isfinite(list(json.loads(line).values())).all()
    assert "validation_d_loss" in json.loads(lines[-1])
    members = [config("steps=4", f"seed={seed}") for seed in (0, 1)]
    folders = [tmp_path / "first", tmp_path / "second"]
    assert train_population(members, folders) == [None, None]
    first, second = (gan_jax.load(folder).state for folder in folders)
    assert not same(first, second)
    spread = gan_jax.train(config("steps=4", "devices=2"), tmp_path / "spread")
    for other in (first, spread):
        parameters = [jax.tree.leaves((x.d.params, x.g.params)) for x in (alone, other)]
        for a, b in zip(*jax.device_get(parameters), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


# --- labels, asked for ---------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(labelled_run):
    """A conditional run."""
    return gan_jax.load(labelled_run)


def test_a_run_makes_what_is_asked_for(labelled):
    n = 3_000
    shares = np.bincount(labelled.labels(n), minlength=10) / n
    data = np.array(labelled.info["shares"])
    assert np.abs(shares - data).max() < 0.025
    assert (labelled.labels(5, label="7") == 7).all()
    uniform = np.bincount(labelled.labels(n, label="uniform"), minlength=10) / n
    assert np.abs(uniform - 0.1).max() < 0.025
    assert (labelled.labels(n, seed=1) != labelled.labels(n)).any()
    z = labelled.latents(4, label="7")
    sevens = labelled.sample(4, label="7")
    np.testing.assert_array_equal(labelled.generate(z), sevens)
    # weights of one class are that class, of two something between
    eye = np.eye(10, dtype=np.float32)
    asked = {"z": z["z"], "y": np.tile(eye[7], (4, 1))}
    np.testing.assert_allclose(labelled.generate(asked), sevens, atol=1)
    asked["y"] = np.tile((eye[7] + eye[1]) / 2, (4, 1))
    assert (labelled.generate(asked) != sevens).any()
    scores = labelled.discriminate(sevens, labels=[7] * 4)
    assert (labelled.discriminate(sevens, labels=[1] * 4) != scores).all()
    for labels in (None, [7]):
        with pytest.raises(gan_jax.errors.UsageError, match="one for each image"):
            labelled.discriminate(sevens, labels=labels)


def test_the_command_draws_a_class_or_a_row_of_each(labelled, draw, tmp_path):
    run = f"--workdir={labelled.workdir}"
    outcome = draw(run, "--label=7", "--num=6", f"--out={tmp_path}/sevens.npz")
    assert outcome.status == 0, outcome.err
    with np.load(tmp_path / "sevens.npz") as drawn:
        assert (drawn["y"] == 7).all()
        np.testing.assert_array_equal(drawn["x"], labelled.sample(6, label="7"))
    outcome = draw(run, "--label=all", "--num=30", f"--out={tmp_path}/all.npz")
    with np.load(tmp_path / "all.npz") as drawn:
        np.testing.assert_array_equal(drawn["y"], np.repeat(np.arange(10), 3))
    for out in ("all.png", "walk.gif"):
        more = ["--interpolate"] if out == "walk.gif" else []
        outcome = draw(run, "--label=all", "--num=10", f"--out={tmp_path / out}", *more)
        assert outcome.status == 0, outcome.err
        assert (tmp_path / out).stat().st_size > 100
    refused(draw(run, "--label=12", f"--out={tmp_path}/x.png"), "12")
    refused(
        draw(run, "--label=all", "--num=7", f"--out={tmp_path}/x.png"),
        "multiple of the 10 classes",
    )


def test_one_class_a_row_in_the_pictures_of_a_run(labelled):
    from gan_jax.sampling import latents_in_rows

    z = latents_in_rows(labelled.built, jax.random.key(0), 4, 3)
    np.testing.assert_array_equal(z["y"], np.repeat(np.arange(4), 3))
    assert len(np.unique(np.asarray(z["z"]), axis=0)) == 12


def test_statistics_are_recalibrated_for_the_labels_of_the_data(labelled):
    again = labelled.sampled_by("recalibrated")
    assert (again.sample(8) != labelled.sample(8)).any()


# --- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["data.name=gaussian_1d", "game.labels=true"], "gaussian_1d have none"),
        (["game.labels=true"], "discriminator mlp takes x, but this game gives it 2"),
        (["generator.name=acgan"], "generator acgan takes z and y, but this game"),
        (["game.name=stylegan2"], "generator mlp has no mapping, which this game"),
        (["game.name=acgna"], "unknown game 'acgna'; did you mean 'acgan'?"),
        (["game.name=bigan"], "game bigan needs --config.encoder.name="),
        (["encoder.name=bigan"], "game gan takes no encoder"),
        (["discriminator.name=infogan"], "which game gan does not have"),
        (["game.name=cogan"], "game cogan needs a second set of data"),
        (["other.name=digits"], "game gan takes no second set"),
        (["game.name=cogan", "other.name=gaussian_1d"], "both have to have one shape"),
        (
            ["game.name=semi_supervised", "other.name=digits",
             "other.split=train[:8]", "batch_size=16"],
            "larger than the data of config.other: 8 examples",
        ),
        (["data.per_class=1000"], "174"),
        (["game.name=bigan", "penalty.name=r1"], "game bigan takes no penalty"),
        (["game.name=infogan", "game.categories=0"], "categories"),
        (["game.name=began", "game.gamma=-1"], "gamma=-1"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_refused_in_one_line(gan, tmp_path, flags, message):
    given = [f"--config.{flag}" for flag in flags]
    outcome = gan("--config=experiments/digits.py", f"--workdir={tmp_path}/run", *given)
    refused(outcome, message)
    assert not (tmp_path / "run").exists()
