"""A run from end to end: its files, its resumption, its endings."""

import importlib
import json
import os
import re
import shutil
import signal
import time

import jax
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import build, cli, main
from gan_jax.config.files import load_experiment, override
from gan_jax.data import loading
from gan_jax.loop import dispatch, observe
from gan_jax.loop.checkpoint import saved_steps
from gan_jax.loop.log import Album, MetricLog
from gan_jax.loop.signals import Signals
from gan_jax.state import keys_of

loop = importlib.import_module("gan_jax.loop.train")  # gan_jax.train is its function


def leaves(state):
    """Every array of a state as bytes, by its path."""

    def content(leaf):
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return leaf.shape, str(leaf.dtype), np.asarray(leaf).tobytes()

    flat = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): content(leaf) for path, leaf in flat}


def assert_same_run(workdir, expected):
    """Equal to the last bit: the final state, and what was logged."""
    one, other = (leaves(gan_jax.load(path).state) for path in (workdir, expected))
    assert len(one) > 10
    assert one == other
    logged = (workdir / "metrics.jsonl").read_bytes()
    assert logged == (expected / "metrics.jsonl").read_bytes()


def rows(workdir):
    return [json.loads(x) for x in (workdir / "metrics.jsonl").read_text().splitlines()]


def content(folder):
    """Every file below a folder, its lock aside."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


STEPS = (
    "--config.steps=12",
    "--config.log_every=1",
    "--config.checkpoint_every=8",
    "--config.sample_every=3",
)


@pytest.fixture
def flags(small):
    return (*small, *STEPS)


@pytest.fixture(scope="module")
def uninterrupted(small, tmp_path_factory):
    """The run that those of this file are measured by; not to be changed."""
    workdir = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert cli.run(main.main, [*small, *STEPS, f"--workdir={workdir}"]) == 0
    return workdir


@pytest.fixture
def copy(uninterrupted, tmp_path):
    """A copy of that run, to be changed."""
    return shutil.copytree(uninterrupted, tmp_path / "run")


# What a run says and writes


def test_the_first_lines_say_what_is_trained_where(gan, flags, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = gan(*flags, "--config.steps=1")
    versions, data, labels, *rest = outcome.err.splitlines()[:6]
    networks, devices, workdir = rest
    assert (outcome.status, outcome.out) == (0, "")
    assert f"gan_jax {gan_jax.__version__}, jax {jax.__version__}, " in versions
    assert f"{jax.device_count()} x cpu" in versions
    assert "1,797 examples of 8x8x1" in data
    assert labels == "labels: 10 classes: 0 to 9"
    # 8 -> 16 -> 64 and 64 -> 16 -> 1, with biases
    assert "generator: mlp, 1,232 parameters" in networks
    assert "discriminator: mlp, 1,057 parameters" in networks
    assert devices == "devices: 1 of 2, 1 for a minibatch, 16 examples each"
    assert workdir == "work directory: runs/digits, starts fresh"
    last = outcome.err.splitlines()[-1]
    assert re.fullmatch(
        r"done: 1 steps, in runs/digits; [\d:]+, [\d.e+]+ GiB of memory", last
    )
    assert (tmp_path / "runs" / "digits" / "config.json").is_file()
    assert "already trained to step 1;" in gan(*flags, "--config.steps=1").err


def test_a_work_directory_holds_all_of_a_run(uninterrupted):
    names = {path.name for path in uninterrupted.iterdir()} - {".lock"}
    assert names == {
        *("config.json", "metrics.jsonl", "tensorboard", "samples", "samples.gif"),
        *("losses.png", "checkpoints", "times.jsonl"),
    }
    record = json.loads((uninterrupted / "config.json").read_text())
    assert record["experiment"] == "digits"
    assert record["config"]["generator"] == {"name": "mlp", "widths": [16]}
    assert record["versions"]["gan_jax"] == gan_jax.__version__
    assert record["versions"]["jax"] == jax.__version__
    assert len(record["devices"]) == jax.device_count()
    assert record["data"]["shape"] == [8, 8, 1]
    assert [row["step"] for row in rows(uninterrupted)] == list(range(1, 13))
    assert saved_steps(uninterrupted / "checkpoints") == [8, 12]
    pictures = sorted(path.name for path in (uninterrupted / "samples").iterdir())
    assert pictures == [f"{step:08d}.png" for step in (0, 3, 6, 9, 12)]
    (events,) = (uninterrupted / "tensorboard").iterdir()
    assert b"d_loss" in events.read_bytes()


def frames(path):
    with Image.open(path) as animation:
        made = []
        for i in range(animation.n_frames):
            animation.seek(i)
            made.append(np.asarray(animation.convert("L"), int))
    return made


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), int)


def test_pictures_show_the_same_latents_all_along(uninterrupted):
    """What the picture of a step shows is G of latents that do not depend on it."""
    early, late = (gan_jax.load(uninterrupted, step) for step in (8, 12))
    key = keys_of(late.config.seed)["samples"]
    z = late.game.latents(key, {"x": np.empty((4, 0))})
    expected = gan_jax.pictures.grid(late.generate(z), 2, 2)[..., 0]
    shown = pixels(uninterrupted / "samples" / "00000012.png")
    assert np.abs(shown - expected).max() <= 1
    other = gan_jax.pictures.grid(early.generate(z), 2, 2)[..., 0]
    assert np.abs(shown - other.astype(int)).max() > 1


def test_the_animation_shows_every_picture(uninterrupted):
    made = frames(uninterrupted / "samples.gif")
    files = sorted((uninterrupted / "samples").iterdir())
    assert len(made) == len(files) == 5
    for frame, file in zip(made, files, strict=True):
        assert np.abs(frame - pixels(file)).max() <= 8  # a GIF has 256 colours


# Resuming


def logged_after_a_checkpoint(workdir):
    saved = saved_steps(workdir / "checkpoints")
    return saved and rows(workdir)[-1]["step"] >= saved[-1] + 3


def wait_until(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_bit_for_bit_the_same(
    start, finish, gan, small, tmp_path
):
    """train(2n) = train(n), then train(2n) killed in the middle, then train(2n)."""
    often = "--config.log_every=1", "--config.checkpoint_every=100"
    base = ("-m", "gan_jax.main", *small, *often, "--config.sample_every=100")
    half, whole = "--config.steps=200", "--config.steps=400"
    one = start(*base, whole, "--workdir=one")
    assert finish(start(*base, half, "--workdir=two")).status == 0
    assert finish(one).status == 0
    killed = start(*base, whole, "--workdir=two")
    two, checkpoints = tmp_path / "two", tmp_path / "two" / "checkpoints"
    wait_until(
        lambda: saved_steps(checkpoints)[-1] > 200 and logged_after_a_checkpoint(two),
        killed,
    )
    killed.kill()
    assert finish(killed).status == -signal.SIGKILL
    newest = saved_steps(checkpoints)[-1]
    assert 200 < newest < rows(two)[-1]["step"] < 400
    with (two / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4')  # as if torn in the middle of a line
    last = finish(start(*base, whole, "--workdir=two"))
    assert f"resumes from step {newest}" in last.err
    assert_same_run(two, tmp_path / "one")
    assert rows(two)[-1]["step"] == 400
    assert [len(frames(p / "samples.gif")) for p in (tmp_path / "one", two)] == [5, 5]
    again = gan(*base[2:], whole, f"--workdir={two}")
    assert (again.status, "already trained to step 400" in again.err) == (0, True)


def test_sigterm_saves_and_a_second_run_is_refused_meanwhile(
    start, finish, gan, small, tmp_path
):
    flags = (*small, "--config.log_every=10", f"--workdir={tmp_path}/run")
    endless = "--config.steps=1000000", "--config.checkpoint_every=1000000"
    process = start("-m", "gan_jax.main", *flags, *endless)
    log = tmp_path / "run" / "metrics.jsonl"
    wait_until(lambda: log.exists() and log.stat().st_size, process)
    refused = gan(*flags, "--config.steps=1")
    assert refused.status == 2
    assert f"{tmp_path}/run is in use by another process" in refused.error
    process.terminate()
    outcome = finish(process)
    assert outcome.status == 143
    (step,) = saved_steps(tmp_path / "run" / "checkpoints")
    last = outcome.err.splitlines()[-1]
    assert f"interrupted and saved at step {step:,}; the same command goes on" in last
    more = f"--config.steps={step + 5}"
    assert gan(*flags, more).status == 0
    assert gan(*flags, more, f"--workdir={tmp_path}/straight").status == 0
    assert_same_run(tmp_path / "run", tmp_path / "straight")


@pytest.mark.parametrize("moment", ["log", "paint"])
def test_ctrl_c_at_any_moment_saves_and_the_run_goes_on(
    gan, flags, uninterrupted, tmp_path, monkeypatch, moment
):
    """The signal comes while the loop logs or paints, at a step that saves nothing."""
    owner, name = {"log": (MetricLog, "write"), "paint": (Album, "add")}[moment]
    original = getattr(owner, name)

    def interrupt(self, step, *rest):
        original(self, step, *rest)
        if step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, interrupt)
        outcome = gan(*flags, f"--workdir={tmp_path}/run")
    assert outcome.status == 130
    assert signal.getsignal(signal.SIGINT) is handler
    (step,) = saved_steps(tmp_path / "run" / "checkpoints")
    assert 6 <= step < 8
    assert f"saved at step {step};" in outcome.error
    outcome = gan(*flags, f"--workdir={tmp_path}/run")
    assert f"resumes from step {step}" in outcome.err
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_log_that_cannot_be_opened_leaves_nothing_open(
    gan, flags, tmp_path, monkeypatch
):
    entered, left = [], []

    class Watched(observe.Checkpoints):
        def __enter__(self):
            entered.append(self)
            return super().__enter__()

        def __exit__(self, *error):
            left.append(self)
            super().__exit__(*error)

    monkeypatch.setattr(observe, "Checkpoints", Watched)
    (tmp_path / "metrics.jsonl").mkdir()
    outcome = gan(*flags, f"--workdir={tmp_path}")
    assert outcome.status == 1
    assert "metrics.jsonl cannot be used: Is a directory" in outcome.err
    assert len(entered) == 1
    assert left == entered


def test_a_second_ctrl_c_stops_at_once(gan, flags, tmp_path, monkeypatch):
    def interrupt_twice(self, step, *rest):
        if step == 10:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(MetricLog, "write", interrupt_twice)
    outcome = gan(*flags, f"--workdir={tmp_path}/run")
    assert outcome.status == 130
    assert "Traceback" not in outcome.err
    assert saved_steps(tmp_path / "run" / "checkpoints") == [8]


def test_a_second_sigterm_at_once_is_the_first_and_a_later_one_is_not(monkeypatch):
    """A tree of processes is ended by telling each; a parent tells its children."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with Signals() as signals:
        assert signals.received(0) is None
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received(1) == signal.SIGTERM
        now[0] += 1.5
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_finished_run_trains_on_only_if_steps_grew(gan, flags, copy, tmp_path):
    before = content(copy)
    outcome = gan(*flags, f"--workdir={copy}")
    assert outcome.status == 0
    assert "already trained to step 12; a larger --config.steps trains on" in (
        outcome.err
    )
    assert content(copy) == before
    more = "--config.steps=15", "--config.checkpoint_every=5", "--config.sample_every=5"
    outcome = gan(*flags, *more, f"--workdir={copy}")
    assert "resumes from step 12" in outcome.err
    assert gan(*flags, *more, f"--workdir={tmp_path}/straight").status == 0
    assert_same_run(copy, tmp_path / "straight")
    assert json.loads((copy / "config.json").read_text())["config"]["steps"] == 15


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--config.batch_size=32"], "batch_size: 16 -> 32"),
        (["--config.seed=1"], "seed: 0 -> 1"),
        (["--config.ema_decay=0.9"], "ema_decay: 0.0 -> 0.9"),
        (
            ["--config.loss.name=saturating", "--config.data.flip=true"],
            "data.flip: absent -> True; loss.name: non_saturating -> saturating",
        ),
        (["--config=default.py"], "a run of experiment digits, not of default"),
    ],
)
def test_another_run_s_work_directory_is_refused(gan, flags, copy, changes, message):
    before = content(copy)
    outcome = gan(*flags, *changes, f"--workdir={copy}", "--config.steps=20")
    assert outcome.status == 2
    assert message in outcome.error
    assert "choose another --workdir" in outcome.error
    assert content(copy) == before


def test_a_run_does_not_go_on_with_other_data(gan, tmp_path):
    """A folder that has grown, a file that was replaced: the config is the same."""
    points = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", points)
    flags = (
        "--config=experiments/toy2d.py",
        "--config.data.name=arrays",
        f"--config.data.path={tmp_path}/x.npy",
        "--config.scaling.name=symmetric",
        "--config.batch_size=16",
        f"--workdir={tmp_path}/run",
    )
    assert gan(*flags, "--config.steps=2").status == 0
    before = content(tmp_path / "run")
    for other, said in ((points[:200], "fitted, size"), (5 * points, "fitted")):
        np.save(tmp_path / "x.npy", other)
        outcome = gan(*flags, "--config.steps=4")
        assert outcome.status == 2
        assert f"holds a run on other data (changed: {said})" in outcome.error
        assert content(tmp_path / "run") == before
    # the last digits of what is fitted are not the same on every machine
    np.save(tmp_path / "x.npy", points * np.float32(1 + 1e-6))
    assert gan(*flags, "--config.steps=4").status == 0


def test_a_first_run_that_came_to_nothing_does_not_bind_the_next(gan, flags, tmp_path):
    workdir = f"--workdir={tmp_path}/run"
    rate = "--config.g_optimizer.learning_rate=1e30"
    assert gan(*flags, workdir, rate).status == 3
    assert not saved_steps(tmp_path / "run" / "checkpoints")
    assert gan(*flags, workdir).status == 0
    assert [row["step"] for row in rows(tmp_path / "run")] == list(range(1, 13))


def test_a_run_that_came_in_between_is_not_taken_over(
    gan, flags, tmp_path, monkeypatch
):
    """The other one trains while this one still reads its data."""
    load = loading.load_dataset
    other = "--config.seed=7", f"--workdir={tmp_path}/run"

    def slow(config):
        monkeypatch.setattr(loading, "load_dataset", load)
        assert cli.run(main.main, [*flags, *other]) == 0
        return load(config)

    monkeypatch.setattr(loading, "load_dataset", slow)
    outcome = gan(*flags, f"--workdir={tmp_path}/run")
    assert outcome.status == 2
    assert "seed: 7 -> 0" in outcome.error
    assert gan_jax.load(tmp_path / "run").config.seed == 7


def test_a_broken_record_is_refused(gan, flags, copy):
    (copy / "config.json").write_text('{"experiment": "dig')
    outcome = gan(*flags, f"--workdir={copy}")
    assert (outcome.status, "is not the record of a run" in outcome.error) == (2, True)
    (copy / "config.json").unlink()
    outcome = gan(*flags, f"--workdir={copy}")
    assert (outcome.status, "but no config.json" in outcome.error) == (2, True)


# Divergence


@pytest.mark.parametrize("log_every", [1, 1000])
def test_a_diverging_run_stops_and_saves_nothing_that_is_not_finite(
    gan, flags, tmp_path, log_every
):
    sgd = [
        flag
        for player in "dg"
        for flag in (
            f"--config.{player}_optimizer.name=sgd",
            f"--config.{player}_optimizer.learning_rate=1e30",
        )
    ]
    rate = f"--config.log_every={log_every}"
    workdir = tmp_path / "run"
    outcome = gan(*flags, *sgd, rate, f"--workdir={workdir}")
    assert outcome.status == 3
    assert "Traceback" not in outcome.err
    assert outcome.error.startswith("gan_jax: diverged: ")
    assert re.search("became nan at step 1; last good checkpoint: none$", outcome.error)
    assert saved_steps(workdir / "checkpoints") == []
    assert all(np.isfinite(list(row.values())).all() for row in rows(workdir))


def test_a_run_that_diverges_later_names_the_last_good_checkpoint(
    gan, flags, copy, monkeypatch
):
    """A loss that is not finite at step 14, in the midst of good ones."""
    original = loop.make_dispatch

    def poisoned(*arguments):
        inner = original(*arguments)

        def run(state, feed, start, stop):
            state, metrics = inner.run(state, feed, start, stop)
            bad = metrics | {"g_loss": metrics["g_loss"] * np.inf}
            return state, bad if stop == 14 else metrics

        return inner._replace(run=run)

    monkeypatch.setattr(loop, "make_dispatch", poisoned)
    rare = "--config.log_every=100"
    outcome = gan(*flags, rare, "--config.steps=30", f"--workdir={copy}")
    assert outcome.status == 3
    assert "g_loss became inf at step 14; last good checkpoint: step 12" in (
        outcome.error
    )
    assert saved_steps(copy / "checkpoints") == [8, 12]


def test_a_parameter_that_is_not_finite_is_never_saved(gan, flags, copy, monkeypatch):
    original = loop.make_dispatch

    def poisoned(*arguments):
        inner = original(*arguments)

        def run(state, feed, start, stop):
            state, metrics = inner.run(state, feed, start, stop)
            if stop < 16:
                return state, metrics
            params = jax.tree.map(lambda x: x * np.nan, state.g.params)
            return state.replace(g=state.g.replace(params=params)), metrics

        return inner._replace(run=run)

    monkeypatch.setattr(loop, "make_dispatch", poisoned)
    outcome = gan(*flags, "--config.steps=16", f"--workdir={copy}")
    assert outcome.status == 3
    assert "a parameter is not finite after step 16; last good checkpoint: step 12" in (
        outcome.error
    )
    assert saved_steps(copy / "checkpoints") == [8, 12]


# Other games


def arrays(tmp_path, x):
    np.save(tmp_path / "x.npy", x)
    return "--config.data.name=arrays", f"--config.data.path={tmp_path}/x.npy"


def test_vectors_are_drawn_as_points_and_sampled_in_their_own_units(
    gan, flags, tmp_path
):
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 64)
    points = np.stack([1000 + 5 * np.cos(angle), -3 + np.sin(angle)], axis=1)
    outcome = gan(*flags, *arrays(tmp_path, points), f"--workdir={tmp_path}/run")
    assert outcome.status == 0
    assert "64 examples of 2" in outcome.err
    run = gan_jax.load(tmp_path / "run")
    samples = run.sample(50)
    assert samples.shape == (50, 2)
    assert samples.dtype == np.float32
    # tanh and the scaling keep them within the data's box
    assert (np.abs(samples - [1000, -3]) <= [5.01, 1.01]).all()
    assert samples.std(axis=0).min() > 1e-3
    assert run.discriminate(samples).shape == (50,)
    with Image.open(tmp_path / "run" / "samples" / "00000012.png") as picture:
        assert picture.size == (460, 490)
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 24)}
    assert (33, 102, 172) in colors  # the data


def test_vectors_of_many_coordinates_are_drawn_by_the_first_two(gan, flags, tmp_path):
    points = np.random.default_rng(0).normal(size=(64, 5))
    outcome = gan(*flags, *arrays(tmp_path, points), f"--workdir={tmp_path}/run")
    assert outcome.status == 0
    with Image.open(tmp_path / "run" / "samples" / "00000012.png") as picture:
        assert picture.size == (450, 450)
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 24)}
    assert {(191, 191, 191), (31, 119, 180)} <= colors  # data in grey, samples in blue


def test_held_out_data_are_judged_and_logged(gan, flags, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    split = (
        "--config.data.split=train[:30]",
        "--config.data.validation_split=train[30:]",
    )
    every = "--config.validate_every=5"
    data = arrays(tmp_path, images)
    assert gan(*flags, *data, *split, every, f"--workdir={tmp_path}/run").status == 0
    metrics = gan_jax.load(tmp_path / "run").metrics()
    judged = ~np.isnan(metrics["validation_d_loss"])
    assert metrics["step"][judged].tolist() == [5, 10]
    assert metrics["step"].tolist() == list(range(1, 13))
    assert {"validation_g_loss", "validation_d_real_accuracy"} <= set(metrics)
    assert gan(*flags, *data, split[0], f"--workdir={tmp_path}/none").status == 0
    without = gan_jax.load(tmp_path / "none").metrics()
    assert set(metrics) - set(without) == {n for n in metrics if "validation" in n}
    assert pixels(tmp_path / "run" / "losses.png").shape == (
        pixels(tmp_path / "none" / "losses.png").shape
    )


def test_many_updates_of_d_go_turn_by_turn_and_end_where_one_program_does(
    gan, small, tmp_path, monkeypatch
):
    sgd = [
        flag
        for player in "dg"
        for flag in (
            f"--config.{player}_optimizer.name=sgd",
            f"--config.{player}_optimizer.learning_rate=0.05",
        )
    ]
    view = "--config.data.flip=true", "--config.data.dequantize=true"
    turns = "--config.d_steps=12", "--config.g_steps=2"
    flags = *small, *sgd, *view, *turns, *STEPS[1:]
    steps = "--config.steps=3"
    assert dispatch._MAX_UNROLLED < 12
    assert gan(*flags, steps, f"--workdir={tmp_path}/turns").status == 0
    monkeypatch.setattr(dispatch, "_MAX_UNROLLED", 12)
    assert gan(*flags, steps, f"--workdir={tmp_path}/whole").status == 0
    runs = [gan_jax.load(tmp_path / name) for name in ("turns", "whole")]
    params = [(run.state.d.params, run.state.g.params) for run in runs]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *params
    )
    fresh = build.initial_state(runs[0].config, runs[0].built)
    moved = fresh.d.params["Dense_0"]["kernel"] - params[0][0]["Dense_0"]["kernel"]
    assert np.abs(moved).max() > 1e-3
    losses = [run.metrics()["d_loss"] for run in runs]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_the_average_follows_g_and_goes_through_a_resume(gan, flags, tmp_path):
    ema = "--config.ema_decay=0.5"
    for name, steps in (("two", 5), ("two", 12), ("one", 12)):
        flag = f"--config.steps={steps}"
        assert gan(*flags, ema, flag, f"--workdir={tmp_path}/{name}").status == 0
    assert_same_run(tmp_path / "two", tmp_path / "one")
    state = gan_jax.load(tmp_path / "one").state
    averaged, last = state.g_ema[0], state.g.params
    gap = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), averaged, last)
    gaps = jax.tree.leaves(gap)
    assert 0 < max(gaps) < 0.01


def test_train_can_be_called_from_python(tmp_path):
    config, _ = load_experiment("experiments/digits.py")
    override(config, [("steps", "2"), ("generator.widths", "8")])
    state = gan_jax.train(config, tmp_path / "run")
    assert int(state.step) == 2
    saved = gan_jax.load(tmp_path / "run")
    assert leaves(saved.state) == leaves(state)
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["experiment"] == "custom"
