"""What a training would take, told before it: tables, operations, memory."""

import math
import re

import jax
import numpy as np
import pytest
from test_every_game import BRIEF, GAMES
from test_main import refused

from gan_jax import build, models
from gan_jax.config.files import load_experiment, override
from gan_jax.data.dataset import make_dataset
from gan_jax.data.feed import feed_of_shapes, make_feed
from gan_jax.data.loading import load_dataset
from gan_jax.data.scaling import identity
from gan_jax.data.source import Source
from gan_jax.data.stream import Records
from gan_jax.loop import costs, dry_run, parallel
from gan_jax.loop.dry_run import of_layers


def changed(*changes):
    config, _ = load_experiment("experiments/digits.py")
    override(config, [tuple(change.split("=", 1)) for change in changes])
    return config


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, np.float32)


def test_a_table_of_layers():
    params = {
        "Conv_10": {"kernel": shape(3, 3, 1, 4)},
        "Conv_9": {"kernel": shape(3, 3, 2, 1), "bias": shape(4)},
        "Block_0": {"Dense_0": {"kernel": shape(200, 6)}},
        "basis": shape(4, 5),
        "scale": shape(),
    }
    rows = of_layers("generator x", params).splitlines()
    cells = [re.split(r"  +", row.strip()) for row in rows if not row.startswith("--")]
    assert cells == [
        ["generator x", "parameters"],
        ["Block_0/Dense_0", "kernel 200x6", "1,200"],
        ["Conv_9", "bias 4, kernel 3x3x2x1", "22"],
        ["Conv_10", "kernel 3x3x1x4", "36"],
        ["basis", "basis 4x5", "20"],
        ["scale", "scale a number", "1"],
        ["together", "1,279"],
    ]


def mebibytes(out, name):
    """What stands beside a name in the table of memory."""
    (found,) = re.findall(rf"^{name} +([\d,.]+) MiB$", out, re.MULTILINE)
    return float(found.replace(",", ""))


def test_nothing_is_written_and_memory_is_that_of_the_run(
    gan, small, tmp_path, monkeypatch
):
    """On two devices, and with two lines more where memory does not suffice."""
    monkeypatch.chdir(tmp_path)
    flags = *small, "--config.devices=2", "--config.generator.widths=512,512"
    flags = *flags, "--config.ema_decay=0.9", "--dry_run"
    outcome = gan(*flags)
    assert outcome.status == 0, outcome.err
    assert list(tmp_path.iterdir()) == []
    config = changed(*(flag.removeprefix("--config.") for flag in flags[:-1]))
    built = build.build(config, {"shape": (8, 8, 1), "classes": ()}, None)
    state = build.initial_state(config, built)
    for player in state.d, state.g:
        n = sum(leaf.size for leaf in jax.tree.leaves(player.params))
        assert re.search(rf"^together +{n:,}$", outcome.out, re.MULTILINE)
    expected = {
        "parameters": (state.d.params, state.g.params),
        "optimizers": (state.d.opt_state, state.g.opt_state),
        "average of G": state.g_ema,
    }
    for name, part in expected.items():
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(part)) / 2**20
        assert mebibytes(outcome.out, name) == pytest.approx(size, abs=0.051)
    needed = mebibytes(outcome.out, "together")
    # all of the state twice, and at least the gradients of G
    assert needed > 2 * mebibytes(outcome.out, "copy of these, to be saved")
    assert "devices: 2 of 2, 2 for a minibatch, 8 examples each" in outcome.out
    assert "it fits: a device has" in outcome.out
    time = r"^time: ([\d.e+]+) ms a step, (\d+):(\d+) for"
    ((each, minutes, rest),) = re.findall(time, outcome.out, re.MULTILINE)
    training = float(each) / 1e3 * config.steps
    assert 60 * int(minutes) + int(rest) == pytest.approx(training, rel=0.01, abs=1)
    assert training > 0

    monkeypatch.setattr(costs, "free_memory", lambda devices: [2**20] * len(devices))
    monkeypatch.setattr(costs, "temporary", lambda programs, mesh: 0)
    outcome = gan(*flags)
    assert outcome.status == 2
    assert "gan_jax: it does not fit: a device needs" in outcome.error
    assert "1.0 MiB free" in outcome.error
    assert "generator mlp" in outcome.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("game", ["cyclegan", "bigan"])
def test_players_of_several_networks(gan, tmp_path, monkeypatch, game):
    own = str(models.__path__[0]).replace("gan_jax/models", "tests/models")
    monkeypatch.setattr(models, "__path__", [*models.__path__, own])
    monkeypatch.setattr(costs, "temporary", lambda programs, mesh: 0)  # no compiling
    monkeypatch.setattr(dry_run, "_seconds_a_step", lambda config, dataset: 0.25)
    flags = *BRIEF, f"game.name={game}", *GAMES[game]
    given = [f"--config.{flag}" for flag in flags]
    outcome = gan(*given, f"--workdir={tmp_path}/run", "--dry_run")
    assert outcome.status == 0, outcome.err
    network = {"cyclegan": "F/Dense_0", "bigan": "E/Dense_0"}[game]
    assert re.search(rf"^{network} ", outcome.out, re.MULTILINE)
    (flops,) = re.findall(r"operations of a step: ([\d.e-]+) GFLOP", outcome.out)
    assert float(flops) > 0
    assert "time: 250 ms a step, " in outcome.out
    assert not (tmp_path / "run").exists()


def streamed():
    pixels = np.arange(24 * 4, dtype=np.float32).reshape(24, 4)

    def read(rows, names):
        return {"x": pixels[rows]}

    records = Records(read, np.arange(24), {"x": ((4,), np.dtype(np.float32))})
    return make_dataset(Source(records["x"]), identity())


def in_memory():
    return make_dataset(Source(np.zeros((24, 4), np.float32)), identity())


@pytest.mark.parametrize("data", [streamed, in_memory])
def test_shapes_are_those_of_what_a_run_is_fed(data):
    config, dataset = changed("batch_size=8", "d_steps=2", "devices=2"), data()
    mesh = parallel.data_mesh(config)
    feed = make_feed(config, dataset, mesh)
    found = feed_of_shapes(config, dataset, mesh).fetch(0, 1)
    expected = feed.fetch(0, 1)
    feed.close()
    np.testing.assert_array_equal(found[1], expected[1])
    for name, leaf in found[0].items():
        other = expected[0][name]
        assert (leaf.shape, leaf.dtype) == (other.shape, other.dtype)
        assert leaf.sharding.is_equivalent_to(other.sharding, leaf.ndim)
        share = math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        assert share == other.addressable_data(0).nbytes


def test_operations_are_those_of_the_parts_together():
    """Which a CPU does not have in a loop, of which XLA would count one round."""
    config = changed("batch_size=64", "accumulate=4")
    dataset = load_dataset(config)
    built = build.build(config, dataset.info, dataset.mean)
    mesh = parallel.one_device(jax.devices()[0])
    parts = costs.operations(costs.programs(config, built, dataset, mesh))
    assert costs.operations_of_step(config, dataset) == pytest.approx(parts, rel=0.05)


def test_it_is_of_one_host(gan, tmp_path):
    refused(gan("--dry_run", "--multihost", f"--workdir={tmp_path}/run"), "one host")
