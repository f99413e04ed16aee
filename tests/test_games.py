"""What games may carry and ask for, beside what the one of 2014 does."""

import dataclasses
import json
import subprocess
import sys
import types
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import REPOSITORY
from test_main import refused

from gan_jax import dirac_gan, layers, losses, priors, sample
from gan_jax.batch_norm import recalibrated
from gan_jax.build import initial_state
from gan_jax.config import resolve
from gan_jax.config.files import load_experiment, override
from gan_jax.config.hparams import hparams, number_fields, structure_of
from gan_jax.config.validation import validate
from gan_jax.errors import UsageError
from gan_jax.games.gan import game as gan_game
from gan_jax.layers.weights import spectral
from gan_jax.loop.train import prepare
from gan_jax.metrics import judge
from gan_jax.models import mlp
from gan_jax.networks import network
from gan_jax.painters import plane
from gan_jax.run import Run
from gan_jax.state import Player, init_state
from gan_jax.train_step import make_train_step

SMALL = {
    "batch_size": "8",
    "data.size": "32",
    "generator.widths": "3",
    "discriminator.widths": "3",
    "generator.weight": "spectral",
    "loss.name": "wasserstein",
}


@pytest.fixture(scope="module")
def run():
    """A run at its start; of its G only the weights have statistics."""
    config, _ = load_experiment("experiments/toy2d.py")
    override(config, list(SMALL.items()))
    _, built = prepare(config)
    return Run(Path("run"), config, initial_state(config, built), built)


# --- statistics of every kind --------------------------------------------------------


def test_statistics_may_share_a_buffer_and_need_not_be_averages():
    """Donated, under scan: three leaves of one zero, and a counter in G's average."""
    base = dirac_gan.game(losses.non_saturating())

    def init(key, batch):
        (d, _), (g, _) = base.init(key, batch)
        zero = jnp.zeros(3)
        stats = {"a": zero, "b": zero, "c": zero}
        return (d, stats), (g, stats | {"updates": jnp.zeros((), jnp.int32)})

    def g_loss(params, stats, d, numbers, batch, key):
        value, (stats, metrics) = base.g_loss(params, stats, d, numbers, batch, key)
        moved = {"updates": stats["updates"] + 1, "a": stats["a"] + 1.0}
        return value, (stats | moved, metrics)

    game = base._replace(init=init, g_loss=g_loss)
    sgd = lambda numbers: optax.sgd(0.1)  # noqa: E731
    x = {"x": jnp.zeros((4, 1, 2, 1))}
    numbers, key = {"ema_decay": 0.5}, jax.random.key(0)
    state = init_state(game, sgd, sgd, numbers, key, {"x": x["x"][0, 0]}, ema=True)
    step = make_train_step(game, sgd, sgd)
    many = jax.jit(lambda state, x: jax.lax.scan(step, state, x), donate_argnums=0)
    state, _ = many(state, x)
    _, averaged = state.sampler
    assert averaged["updates"] == state.g.stats["updates"] == 4
    assert averaged["updates"].dtype == jnp.int32
    np.testing.assert_allclose(averaged["a"], 1 / 16 + 2 / 8 + 3 / 4 + 4 / 2)
    np.testing.assert_array_equal(state.d.stats["b"], 0)


class Judge(nn.Module):
    """Spectral norm and dropout, and batch norm between them if `normed`."""

    normed: bool = False

    @nn.compact
    def __call__(self, x, *, train=False):
        h = layers.Dense(4, weight=spectral)(x)
        h = layers.BatchNorm()(h, train) if self.normed else h
        return nn.Dropout(0.5, deterministic=not train)(h).sum(axis=-1)


@pytest.mark.parametrize("normed", [False, True])
def test_a_score_is_as_in_training_only_for_batch_norm(normed):
    """Statistics of another kind are no reason to leave out units."""
    G, D = network(mlp.Generator(shape=(2,), widths=(2,))), network(Judge(normed))
    game = gan_game(G, D, losses.non_saturating(), priors.normal(dim=2))
    x = 5 + jax.random.normal(jax.random.key(1), (6, 2))
    params, stats = D.init(jax.random.key(0), x)
    score = game.score(Player(params, stats), None, {"x": x})
    key = jax.random.key(0)
    in_training, _ = D.apply(params, stats, x, key=key, train=True)
    outside, _ = D.apply(params, stats, x)
    expected, other = (in_training, outside)[:: 1 if normed else -1]
    np.testing.assert_allclose(score, expected, rtol=1e-6)
    assert np.abs(score - other).max() > 1e-2


def test_a_g_with_other_statistics_has_no_batch_norm(run):
    assert jax.tree.leaves(run.state.g.stats)
    assert judge.about(run, "toy2d")["batch_norm"] is None
    for way in ("batch", "recalibrated"):
        with pytest.raises(UsageError, match=f"batch_norm={way}: .* has no batch norm"):
            run.sampled_by(way)


class Normed(nn.Module):
    @nn.compact
    def __call__(self, z, *, train=False):
        z = layers.Dense(2, weight=spectral)(z)
        return layers.BatchNorm()(3 * z + 5, train)


def test_recalibration_is_of_batch_norm_alone():
    G, D = network(Normed()), network(mlp.Discriminator(widths=(2,)))
    game = gan_game(G, D, losses.non_saturating(), priors.normal(dim=2))
    _, (params, stats) = game.init(jax.random.key(1), {"x": jnp.zeros((2, 2))})
    stats |= {"counts": {"updates": jnp.int32(7)}}
    found = recalibrated(game, params, stats, batch_size=64, batches=50)
    assert found["counts"]["updates"] == 7
    u, before = found["spectral"]["Dense_0"]["u"], stats["spectral"]["Dense_0"]["u"]
    np.testing.assert_array_equal(u, before)
    of_norm = found["batch_stats"]["BatchNorm_0"]
    kernel = params["Dense_0"]["kernel"]
    v = kernel @ before
    kernel = kernel / np.linalg.norm(v / np.linalg.norm(v) @ kernel)
    np.testing.assert_allclose(of_norm["mean"], 5, atol=0.2)
    variance = 9 * (np.square(kernel).sum(axis=0)) * 63 / 64
    np.testing.assert_allclose(of_norm["var"], variance, rtol=0.06)


# --- spectral norm in an update ------------------------------------------------------


def unit(x):
    return x / np.linalg.norm(x)


def test_a_power_iteration_is_made_once_an_update_of_d():
    """Both passes of D have the same weights, and G's turn leaves the vectors alone."""
    seen = []
    base = losses.non_saturating()

    def d(d_real, d_fake):
        seen.append((d_real, d_fake))
        return base.d(d_real, d_fake)

    G = network(mlp.Generator(shape=(2,), widths=(3,)))
    D = network(mlp.Discriminator(widths=(3,), weight="spectral"))
    game = gan_game(G, D, base._replace(d=d), priors.normal(dim=2))
    start = game.init(jax.random.key(0), {"x": jnp.zeros((2, 2))})
    d_player, g_player = (Player(*player) for player in start)
    key = jax.random.key(3)
    z = priors.normal(dim=2)(jax.random.split(key, 7)[0], 4)
    fake, _ = G.apply(g_player.params, g_player.stats, z, train=True)
    arguments = {}, {"x": fake}, key
    _, (stats, _) = game.d_loss(d_player.params, d_player.stats, g_player, *arguments)
    ((d_real, d_fake),) = seen
    np.testing.assert_array_equal(d_real, d_fake)
    for layer in ("Dense_0", "Dense_1"):
        w = np.float64(d_player.params[layer]["kernel"])
        old = d_player.stats["spectral"][layer]["u"]
        once = unit(unit(w @ old) @ w)
        np.testing.assert_allclose(stats["spectral"][layer]["u"], once, rtol=1e-5)
        if layer == "Dense_0":  # the other one's vector is of a single unit
            assert np.abs(unit(unit(w @ once) @ w) - once).max() > 1e-3
    _, (of_g, _) = game.g_loss(g_player.params, g_player.stats, d_player, *arguments)
    assert of_g == {}


# --- a loss whose scores have no zero ------------------------------------------------


@pytest.mark.parametrize("experiment", ["gaussian_1d", "toy2d"])
def test_pictures_and_curves_of_a_loss_without_equilibrium(gan, tmp_path, experiment):
    """And the loss is logged without its penalty, which stands beside it."""
    outcome = gan(
        f"--config=experiments/{experiment}.py",
        f"--workdir={tmp_path}",
        "--config.loss.name=wasserstein",
        "--config.penalty.name=wgan_gp",
        "--config.generator.widths=3",
        "--config.discriminator.widths=3",
        "--config.batch_size=8",
        "--config.d_steps=1",
        "--config.steps=2",
        "--config.log_every=1",
    )
    assert outcome.status == 0, outcome.err
    for name in ("losses.png", "samples/00000000.png", "samples/00000002.png"):
        assert (tmp_path / name).is_file()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        expected = row["d_fake"] - row["d_real"]
        np.testing.assert_allclose(row["d_loss"], expected, rtol=1e-4, atol=1e-6)
        assert row["d_penalty"] > 1e-2


def test_a_loss_is_known_at_equilibrium_as_far_as_a_constant_changes_nothing():
    """Of the value at score 0 a line is drawn only where it is that of all scores."""
    known = {
        "wasserstein": (0, None),
        "relativistic": (np.log(2), np.log(2)),
        "hinge": (2, 0),
    }
    for name, values in known.items():
        found = getattr(losses, name)().losses_at_rest
        for value, expected in zip(found, values, strict=True):
            assert value == (expected if expected is None else pytest.approx(expected))


def test_no_probability_is_made_of_scores_that_are_no_logits(run):
    x = np.zeros((3, 2), np.float32)
    assert run.discriminate(x).shape == (3,)
    with pytest.raises(UsageError, match=r"scores of loss wasserstein are no logits"):
        run.discriminate(x, probability=True)


# --- priors and walks by what they are -----------------------------------------------


def own_prior(straight, independent):
    """That of a user: no name tells what it is like."""
    return priors.normal(dim=2)._replace(straight=straight, independent=independent)


@pytest.mark.parametrize("straight", [True, False])
def test_walks_are_straight_where_the_prior_is(run, tmp_path, monkeypatch, straight):
    built = run.built._replace(prior=own_prior(straight, independent=True))
    monkeypatch.setattr(
        sample, "load", lambda *_: dataclasses.replace(run, built=built)
    )
    walks = []

    def walk(stations, frames, interpolate):
        walks.append(interpolate(*stations[:2], 0.5))
        return stations[:1]

    monkeypatch.setattr(sample.latents, "walk", walk)
    flags = f"--out={tmp_path}/walk.gif", "--workdir=run", "--interpolate", "--num=3"
    sample.main(list(flags))
    z = np.asarray(run.latents(3 * sample._STATIONS)).reshape(-1, 3, 2)
    middle = (z[0] + z[1]) / 2
    near = np.abs(walks[0] - middle).max()
    assert near < 1e-6 if straight else near > 1e-2


def test_the_plane_has_its_lattice_where_coordinates_are_independent():
    z = jax.random.normal(jax.random.key(0), (500, 2))
    assert plane._lattice(own_prior(straight=True, independent=False), z) is None
    lattice = plane._lattice(own_prior(straight=False, independent=True), z)
    assert lattice.shape == (29 * 29, 2)
    np.testing.assert_allclose(np.median(lattice, axis=0), np.median(z, axis=0))


# --- what a config may say -----------------------------------------------------------


@pytest.fixture
def mine(monkeypatch):
    """Puts functions of the user's own where an entry looks for them."""

    def put(entry, source):
        module = types.ModuleType("mine")
        exec("from typing import Literal\nimport optax\n" + source, module.__dict__)
        place = resolve.ENTRIES[entry]._replace(module=module)
        monkeypatch.setitem(resolve.ENTRIES, entry, place)

    return put


def test_a_text_may_be_called_what_elsewhere_is_a_number(mine):
    keywords = "size: Literal['small', 'big'] = 'big', limit: str = '', k: str = ''"
    mine("loss", f"def own(*, {keywords}): ...")
    config, _ = load_experiment("experiments/digits.py")
    with config.unlocked():
        config.loss = {"name": "own", "size": "small", "limit": "none", "k": "five"}
    validate(config)
    override(config, [("discriminator.norm", "layer"), ("loss.size", "big")])
    validate(config)
    with config.unlocked():
        config.loss.size = "huge"
    with pytest.raises(UsageError, match=r"size='huge': expected small or big"):
        validate(config)


def test_flags_and_counts_of_a_constraint_shape_the_program(mine):
    keywords = "limit: float = 1.0, strict: bool = False, rows: int = 3, by: str = 'l2'"
    mine(
        "d_constraint",
        "def none(): return optax.identity()\n"
        f"def own(*, {keywords}): return optax.identity()",
    )
    config, _ = load_experiment("experiments/digits.py")
    given = {"limit": 2, "strict": True, "rows": 5, "by": "l1"}
    with config.unlocked():
        config.d_constraint = {"name": "own"} | given
    numbers = hparams(config)["d"]["constraint"]
    assert numbers == {"limit": 2.0}
    assert type(numbers["limit"]) is float
    structure = structure_of(config, "d_constraint")
    assert structure == {"strict": True, "rows": 5, "by": "l1"}
    of_constraint = {name for name in number_fields(config) if "constraint" in name}
    assert of_constraint == {"d_constraint.limit"}


@pytest.mark.parametrize("name", ["dcgan", "mlp"])
def test_a_penalty_beside_batch_norm_in_d_is_refused(gan, tmp_path, name):
    np.save(tmp_path / "x.npy", np.zeros((8, 16, 16), np.uint8))
    flags = ["--config.discriminator.norm=batch"] if name == "mlp" else []
    outcome = gan(
        *flags,
        "--config.data.name=arrays",
        f"--config.data.path={tmp_path}/x.npy",
        f"--config.discriminator.name={name}",
        "--config.penalty.name=r1",
        "--config.batch_size=4",
        f"--workdir={tmp_path}/run",
    )
    refused(outcome, f"penalty r1 is of D's slope .* {name} has batch norm")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_the_data_know_nothing_of_how_a_run_is_built():
    """Imported alone, in a package whose own imports are left out."""
    program = (
        "import sys, types\n"
        "package = types.ModuleType('gan_jax')\n"
        f"package.__path__ = [{str(REPOSITORY / 'gan_jax')!r}]\n"
        "sys.modules['gan_jax'] = package\n"
        "import gan_jax.data.feed\n"
        "print(*(name for name in sys.modules if name.startswith('gan_jax.')))\n"
    )
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "gan_jax.data.feed" in said.split()
    assert not {"gan_jax.build", "gan_jax.games"} & set(said.split())
