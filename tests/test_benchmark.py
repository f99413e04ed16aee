"""The benchmark measures what it says, and refuses what it cannot do."""

import json
import math
import re

import jax
import numpy as np
import pytest
from PIL import Image
from test_growing import PLAYED

from gan_jax import build
from gan_jax.benchmark import peer, scaling, tables, timing
from gan_jax.benchmark import population as members_of
from gan_jax.benchmark.ours import Ours
from gan_jax.config.files import load_experiment, override
from gan_jax.data import loading
from gan_jax.data.feed import make_feed
from gan_jax.errors import UsageError
from gan_jax.loop import parallel, population, teams
from gan_jax.loop.costs import operations
from gan_jax.loop.dispatch import make_dispatch

FAST = "--repeats=1", "--nostartup"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(timing, "_SECONDS_A_REPEAT", 0.05)


def results(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_result_for_people_and_for_machines(bench, small, tmp_path):
    outcome = bench(*small, "--repeats=3", "--nostartup", f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0
    for word in ("digits", "a step", "images/s", "of the matmul rate", "peak"):
        assert word in outcome.out
    (result,) = results(tmp_path / "r.jsonl")
    assert len(result["step_s"]) == 3
    assert 0 < min(result["step_s"]) < 1
    assert result["recompilations"] == 0
    assert result["batch_size"] == 16
    d, g = result["parameters"]["d"], result["parameters"]["g"]
    assert result["memory"]["players"] >= 3 * 4 * (d + g)  # Adam keeps two more of each
    assert result["memory"]["host_peak"] > 50 * 2**20


def test_operations_are_those_of_the_products(bench, tmp_path):
    widths = "--config.generator.widths=128", "--config.discriminator.widths=128"
    flags = *widths, "--config.prior.dim=64", "--config.batch_size=64"
    assert bench(*flags, *FAST, f"--json={tmp_path}/r.jsonl").status == 0
    (result,) = results(tmp_path / "r.jsonl")
    g_in, g_out, d_in, d_out = 64 * 128, 128 * 64, 64 * 128, 128
    # D's turn: G forward; D on both forward, and backward into weights and hidden
    # layer. G's turn: G and D forward; D backward into the images; G backward.
    d_turn = (g_in + g_out) + 2 * (2 * d_in + 3 * d_out)
    g_turn = (2 * g_in + 3 * g_out) + 2 * (d_in + d_out)
    products = 2 * 64 * (d_turn + g_turn)
    assert products < result["flops"] < 1.3 * products


def test_varied_fields_make_a_table(bench, small, tmp_path):
    vary = "--vary=batch_size=16,32"
    outcome = bench(*small, *FAST, vary, f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0
    rows = [line for line in outcome.out.splitlines() if line.startswith("| digits")]
    assert ["batch_size=16" in rows[0], "batch_size=32" in rows[1]] == [True, True]
    sizes = [result["batch_size"] for result in results(tmp_path / "r.jsonl")]
    assert sizes == [16, 32]
    shown = bench(f"--show={tmp_path}/r.jsonl")
    assert shown.out == outcome.out


def test_a_trace_is_recorded(bench, small, tmp_path):
    assert bench(*small, *FAST, f"--profile={tmp_path}/trace").status == 0
    assert list((tmp_path / "trace").rglob("*.xplane.pb"))


def test_the_time_to_the_first_step_cold_and_warm(bench, small, tmp_path):
    outcome = bench(*small, "--repeats=1", f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0
    (result,) = results(tmp_path / "r.jsonl")
    assert 0.1 < result["first_step_s"]["warm"] < 300
    assert 0.1 < result["first_step_s"]["cold"] < 300


def test_ratios_are_taken_pair_by_pair():
    assert tables._ratios([2.0, 6.0, 4.0], [1.0, 2.0, 4.0]) == "2.00 (1.00-3.00)"


@pytest.mark.parametrize(("period", "steps"), [(1, 20), (16, 16), (64, 64)])
def test_a_repeat_is_a_whole_number_of_periods(monkeypatch, period, steps):
    """Two seconds, of a side that takes 0.1 s a step, once it is compiled."""
    monkeypatch.setattr(timing, "_SECONDS_A_REPEAT", 2.0)
    taken = []

    class Side:
        def take(self, steps):
            taken.append(steps)
            return 0.1 * steps

    assert timing.warm_up({"side": Side()}, period) == {"side": steps}
    assert all(some % period == 0 for some in taken)
    assert taken[0] >= 3  # compiled, in what no repeat counts


def test_a_game_that_grows_is_timed_at_its_last_level():
    config = changed("experiments/digits.py", *PLAYED, "log_every=2")
    ours = Ours(config, loading.load_dataset(config))
    first = max(ours._dispatch.ends)
    assert first > 0
    ours.take(2)
    step = int(ours._state.g.stats["step"])
    assert step == int(ours._state.step) - 1 == ours._step - 1
    assert first < step <= first + 3


def test_a_period_holds_every_lazy_turn():
    """R1 every 16 steps and path length every 4."""
    narrow = "channel_base=28", "channel_max=4"
    sizes = [
        f"{who}.{field}" for who in ("generator", "discriminator") for field in narrow
    ]
    config = changed("experiments/mnist_stylegan2.py", "batch_size=8", *sizes)
    assert Ours(config, loading.load_dataset(config)).period == 16
    config = changed("experiments/digits.py", *TINY)
    assert Ours(config, loading.load_dataset(config)).period == 1


def test_beside_the_twin(bench, small, tmp_path):
    pytest.importorskip("torch", reason="the extra 'peers' is not installed")
    sizes = [flag for flag in small if "widths" in flag or "batch_size" in flag]
    outcome = bench(*sizes, *FAST, "--peer", f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0, outcome.err
    (result,) = results(tmp_path / "r.jsonl")
    assert len(result["peer"]["step_s"]) == 1
    ratio = result["peer"]["step_s"][0] / result["step_s"][0]
    assert f"{np.round(ratio, 2):.2f}" in outcome.out


def images(folder, n, size):
    """n images that hold two of size x size beside each other; their path."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (n, size, 2 * size, 3), np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


def of_images(folder, *entries):
    """Changes by which these entries of a config have the images of a folder."""
    fields = f"path={folder}", "split=train[:3]", "validation_split=train[3:]"
    return [f"{entry}.{field}" for entry in entries for field in fields]


TRANSLATORS = {
    "facades": (("data",), ("generator.depth=2",)),
    "facades_cyclegan": (("data", "other"), ("generator.blocks=1", "game.pool=1")),
}


@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_twin_of_a_translator_trains_on_what_ours_does(tmp_path, name):
    """Pairs, or two sets; of any size, where the config gives one."""
    pytest.importorskip("torch", reason="the extra 'peers' is not installed")
    entries, small = TRANSLATORS[name]
    changes = [
        *("generator.width=2", "discriminator.width=2", "discriminator.layers=1"),
        *(*small, *of_images(images(tmp_path / "x", 4, 16), *entries)),
        *(f"{entry}.size=12" for entry in entries),
    ]
    twin = peer.find_twin(f"{name}.py", [change.split("=") for change in changes])
    config = changed(f"experiments/{name}.py", *changes)
    theirs = peer.Theirs(twin, config, loading.load_dataset(config), compiled=False)
    try:
        assert theirs.ready["parameters"].keys() == {"d", "g"}
        assert theirs.take(2) > 0
    finally:
        theirs.close()


def test_a_twin_is_given_each_set_as_it_is_stored(tmp_path):
    """Pairs joined, two sets apart, nothing mirrored or moved."""
    folder = images(tmp_path / "x", 5, 8)
    config = changed("experiments/facades.py", *of_images(folder, "data"))
    dataset = loading.load_dataset(config)
    (pairs,) = peer._scaled(dataset, True)
    assert pairs.shape == (3, 8, 8, 6)
    for part, name in zip(np.split(pairs, 2, axis=-1), ("input", "x"), strict=True):
        pixels = np.asarray(dataset.arrays[name], np.float32)
        np.testing.assert_allclose(part, pixels / 127.5 - 1, atol=1e-6)

    given = of_images(folder, "data", "other")
    config = changed("experiments/facades_cyclegan.py", *given, "data.split=train[:2]")
    dataset = loading.load_dataset(config)
    for given, arrays in zip(
        peer._scaled(dataset, False), dataset.sets(dataset.arrays), strict=True
    ):
        pixels = np.asarray(arrays["x"], np.float32)
        np.testing.assert_allclose(given, pixels / 127.5 - 1, atol=1e-6)


def test_a_twin_translates_between_images_of_one_shape(tmp_path):
    folder = images(tmp_path / "x", 5, 8)
    given = of_images(folder, "data")
    config = changed("experiments/facades.py", *given)
    dataset = loading.load_dataset(config)
    info = dataset.info | {"input": [8, 8, 1]}
    with pytest.raises(UsageError, match="not from \\[8, 8, 1\\] to \\[8, 8, 3\\]"):
        peer._scaled(dataset._replace(info=info), True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peer", "--config.data.dequantize=true"], "not follow config.data.deq"),
        (["--config=experiments/own_images.py", "--peer"], "no PyTorch twin of own_im"),
        (["--peer", "--config.prior.dim=7", "--config.loss.name=saturating"], "follow"),
        (["--vary=batch_size"], "--vary=batch_size: expected FIELD=VALUE"),
        (["--vary=batchsize=3"], "batch_size"),
        (["--show=nothing.jsonl"], "nothing.jsonl"),
        (["--repeats=0"], "repeats"),
        (["--population=4,x"], "--population=4,x: expected numbers of members"),
        (["--population=0"], "--population=0: expected numbers of members"),
        (["--population=2", "--peer"], "--population and --peer do not go together"),
        (["--scaling", "--population=2"], "--population and --scaling do not go"),
        (["--scaling", "--profile=x"], "--scaling and --profile do not go together"),
        (["--config.batch_size=0"], "batch_size"),
        (["--config.batch_size=5000"], "batch_size=5000 is larger than the data"),
        (["--config.batch_size=5000", "--scaling"], "larger than the data"),
        (["--config.batch_size=5000", "--population=2"], "larger than the data"),
        (["--json=nowhere/x.jsonl"], "--json=nowhere/x.jsonl: No such file"),
        (["--show=pyproject.toml"], "a line is no result of --json"),
    ],
)
def test_what_cannot_be_measured_is_one_line(bench, arguments, message):
    if "own_images" in arguments[0]:
        arguments = [*arguments, "--config.data.path=."]
    outcome = bench(*arguments)
    assert outcome.status == 2
    assert message in outcome.error
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("line", ["1", "{}", '{"kind": "training"}'])
def test_what_is_no_result_is_not_shown(bench, tmp_path, line):
    (tmp_path / "r.jsonl").write_text(line + "\n")
    outcome = bench(f"--show={tmp_path}/r.jsonl")
    assert outcome.status == 2
    assert "a line is no result of --json" in outcome.error


def test_a_twin_is_found_by_an_experiment_s_short_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = peer.find_twin("digits.py", [])
    assert found == peer.find_twin("experiments/digits.py", [])
    assert found.name == "digits.py"
    assert "FOLLOWS" in found.read_text()


def test_a_twin_trains_in_the_python_that_is_named(bench, tmp_path):
    python = tmp_path / "python"
    missing = bench(*FAST, f"--peer_python={python}")
    assert missing.status == 2
    assert f"--peer_python={python}: No such file" in missing.error
    python.write_text('#!/bin/sh\necho "$0 $2" >&2\nexit 2\n')
    python.chmod(0o755)
    outcome = bench(*FAST, f"--peer_python={python}")
    assert outcome.status == 2
    assert f"{python} digits" in outcome.error


def test_without_pytorch_the_extra_is_named(bench, small, tmp_path, monkeypatch):
    """The twin's process finds a torch that cannot be imported."""
    (tmp_path / "torch.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = bench(*FAST, "--peer")
    assert outcome.status == 2
    assert "pip install -e '.[peers]'" in outcome.error


# populations


def changed(path, *changes):
    """The config of an experiment with changes, FIELD=VALUE."""
    config, _ = load_experiment(path)
    override(config, [tuple(change.split("=")) for change in changes])
    return config


TINY = (
    "batch_size=16",
    "generator.widths=16",
    "discriminator.widths=16",
    "prior.dim=8",
    "devices=1",
)


def test_populations_beside_the_same_runs_alone(bench, small, tmp_path, monkeypatch):
    monkeypatch.setattr(teams, "members_that_fit", lambda *built: 3)
    flags = "--population=3,4", "--config.devices=1", "--repeats=2"
    outcome = bench(*small, *flags, f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0, outcome.err
    assert "a population of 4 is left out: memory holds 3 members" in outcome.err
    (result,) = results(tmp_path / "r.jsonl")
    assert (result["members"], result["taken"]) == (3, "side_by_side")
    times = result["member_step_s"]
    assert times.keys() == {"alone", "side_by_side", "in_turns"}
    assert [len(repeats) for repeats in times.values()] == [2, 2, 2]
    assert 0 < min(map(min, times.values())) < 1
    ratios = np.divide(times["alone"], times["side_by_side"])
    assert f"{np.median(ratios):.2f} (" in outcome.out
    assert outcome.out == bench(f"--show={tmp_path}/r.jsonl").out


def test_the_time_of_a_member_is_its_share(monkeypatch):
    """Of sides that take 6 s a step, three members take 2 s each."""
    monkeypatch.setattr(timing, "warm_up", lambda sides, _: dict.fromkeys(sides, 1))
    monkeypatch.setattr(
        timing, "alternate", lambda sides, steps, n: dict.fromkeys(sides, [6.0] * n)
    )
    config = changed("experiments/digits.py", *TINY)
    (found,) = members_of.measure(config, loading.load_dataset(config), [3], 2)
    times = {"alone": [6.0, 6.0], "side_by_side": [2.0, 2.0], "in_turns": [2.0, 2.0]}
    assert found["member_step_s"] == times


def test_members_differ_in_seed_and_learning_rates():
    config = changed("experiments/digits.py", "seed=5")
    configs = members_of.members(config, 4)
    assert configs[0].to_dict() == config.to_dict()
    assert [member.seed for member in configs] == [5, 6, 7, 8]
    for player in "d_optimizer", "g_optimizer":
        rates = [member[player].learning_rate for member in configs]
        assert rates == pytest.approx(5e-4 * 10 ** (-np.arange(4) / 4))
    assert len({population.structure(member) for member in configs}) == 1


def test_populations_run_the_programs_of_runs():
    """In turns, that of each run; side by side, one with the operations of all."""
    config = changed("experiments/digits.py", *TINY)
    dataset = loading.load_dataset(config)
    built = build.build(config, dataset.info, dataset.mean)
    alone = Ours(config, dataset).programs()

    def programs(way, n):
        configs = members_of.members(config, n)
        return members_of.ready(way, configs, built, dataset).programs()

    def text(program, arguments, times):
        return program.lower(*arguments).as_text()

    (run,), (member,) = alone, programs(teams.in_turns, 1)
    assert text(*member) == text(*run)
    assert {text(*part) for part in programs(teams.in_turns, 3)} == {text(*run)}
    one = operations(alone)
    assert operations([(*run[:2], 9)]) == 9 * one  # called nine times a step
    assert operations(programs(teams.in_turns, 3)) == 3 * one
    together = operations(programs(teams.side_by_side, 3))
    assert together == pytest.approx(3 * one, rel=0.02)


# the estimate of scaling

SHAPES = {"toy2d": (2,), "mnist_lsgan": (28, 28, 1), "cifar_dcgan": (32, 32, 3)}
CONVOLUTIONAL = "generator.width=4", "discriminator.width=4"
EXCHANGES = {
    "MLPs, turns of D": ("toy2d", ("d_steps=3",)),
    "parts": ("toy2d", ("accumulate=2",)),
    "batch norm in G": ("mnist_lsgan", CONVOLUTIONAL),
    "and in D, turns of both": ("cifar_dcgan", (*CONVOLUTIONAL, "g_steps=2")),
}


@pytest.mark.parametrize("case", EXCHANGES)
def test_exchanged_bytes_are_those_of_the_compiled_step(case, tmp_path):
    """On two devices: the sizes of all sums over them."""
    name, changes = EXCHANGES[case]
    config = changed(f"experiments/{name}.py", *changes, "devices=2", "batch_size=16")
    shape = SHAPES[name]
    if len(shape) == 3:
        np.save(tmp_path / "x.npy", np.zeros((16, *shape), np.uint8))
        path = ("data.path", f"{tmp_path}/x.npy")
        override(config, [("data.name", "arrays"), path])
    mesh = parallel.data_mesh(config)
    dataset = loading.load_dataset(config)
    built = build.build(config, dataset.info, dataset.mean)
    state = jax.eval_shape(lambda: build.initial_state(config, built))
    feed = make_feed(config, dataset, mesh)
    dispatch = make_dispatch(config, built, dataset, mesh)
    ((program, arguments, _),) = dispatch.programs(state, feed)
    with parallel.within(mesh):
        compiled = program.lower(*arguments).compile().as_text()

    sums = re.findall(r"= (.*?) all-reduce(?:-start)?\(", compiled)
    sizes = [
        4 * math.prod(int(n) for n in dims.split(",") if n)
        for shapes in sums
        for dims in re.findall(r"f32\[([\d,]*)\]", shapes)
    ]
    turns = config.d_steps, config.g_steps, config.accumulate
    expected = scaling.exchanged(state, *turns)
    assert sum(sizes) == sum(expected.values())
    most = scaling.all_reduces(state, *turns)
    assert 0.8 * most <= len(sums) <= most


def shapes(scale):
    """A state of players with so many times the parameters."""
    config = changed("experiments/digits.py", *TINY)
    info = {"shape": (8, 8, 1), "classes": ()}
    built = build.build(config, info, lambda: np.zeros((8, 8, 1)))
    state = jax.eval_shape(lambda: build.initial_state(config, built))

    def longer(leaf):
        return jax.ShapeDtypeStruct((scale, *leaf.shape), leaf.dtype)

    d, g = (
        player.replace(params=jax.tree.map(longer, player.params))
        for player in (state.d, state.g)
    )
    return state.replace(d=d, g=g)


def test_gradients_exchanged_are_as_many_as_parameters():
    one, two = (scaling.exchanged(shapes(n), 1, 1)["gradients"] for n in (1, 2))
    assert two == 2 * one
    more = scaling.exchanged(shapes(1), 3, 2)["gradients"]
    d_turns = scaling.exchanged(shapes(1), 2, 1)["gradients"] - one
    assert more == 2 * one + d_turns


def test_an_exchange_has_the_time_of_a_ring():
    assert scaling.transfer(1e9, 1, 1) == 0
    assert scaling.latency(1, 1) == 0
    assert scaling.transfer(1e9, 1, 2) == 1e9 / scaling.NVLINK
    many = scaling.transfer(1e9, 4096, 8)
    assert many == pytest.approx(2e9 / scaling.NETWORK, rel=1e-4)
    assert scaling.transfer(2e9, 1, 8) == 2 * scaling.transfer(1e9, 1, 8)
    # each doubling of the hosts is one more hop up and one down
    longer = scaling.latency(16, 8) - scaling.latency(8, 8)
    assert longer == pytest.approx(2 * scaling.NETWORK_LATENCY)


def test_an_estimate_is_made_of_operations_and_exchange(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "CLUSTERS", [(1, 1), (1, 8), (256, 8)])
    flags = "--scaling", "--vary=batch_size=64,128", f"--json={tmp_path}/r.jsonl"
    outcome = bench(*flags)
    assert outcome.status == 0, outcome.err
    assert "An estimate, not a measurement" in outcome.out
    assert outcome.out == bench(f"--show={tmp_path}/r.jsonl").out
    small, large = results(tmp_path / "r.jsonl")
    assert small["bytes"] == large["bytes"]
    assert small["compute_s"] == small["flops"] / (0.3 * 495e12)
    for result in (small, large):
        efficiencies = [cluster["efficiency"] for cluster in result["clusters"]]
        assert efficiencies[0] == 1
        assert 0 < efficiencies[2] < efficiencies[1] < 1
        whole = result["compute_s"] + result["clusters"][1]["exchange_s"]
        assert efficiencies[1] == result["compute_s"] / whole
        assert f"{efficiencies[2]:.1%}" in outcome.out
    # the larger the minibatch of each GPU, the less exchange matters
    assert small["clusters"][1]["efficiency"] < large["clusters"][1]["efficiency"]


def test_operations_are_rated_by_their_precision(bench, tmp_path):
    """bfloat16 has twice the rate of TF32, and that 7.4 times the rate of float32."""
    seconds = {}
    for flag in ("dtype=bfloat16", "matmul_precision=high", "matmul_precision=highest"):
        path = tmp_path / f"{flag}.jsonl"
        outcome = bench("--scaling", f"--config.{flag}", f"--json={path}")
        assert outcome.status == 0, outcome.err
        (result,) = results(path)
        seconds[flag] = result["compute_s"] / result["flops"]
    bfloat16, tf32, float32 = seconds.values()
    assert tf32 / bfloat16 == pytest.approx(2, rel=0.01)
    assert float32 / tf32 == pytest.approx(7.4, rel=0.01)


def test_results_of_every_kind_are_shown(bench, small, tmp_path):
    """A table for each; lines of older versions are of training."""
    path = tmp_path / "r.jsonl"
    json_flag = f"--json={path}"
    assert bench(*small, "--scaling", json_flag).status == 0
    flags = *small, *FAST, "--config.devices=1"
    assert bench(*flags, "--population=1", json_flag).status == 0
    assert bench(*flags, json_flag).status == 0
    scaled, peopled, trained = results(path)
    del trained["kind"]
    path.write_text("".join(json.dumps(r) + "\n" for r in (scaled, peopled, trained)))
    shown = bench(f"--show={path}").out
    headers = [line for line in shown.splitlines() if line.startswith("| experiment")]
    assert len(headers) == 3
    assert ["ms a step" in headers[0], "members" in headers[1]] == [True, True]
    assert "GFLOP a step" in headers[2]
