"""Sweeps of tiny runs: what is recorded, what goes on, what is refused."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import some_slow

import gan_jax
from gan_jax import cli
from gan_jax.config.files import load_experiment
from gan_jax.errors import InUseError, UsageError
from gan_jax.loop.workdir import claim as claim_workdir
from gan_jax.sweep import __main__ as command
from gan_jax.sweep import folder, local, plan, run
from gan_jax.sweep.folder import Status, Sweep, claim, read_status, write_status
from gan_jax.sweep.progress import Progress
from gan_jax.sweep.results import make_cells, read_members

FLAGS = (
    "--config.devices=1",
    "--config.steps=40",
    "--config.log_every=10",
    "--config.checkpoint_every=20",
    "--config.sample_every=40",
)
LONG = ("--config.steps=100_000", "--config.checkpoint_every=10")


@pytest.fixture
def sweep(capsys, small):
    """python -m gan_jax.sweep of small runs, in this process: (status, out, err)."""

    def sweep(*arguments):
        capsys.readouterr()
        try:
            status = cli.run(command.main, list(map(str, [*small, *FLAGS, *arguments])))
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return sweep


@pytest.fixture
def start_sweep(start, small):
    """The same in a process of its own."""
    return lambda *arguments: start("-m", "gan_jax.sweep", *small, *FLAGS, *arguments)


def statuses(path):
    """How the points of a sweep went, by name."""
    return {name: read_status(path / name) for name in folder.read(path).points}


def states(path):
    return {name: status and status.status for name, status in statuses(path).items()}


def files(path):
    """The content of every file under a directory."""
    found = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in found}


def state_of(workdir):
    """The leaves of a run's newest checkpoint."""
    state = gan_jax.load(workdir).state
    keys = jax.random.key_data(state.key)
    leaves = jax.tree.leaves(state.replace(key=keys))
    return [np.asarray(leaf) for leaf in leaves]


def assert_same_state(one, other):
    for a, b in zip(state_of(one), state_of(other), strict=True):
        np.testing.assert_array_equal(a, b)


# A sweep with all that may happen to a point

EXPERIMENT = """
from . import digits

def get_config():
    return digits.get_config()

def sweep():
    yield {"seed": 0}
    yield {"seed": 1}
    yield {"batch_size": 5000}
    yield {"d_optimizer.name": "sgd", "d_optimizer.learning_rate": 1e30}
"""
ENDS = {
    "seed=0": "done",
    "seed=1": "done",
    "batch_size=5000": "failed",
    "d_optimizer.name=sgd,d_optimizer.learning_rate=1e+30": "diverged",
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, small):
    """The folder of a sweep that has ended, its flags, exit status; not to be changed.

    Two of its points are a population, one has failed and one diverged.
    """
    path = tmp_path_factory.mktemp("mixed")
    (path / "own.py").write_text(EXPERIMENT)
    flags = [*small, *FLAGS, f"--config={path}/own.py", "--workers=2"]
    with pytest.raises(SystemExit) as end:
        command.main([*flags, f"--workdir={path}/sweep"])
    return path / "sweep", flags, end.value.code


@pytest.mark.slow
def test_a_point_that_fails_is_recorded_while_the_rest_go_on(mixed):
    path, _, status = mixed
    assert status == 1
    assert states(path) == ENDS
    found = statuses(path)
    failed, diverged = found["batch_size=5000"], list(found.values())[3]
    assert failed.error.startswith("config.batch_size=5000 is larger than the data")
    assert "\n" not in failed.error + diverged.error
    assert "at step" in diverged.error
    assert not diverged.error.startswith("diverged")
    assert all(
        s.step == 40 and s.error is None for s in found.values() if s[0] == "done"
    )
    assert all(s.seconds > 0 for s in found.values())


def test_a_point_is_a_run_like_any_other(mixed):
    path = mixed[0]
    record = json.loads((path / "seed=1" / "config.json").read_text())
    assert record["experiment"] == "own"
    assert record["config"]["seed"] == 1
    assert gan_jax.load(path / "seed=1").sample(3).shape == (3, 8, 8, 1)
    assert "2 members" in (path / "seed=0" / "log.txt").read_text()
    assert "seed=0" in (path / "seed=1" / "log.txt").read_text()


def test_the_folder_says_what_is_swept(mixed):
    record = json.loads((mixed[0] / "sweep.json").read_text())
    assert record["experiment"] == "own"
    assert record["changes"]["steps"] == "40"
    assert list(record["points"]) == list(ENDS)
    assert record["points"]["seed=0"] == {"seed": 0}
    for file in ("sweep.csv", "report.html", "report.md"):
        assert (mixed[0] / file).stat().st_size > 0


def test_what_is_over_is_not_touched_again(mixed, sweep):
    path, flags, _ = mixed
    before = [files(path / name) for name in ENDS]
    status, out, err = sweep(*flags, f"--workdir={path}")
    assert status == 1
    assert "4 points, 0 programs to run" in err
    assert "4 points, 2 done, 1 failed, 1 diverged" in err
    assert all(name in out for name in ENDS)
    assert [files(path / name) for name in ENDS] == before


def test_a_finished_point_is_not_done_with_more_steps(tmp_path):
    config, _ = load_experiment("experiments/digits.py")
    with config.unlocked():
        config.steps = 40
    assert not folder.is_over(tmp_path, config)
    for status, retry, over in [
        ("running", False, False), ("interrupted", False, False),
        ("done", False, True), ("done", True, True),
        ("failed", False, True), ("failed", True, False),
        ("diverged", False, True), ("diverged", True, False),
    ]:  # fmt: skip
        (tmp_path / "checkpoints" / "40").mkdir(parents=True, exist_ok=True)
        write_status(tmp_path, status)
        assert folder.is_over(tmp_path, config, retry) is over
    write_status(tmp_path, "done")
    with config.unlocked():
        config.steps = 41
    assert not folder.is_over(tmp_path, config)


# What ends a sweep, and how it goes on


@pytest.mark.parametrize(
    "end", some_slow(["Ctrl-C", "sweep killed", "process killed"], quick=["Ctrl-C"])
)
def test_an_ended_sweep_goes_on_as_if_it_had_not_been(
    start_sweep, finish, sweep, gan, small, tmp_path, end
):
    path, point = tmp_path / "sweep", tmp_path / "sweep" / "d_steps=1"
    flags = f"--workdir={path}", "--grid", "d_steps=1", "--population=off"
    process = start_sweep(*flags, *LONG)
    wait_for(lambda: max(steps_of(point), default=0) >= 20)
    if end == "Ctrl-C":
        process.send_signal(signal.SIGINT)
        outcome = finish(process)
        assert outcome.status == 130
        assert outcome.error.endswith("saved; the same command goes on")
        assert states(path) == {"d_steps=1": "interrupted"}
    elif end == "sweep killed":
        process.kill()
        assert finish(process).status == -signal.SIGKILL
        wait_for(lambda: task_of(path) is None)  # it saves and ends by itself
        assert states(path) == {"d_steps=1": "interrupted"}
    else:
        os.kill(task_of(path), signal.SIGKILL)
        assert finish(process).status == 1
        found = read_status(point)
        assert found.status == "failed"
        assert "killed by SIGKILL" in found.error
        assert found.step >= 20
    assert task_of(path) is None
    reached = max(steps_of(point))
    assert 20 <= reached < 100_000
    steps = f"--config.steps={reached + 15}"
    if end == "process killed":
        assert sweep(*flags, steps)[0] == 1
        assert max(steps_of(point)) == reached
        flags += ("--retry",)
    assert sweep(*flags, steps)[0] == 0
    assert read_status(point)[:3] == ("done", None, reached + 15)
    assert gan(*small, *FLAGS, steps, f"--workdir={tmp_path}/alone").status == 0
    assert_same_state(point, tmp_path / "alone")


def steps_of(workdir):
    return folder.saved_steps(workdir / "checkpoints")


def task_of(path):
    """The number of the process that trains a point of this sweep, if one does."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [row for row in listed.stdout.splitlines() if f"--run={path}" in row]
    assert len(found) <= 1
    return int(found[0].split()[0]) if found else None


def wait_for(condition):
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Several processes and one folder


@pytest.mark.slow
def test_two_shards_side_by_side_do_every_point_once(start_sweep, finish, tmp_path):
    path = tmp_path / "sweep"
    flags = f"--workdir={path}", "--seeds=2", "--population=off"
    shards = [start_sweep(*flags, f"--shard={i}/2") for i in (1, 2)]
    outcomes = list(map(finish, shards))
    assert [outcome.status for outcome in outcomes] == [0, 0]
    assert states(path) == {f"seed={seed}": "done" for seed in range(2)}
    for seed, outcome in enumerate(outcomes):
        assert outcome.out.count("done") == 1
        assert f"seed={seed} " in outcome.out
        log = (path / f"seed={seed}" / "log.txt").read_text()
        assert log.count("starts fresh") == 1
    assert not (path / "report.html").exists()


def test_a_point_that_another_process_has_is_left_alone(tmp_path):
    fresh = folder.statuses(tmp_path, "ab")
    assert fresh == {"a": None, "b": None}
    with claim(tmp_path / "a", timeout=0):
        write_status(tmp_path / "a", "running")
        folder.record_death(tmp_path, {"a": None}, "killed")
        with pytest.raises(UsageError, match="in use by another process"):
            claim(tmp_path / "a", timeout=0).__enter__()
        assert read_status(tmp_path / "a").status == "running"
    folder.record_death(tmp_path, fresh, "killed")
    for name in "ab":
        assert read_status(tmp_path / name)[:2] == ("failed", "killed")
    write_status(tmp_path / "b", "done")
    folder.record_death(tmp_path, {"b": None}, "killed")
    assert read_status(tmp_path / "b").status == "done"


@pytest.mark.parametrize("status", ["interrupted", "done"])
def test_a_point_whose_process_died_before_it_began_again_has_failed(tmp_path, status):
    (tmp_path / "a").mkdir()
    write_status(tmp_path / "a", status, seconds=3.0)
    before = folder.statuses(tmp_path, ["a"])
    local.close(before, 1, tmp_path, told=False)
    assert read_status(tmp_path / "a").status == "failed"
    assert read_status(tmp_path / "a").error == "its process ended with status 1"
    write_status(tmp_path / "a", status, seconds=1.0)  # as one says that worked on it
    local.close(before, 143, tmp_path, told=False)
    assert read_status(tmp_path / "a").status == status


def test_points_that_are_trained_elsewhere_are_left_open(tmp_path, monkeypatch, capsys):
    with contextlib.ExitStack() as stack, claim_workdir(tmp_path / "a"):
        assert not run._claim(stack, tmp_path / "a", until=0)
    assert "a is in use by another process" in capsys.readouterr().err

    def held(*given):
        raise InUseError("a is in use by another process")

    monkeypatch.setattr(run, "_train", held)  # since it was asked
    (tmp_path / "b").mkdir()
    config, _ = load_experiment("experiments/digits.py")
    sweep = Sweep("digits", "", {}, {}, {"b": {}})
    assert run._recorded(tmp_path, sweep, {"b": config}, []) == 2
    found = read_status(tmp_path / "b")
    assert found[:2] == ("interrupted", "a is in use by another process")
    assert not folder.is_over(tmp_path / "b", config)


def test_a_point_that_cannot_be_written_is_not_taken_for_another_s(tmp_path, capsys):
    (tmp_path / "a").write_text("a file")
    with contextlib.ExitStack() as stack:
        with pytest.raises(UsageError, match="a cannot be written"):
            run._claim(stack, tmp_path / "a", until=0)
        assert run._claim(stack, tmp_path / "b", until=0)
    folder.record_death(tmp_path, {"a": None}, "killed")
    said = capsys.readouterr().err
    assert said.startswith("a: killed, and ")
    assert "cannot be written" in said


def test_a_point_that_goes_on_after_an_interruption_is_not_over(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    write_status(tmp_path / "a", "running")  # by a process that was killed
    progress = Progress(tmp_path, {"a": 10, "b": 10})
    progress._look()
    assert progress._counts() == "0/2 points, 0 running"
    for status in ("running", "interrupted", "running", "done"):
        write_status(tmp_path / "a", status)
        progress._look()
        over = status in ("interrupted", "done")
        assert progress._counts().startswith(f"{int(over)}/2 points")
        assert progress._counts().endswith(f"{int(not over)} running")
        assert ("interrupted" in progress._counts()) == (status == "interrupted")
    assert progress._counts().startswith("1/2 points")
    said = capsys.readouterr().err
    assert said.index("a: interrupted") < said.index("a: done")


def test_what_is_over_before_a_sweep_goes_on_is_counted(tmp_path):
    for name, status in (("a", "done"), ("b", "diverged"), ("c", "done")):
        (tmp_path / name / "checkpoints" / "10").mkdir(parents=True)
        write_status(tmp_path / name, status)
    steps = {"a": 10, "b": 10, "c": 20, "d": 20}  # c is to be trained further
    progress = Progress(tmp_path, steps)
    assert progress._counts() == "2/4 points, 1 diverged, 0 running"
    assert progress._sum() == 10 + 10 + 10
    progress._look()
    assert progress._counts() == "2/4 points, 1 diverged, 0 running"


# Which sweep a folder holds


@pytest.fixture
def digits():
    """A sweep of digits, (points, changes) -> Sweep."""
    config, _ = load_experiment("experiments/digits.py")

    def digits(*names, **changes):
        points = {f"d_steps={n}": {"d_steps": n} for n in names}
        base = folder.from_json(config.to_dict()).to_dict()
        return Sweep("digits", "experiments/digits.py", base, changes, points)

    return digits


def test_points_may_be_added_to_a_sweep(digits, tmp_path):
    folder.join(tmp_path, digits(1, 2, steps="10"))
    folder.join(tmp_path, digits(2, 3, steps="20"))
    read = folder.read(tmp_path)
    assert list(read.points) == ["d_steps=1", "d_steps=2", "d_steps=3"]
    assert read.changes == {"steps": "20"}
    assert read.resolve("d_steps=3").d_steps == 3
    assert read.resolve("d_steps=1").steps == 20


def test_a_run_that_is_there_by_other_flags_keeps_its_name(digits, tmp_path):
    assert folder.known_names(tmp_path, digits(1)) == {"d_steps=1": "d_steps=1"}
    folder.join(tmp_path, digits(1))
    points = {f"seed={s},d_steps=1": {"seed": s, "d_steps": 1} for s in (0, 1)}
    again = digits()._replace(points=points)
    names = folder.known_names(tmp_path, again)
    assert list(names.values()) == ["d_steps=1", "seed=1,d_steps=1"]


def test_more_seeds_and_another_order_of_flags_train_no_run_twice(sweep, tmp_path):
    flags = f"--workdir={tmp_path}", "--config.steps=2", "--config.sample_every=2"
    rates = "--grid=d_optimizer.learning_rate=1e-3"
    assert sweep(*flags, rates, "--grid=d_steps=1,2")[0] == 0
    status, _, said = sweep(*flags, "--grid=d_steps=1,2", rates, "--seeds=2")
    assert status == 0, said
    assert len(folder.read(tmp_path).points) == 4
    assert "2 programs to run" in said
    cells = make_cells(read_members(tmp_path, folder.read(tmp_path)))
    assert [len(cell.done) for cell in cells] == [2, 2]


def test_another_sweep_is_refused_with_the_difference(digits, tmp_path):
    ours = digits(1, batch_size="16")
    folder.join(tmp_path, ours)
    before = files(tmp_path)
    other = digits(1, batch_size="32", pack="2")
    edited = ours._replace(base=ours.base | {"g_steps": 3})
    for another, said in [
        (
            other,
            r"another sweep of digits \(batch_size: 16 -> 32; pack: unchanged -> 2",
        ),
        (ours._replace(changes={}), "batch_size: 16 -> unchanged"),
        (ours._replace(experiment="ring"), "experiment digits, not of ring"),
        (edited, "g_steps: 1 -> 3"),
    ]:
        with pytest.raises(UsageError, match=said):
            folder.join(tmp_path, another)
        with pytest.raises(UsageError, match=said):
            folder.refuse_another(tmp_path, another)
    assert files(tmp_path) == before


def test_no_sweep_is_put_into_a_run_or_a_file(sweep, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    status, _, err = sweep("--seeds=2", f"--workdir={tmp_path}")
    assert status == 2
    assert "holds a run, not a sweep" in err
    (tmp_path / "file").touch()
    status, _, err = sweep("--seeds=2", f"--workdir={tmp_path}/file")
    assert status == 2
    assert "is a file" in err


def test_a_torn_record_is_refused_and_a_torn_status_is_none(tmp_path):
    (tmp_path / "sweep.json").write_text('{"experiment": "di')
    with pytest.raises(UsageError, match="is not the record of a sweep"):
        folder.read(tmp_path)
    (tmp_path / "status.json").write_text('{"status": "do')
    assert read_status(tmp_path) is None
    write_status(tmp_path, "done", seconds=2.0)
    write_status(tmp_path, "done", seconds=3.0)
    assert read_status(tmp_path) == Status("done", None, None, 5.0)


def test_the_newest_step_is_read_from_the_end_of_a_log(tmp_path):
    assert folder.newest_step(tmp_path) == 0
    rows = [json.dumps({"step": i, "d_loss": 0.5}) for i in range(1, 1_000)]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*rows, '{"step": 1000, "d_l']))
    assert folder.newest_step(tmp_path) == 999


# The command line


def test_a_dry_run_writes_nothing(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_timed", lambda config: 0.5)
    monkeypatch.chdir(tmp_path)
    grid = "--grid=d_optimizer.learning_rate=1e-3,1e-4", "--grid", "d_steps=1,2"
    status, out, _ = sweep(*grid, "--dry_run")
    assert status == 0
    assert list(tmp_path.iterdir()) == []
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    assert "a number: data of a program" in rows["d_optimizer.learning_rate"]
    assert "shapes the program" in rows["d_steps"]
    assert "4 points, 4 to train in 2 programs" in out
    assert out.count("not begun") == 4
    assert "estimated time: 01:20 with 1 worker" in out  # 160 steps
    _, out, _ = sweep(*grid, "--dry_run", "--workers=4")
    assert "4 points, 4 to train in 4 programs" in out
    assert "estimated time: 00:20 with 4 workers" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to vary"),
        (["--grid", "d_step=1"], "did you mean 'd_steps'"),
        (["--grid", "seed=1,2", "--seeds=2"], "seed is varied twice"),
        (["--sweep=loss"], "defines no sweep_loss(); it defines no sweep at all"),
        (["--seeds=2", "--shard=2/1"], "expected i/n"),
        (["--seeds=2", "--engine=slurm", "--slurm_options=a"], "expected KEY=VALUE"),
        (["--seeds=2", "--ray_address=1.2.3.4:5"], "goes with --engine=ray"),
        (["--seeds=2", "--gpus_per_task=1", "--dry_run"], "goes with --engine=ray"),
        (["--seeds=2", "--slurm_options=a=1"], "goes with --engine=slurm"),
        (["--report=."], "holds no sweep"),
        (["--run=."], "holds no sweep"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_written(
    sweep, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    status, out, err = sweep(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(sweep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    find_spec = importlib.util.find_spec
    missing = {"ray": None}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: missing.get(name, find_spec(name))
    )
    status, _, err = sweep("--seeds=2", "--engine=ray")
    assert status == 2
    assert err.endswith('--engine=ray needs ray: pip install -e ".[ray]"\n')
    assert list(tmp_path.iterdir()) == []


def test_seeds_count_from_the_config_s(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_SECONDS_TIMED", 0.01)
    _, out, _ = sweep(
        "--seeds=2", "--config.seed=7", "--dry_run", f"--workdir={tmp_path}/s"
    )
    assert "seed=7" in out
    assert "seed=8" in out
    assert "2 points" in out


def test_the_sweep_itself_occupies_no_device(start, finish, tmp_path):
    program = (
        "from gan_jax.sweep import points, plan\n"
        "from gan_jax.config.files import load_experiment\n"
        "base, _ = load_experiment('experiments/digits.py')\n"
        "parts = [points.Part('population()', [{'seed': 1}, {'ema_decay': 0.5}])]\n"
        "_, configs = points.combine(base, {}, parts)\n"
        "print(len(plan.group(configs, True)))\n"
    )
    # a backend that there is not could not be started
    outcome = finish(start("-c", program, JAX_PLATFORMS="none_such"))
    assert outcome.status == 0, outcome.err
    assert outcome.out == "1\n"


# What the processes of this machine are given


@pytest.fixture
def plain(monkeypatch):
    """An environment in which the user has chosen nothing."""
    for name in ("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_MEM_FRACTION", "NPROC"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_every_gpu_has_a_process(plain):
    slots = local.make_slots("gpu", 3, None)
    assert [slot.environment for slot in slots] == [
        {"CUDA_VISIBLE_DEVICES": name} for name in "012"
    ]
    plain.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    slots = local.make_slots("gpu", 2, None)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots] == ["5", "7"]


@pytest.mark.parametrize(("gpus", "workers"), [(1, 2), (2, 4), (2, 3), (1, 7)])
def test_processes_that_share_a_gpu_share_its_memory(plain, gpus, workers):
    taken = {}
    for slot in local.make_slots("gpu", gpus, workers):
        gpu = slot.environment["CUDA_VISIBLE_DEVICES"]
        fraction = float(slot.environment["XLA_PYTHON_CLIENT_MEM_FRACTION"])
        taken[gpu] = taken.get(gpu, 0) + fraction
    assert len(taken) == gpus
    assert 0.8 < max(taken.values()) <= 0.91
    plain.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.2")
    for slot in local.make_slots("gpu", gpus, workers):
        assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in slot.environment


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no such system call")
def test_processes_share_out_the_cores(plain):
    ours = os.sched_getaffinity(0)
    assert local.make_slots("cpu", 1, None) == [local.Slot({})]
    for workers in (2, 3, 2 * len(ours)):
        slots = local.make_slots("cpu", 1, workers)
        cores = [slot.cores for slot in slots]
        assert len(cores) == workers
        assert all(cores)
        assert set().union(*cores) <= ours
        if workers <= len(ours):
            assert sum(map(len, cores)) == len(set().union(*cores))
    plain.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    slots = local.make_slots("cpu", 1, 3)
    assert [sorted(slot.cores) for slot in slots] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no such system call")
def test_a_process_runs_on_its_cores_alone(tmp_path):
    ours = os.sched_getaffinity(0)
    core = max(ours)
    program = "import os; open('cores', 'w').write(str(os.sched_getaffinity(0)))"
    argv = [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); {program}"]
    slot = local.Slot({}, frozenset({core}))
    assert local._start(plan.Task(("a",), argv), slot).wait(60) == 0
    assert (tmp_path / "cores").read_text() == str({core})
    assert os.sched_getaffinity(0) == ours


def test_a_tpu_has_one_process():
    assert local.make_slots("tpu", 4, None) == [local.Slot({})]
    with pytest.raises(UsageError, match="--workers=2: the TPU"):
        local.make_slots("tpu", 4, 2)


def test_the_default_folder_is_the_experiment_s(sweep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "run", lambda tasks, *rest: None)
    status, out, err = sweep("--seeds=2")
    assert status == 1
    assert out.count("open") == 2
    assert Path("runs/digits_sweep/sweep.json").is_file()
    assert "runs/digits_sweep: 2 points, 2 open" in err
