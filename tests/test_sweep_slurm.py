"""Sweeps on SLURM: its jobs by submitit on one machine, and what sbatch is given."""

import importlib.util
import json
import os
import signal
import sys
import time

import pytest

from gan_jax.config.files import load_experiment, to_json
from gan_jax.errors import UsageError
from gan_jax.loop.checkpoint import saved_steps
from gan_jax.sweep import folder as sweep_folder
from gan_jax.sweep import slurm
from gan_jax.sweep.folder import Sweep, read_status
from gan_jax.sweep.plan import Task, make_task

if importlib.util.find_spec("submitit") is None:
    pytest.skip('no submitit: pip install -e ".[slurm]"', allow_module_level=True)

PATIENCE = 240  # seconds, on a machine that does much else
# The engine in a process of its own: {name: argv} as JSON.
ENGINE = """
import json, sys
from pathlib import Path
from gan_jax import cli
from gan_jax.sweep import slurm
from gan_jax.sweep.plan import Task

folder, commands = sys.argv[1:]
tasks = [Task((name,), argv) for name, argv in json.loads(commands).items()]

options = {"timeout_min": "30"}
run = lambda _: slurm.run(tasks, Path(folder), options, "local")
sys.exit(cli.run(run, []))
"""
# A command as it is, with its own process and that of its job in a file.
TRACED = """
import os, pathlib, runpy, sys
pathlib.Path(sys.argv.pop(1)).write_text(f"{os.getpid()} {os.getppid()}")
runpy.run_module("gan_jax.sweep", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def engine(start, tmp_path):
    """Starts the engine with commands by name: its process."""
    return lambda **commands: start("-c", ENGINE, tmp_path, json.dumps(commands))


def python(code, *arguments):
    return [sys.executable, "-c", code, *map(str, arguments)]


def wait_until(condition, process):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


# jobs


@pytest.fixture
def traced(small, tmp_path):
    """A sweep of one small run, and its command: (argv, its processes' file)."""
    base, _ = load_experiment("experiments/digits.py")
    changes = dict(flag.removeprefix("--config.").split("=") for flag in small)
    changes |= {"steps": "3000", "checkpoint_every": "200", "log_every": "1000"}
    sweep = Sweep(
        "digits", "experiments/digits.py", to_json(base), changes, {"run": {"seed": 0}}
    )
    sweep_folder.join(tmp_path, sweep)
    argv = make_task(tmp_path, ("run",)).argv
    return python(TRACED, tmp_path / "pids", *argv[3:]), tmp_path / "pids"


def test_a_preempted_job_saves_and_goes_on(engine, finish, traced, tmp_path):
    command, pids = traced
    sweep = engine(run=command)
    run = tmp_path / "run"
    wait_until(lambda: saved_steps(run / "checkpoints"), sweep)
    process, job = map(int, pids.read_text().split())
    os.kill(process, signal.SIGUSR2)  # as SLURM, which sends it to all of a job
    os.kill(job, signal.SIGUSR2)
    outcome = finish(sweep)
    assert outcome.status == 0, outcome.err
    assert (read_status(run).status, read_status(run).step) == ("done", 3000)
    log = (run / "log.txt").read_text()
    assert log.count("resumes from step") == 1
    assert log.count("run: interrupted") == 1
    assert pids.read_text() != f"{process} {job}"


def test_cancelled_jobs_save(engine, finish, traced, tmp_path):
    command, _ = traced
    sweep = engine(run=command)
    wait_until(lambda: saved_steps(tmp_path / "run" / "checkpoints"), sweep)
    sweep.send_signal(signal.SIGTERM)
    outcome = finish(sweep)
    assert outcome.status == 143
    assert "the same command goes on" in outcome.err
    deadline = time.monotonic() + PATIENCE
    while read_status(tmp_path / "run").status == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    status = read_status(tmp_path / "run")
    assert status.status == "interrupted"
    assert 0 < status.step < 3000


def test_jobs_that_fail_are_recorded_and_the_rest_go_on(engine, finish, tmp_path):
    outcome = finish(
        engine(
            killed=python("import os; os.kill(os.getpid(), 9)"),
            refused=python("import sys; sys.exit('no such thing')"),
            fine=python("from pathlib import Path; Path('fine.txt').touch()"),
        )
    )
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "fine.txt").exists()
    for name, said in {"killed": "SIGKILL", "refused": "no such thing"}.items():
        status = read_status(tmp_path / name)
        assert status.status == "failed"
        log = status.error.rpartition(" see ")[2]
        with open(log) as file:
            assert said in file.read()
    assert (tmp_path / ".slurm").stat().st_mode & 0o777 == 0o700


# what SLURM is told


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """An sbatch that keeps what it is given, and what it is given."""
    (tmp_path / "bin").mkdir()
    given = tmp_path / "script"
    answers = {
        "sbatch": f"cp $1 {given}; echo Submitted batch job 7",
        "srun": "",
        "sacct": "printf 'JobID|State|NodeList\\n7|COMPLETED|a\\n'",
    }
    for name, does in answers.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return given


def test_options_reach_sbatch(sbatch, tmp_path):
    options = {
        "partition": "gpu",
        "timeout_min": "90",
        "gpus_per_node": "1",
        "mem_gb": "7.5",
        "array_parallelism": "4",
    }
    (tmp_path / "sweep").mkdir()
    slurm.run([Task(("run",), ["true"])], tmp_path / "sweep", options)
    lines = sbatch.read_text().splitlines()
    for expected in ("partition=gpu", "time=90", "gpus-per-node=1", "mem=7680MB"):
        assert f"#SBATCH --{expected}" in lines
    assert "#SBATCH --job-name=sweep" in lines
    status = read_status(tmp_path / "sweep" / "run")
    assert status.status == "failed"  # it came to its end without a word
    assert "its job 7 ended as COMPLETED" in status.error


def test_what_sbatch_says_is_passed_on(sbatch, tmp_path):
    refusal = "sbatch: error: invalid partition specified: gpu"
    (tmp_path / "bin/sbatch").write_text(f"#!/bin/sh\necho {refusal} >&2; exit 1\n")
    with pytest.raises(UsageError, match=r"cannot be submitted: .*invalid partition"):
        slurm.run([Task(("run",), ["true"])], tmp_path, {"timeout_min": "5"})


def test_without_sbatch_there_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"no sbatch here.*--shard=i/n") as error:
        slurm.run([], tmp_path, {"timeout_min": "5"})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs timeout_min"),
        ({"timeout_mins": "5"}, "did you mean 'timeout_min'"),
        ({"nodes": "2", "timeout_min": "5"}, "nodes=..: .*accepted: account"),
        ({"timeout_min": "long"}, "timeout_min=long: expected a number"),
        ({"timeout_min": "0"}, "timeout_min='0': cannot be"),
        ({"timeout_min": "5", "mem_gb": "nan"}, "mem_gb='nan': cannot be"),
        ({"timeout_min": "5", "partition": "a\nb"}, "partition=.*: cannot be"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(UsageError, match=message):
        slurm.parse(options)
