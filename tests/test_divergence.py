"""config.on_divergence: a run that goes back and on with smaller rates."""

import importlib
import json
import shutil
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gan_jax
from gan_jax import schedules
from gan_jax.config.files import load_experiment, override
from gan_jax.config.hparams import hparams
from gan_jax.config.numbers import by_field
from gan_jax.errors import DivergedError, UsageError
from gan_jax.loop import divergence
from gan_jax.loop.checkpoint import checksums
from gan_jax.loop.population import train_population
from gan_jax.sweep import plan

loop = importlib.import_module("gan_jax.loop.train")  # gan_jax.train is its function

RATE = 2e-4  # of both players


@pytest.fixture
def flags(small):
    return (
        *small,
        "--config.steps=12",
        "--config.log_every=1",
        "--config.checkpoint_every=4",
        "--config.sample_every=100",
        "--config.on_divergence=halve_rates",
        f"--config.d_optimizer.learning_rate={RATE}",
        f"--config.g_optimizer.learning_rate={RATE}",
    )


@pytest.fixture
def poison(monkeypatch):
    """G's loss at step 6 is infinite as long as its rate is above `least`."""

    def poison(least):
        original = loop.make_dispatch

        def poisoned(*arguments):
            inner = original(*arguments)

            def run(state, feed, start, stop):
                rate = float(state.hparams["g"]["learning_rate"])
                state, metrics = inner.run(state, feed, start, stop)
                bad = stop == 6 and rate > least
                return state, metrics | {"g_loss": metrics["g_loss"] * np.inf**bad}

            return inner._replace(run=run)

        monkeypatch.setattr(loop, "make_dispatch", poisoned)

    return poison


def rows(workdir):
    return [json.loads(x) for x in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_a_run_goes_back_with_half_the_rates_and_resumes_bit_for_bit(
    gan, flags, poison, tmp_path, monkeypatch
):
    one, two = tmp_path / "one", tmp_path / "two"
    poison(RATE / 3)
    outcome = gan(*flags, f"--workdir={one}")
    assert outcome.status == 0
    assert outcome.err.count("g_loss became inf at step 6; last good checkpoint: ") == 2
    assert "on from step 4 with 0.25 of the learning rates" in outcome.err
    happened = {"what": "g_loss became inf at step 6", "back_to": 4}
    record = json.loads((one / "config.json").read_text())
    assert record["divergences"] == [happened, happened]
    assert record["config"]["g_optimizer"]["learning_rate"] == RATE
    logged = {row["step"]: row.get("rate_factor") for row in rows(one)}
    assert logged == {step: 0.25 if step > 4 else None for step in range(1, 13)}
    state = gan_jax.load(one).state
    for player in "dg":
        found = float(state.hparams[player]["learning_rate"])
        np.testing.assert_allclose(found, RATE / 4, rtol=1e-6)
    # as if it was killed after it went back, and before the next checkpoint
    monkeypatch.undo()
    shutil.copytree(one, two)
    for step in (8, 12):
        shutil.rmtree(two / "checkpoints" / str(step))
    outcome = gan(*flags, f"--workdir={two}")
    assert (outcome.status, "resumes from step 4" in outcome.err) == (0, True)
    assert rows(two) == rows(one)
    assert checksums(gan_jax.load(two).state) == checksums(state)


def test_a_run_goes_back_only_so_often(gan, flags, poison, tmp_path, monkeypatch):
    poison(0.0)
    monkeypatch.setattr(divergence, "MOST", 2)
    outcome = gan(*flags, f"--workdir={tmp_path}/run")
    assert outcome.status == 3
    assert "last good checkpoint: step 4; went back 2 times already" in outcome.error
    assert int(gan_jax.load(tmp_path / "run").state.step) == 4


def test_what_is_known_depends_on_the_step_alone():
    past = [{"what": "x", "back_to": step} for step in (0, 4, 4, 8)]
    record = {"divergences": past}
    config = types.SimpleNamespace(on_divergence="halve_rates")
    stays = types.SimpleNamespace(on_divergence="stop")
    for step, known in ((0, 0), (3, 1), (4, 3), (8, 4)):
        found = divergence.known_before(record, step)
        assert len(found) == known
        assert divergence.rate_factor(config, found) == 0.5**known
        assert divergence.rate_factor(stays, found) == 1
    assert divergence.known_before(None, 4) == []
    assert divergence.known_before({}, 4) == []
    error = DivergedError("diverged: d_loss became nan at step 6; last good ...")
    with pytest.raises(DivergedError, match="became nan"):
        divergence.after(error, stays, [], 4)
    expected = divergence.Divergence("d_loss became nan at step 6", 4)
    assert divergence.after(error, config, [], 4) == [expected]


def test_the_rates_of_a_schedule_are_halved_all_through():
    """Also where it begins at rates of its own, or does not let them fall below one."""
    numbers = "d_optimizer.learning_rate", "g_optimizer.learning_rate", "penalty.gamma"
    config, _ = load_experiment("experiments/digits.py")
    override(config, [("penalty.name", "r1"), ("penalty.gamma", "0.5")])
    tried = {
        "constant": schedules.constant(),
        "linear": schedules.linear(steps=10),
        "exponential": schedules.exponential(steps=10),
        "burn_in": schedules.burn_in(
            steps=10, numbers=numbers, initial=(1e-2, 2e-2, 5.0)
        ),
    }
    like = jax.tree.map(jnp.float32, hparams(config))
    state = types.SimpleNamespace(hparams=like)
    state.replace = lambda hparams: types.SimpleNamespace(hparams=hparams)
    for name, schedule in tried.items():
        scaled = jax.jit(divergence.scaling_rates(schedule, config))
        for step in (0, 3, 9, 10, 30):
            plain = by_field(jax.jit(schedule)(like, step))
            for factor in (1.0, 0.5, 0.125):
                slower = divergence.with_rates(state, config, factor).hparams
                found = by_field(scaled(slower, step))
                assert found.keys() == plain.keys()
                for field, number in found.items():
                    share = factor if field.endswith("learning_rate") else 1.0
                    assert number == share * plain[field], (name, step, field)


def test_a_run_that_burns_in_goes_on_with_smaller_rates(
    gan, flags, poison, tmp_path, monkeypatch
):
    """Its moves are smaller, which are Adam's rates in the first steps."""
    burn_in = (
        "--config.schedule.name=burn_in",
        "--config.schedule.steps=1000",
        "--config.schedule.numbers=d_optimizer.learning_rate,g_optimizer.learning_rate",
        "--config.schedule.initial=0.01,0.01",
    )
    poison(RATE / 1.5)
    halved = tmp_path / "halved"
    outcome = gan(*flags, *burn_in, f"--workdir={halved}")
    assert outcome.status == 0, outcome.error
    assert "on from step 4 with 0.5 of the learning rates" in outcome.err
    monkeypatch.undo()
    assert gan(*flags, *burn_in, f"--workdir={tmp_path}/plain").status == 0

    def moved(workdir):
        run = [gan_jax.load(workdir, step=step).state.g.params for step in (4, 12)]
        return float(optax.tree.norm(jax.tree.map(jnp.subtract, *run)))

    assert 0.3 < moved(halved) / moved(tmp_path / "plain") < 0.75


def test_rates_that_a_config_does_not_give_cannot_be_halved(gan, tmp_path):
    halve = "--config.on_divergence=halve_rates"
    outcome = gan(
        "--config.g_optimizer.name=adafactor", halve, f"--workdir={tmp_path}/x"
    )
    assert outcome.status == 2
    assert "halve_rates needs --config.g_optimizer.learning_rate=" in outcome.error
    assert not (tmp_path / "x").exists()
    state = types.SimpleNamespace(hparams={})
    assert divergence.with_rates(state, None, 1.0) is state


def test_members_of_a_population_do_not_go_back(tmp_path):
    config, _ = load_experiment("experiments/digits.py")
    override(config, [("on_divergence", "halve_rates")])
    with pytest.raises(UsageError, match="leave it at stop, or train each alone"):
        train_population([config], [tmp_path / "run"])
    assert plan.group({"a": config, "b": config}, True) == [("a",), ("b",)]
    override(config, [("on_divergence", "stop")])
    assert plan.group({"a": config, "b": config}, True) == [("a", "b")]
