"""Several processes as one job, on loopback: `python -m gan_jax.main --multihost`."""

import contextlib
import json
import shutil
import signal
import socket
import time

import jax
import numpy as np
import pytest
from conftest import some_slow, xla_flags

import gan_jax
from gan_jax.loop.checkpoint import saved_steps

FLAGS = (
    "--config.d_optimizer.name=sgd",
    "--config.d_optimizer.learning_rate=0.05",
    "--config.g_optimizer.name=sgd",
    "--config.g_optimizer.learning_rate=0.05",
    "--config.log_every=5",
    "--config.validate_every=10",
    "--config.sample_every=10",
    "--config.checkpoint_every=10",
    "--config.data.validation_split=train[1700:]",
    "--config.data.split=train[:1700]",
)
TWO_DEVICES = {"XLA_FLAGS": xla_flags(2), "NPROC": "8"}


@pytest.fixture
def job(start, small, tmp_path):
    """Starts the processes of a job with two devices each."""

    def job(n, *flags, workdir=tmp_path / "job", own=()):
        """own: a further flag of each process"""
        port = free_port()
        return [
            start(
                "-m",
                "gan_jax.main",
                *small,
                "--config.devices=0",
                *FLAGS,
                f"--workdir={workdir}",
                "--multihost",
                f"--coordinator=127.0.0.1:{port}",
                f"--num_processes={n}",
                f"--process_id={i}",
                *flags,
                *own[i : i + 1],
                **TWO_DEVICES,
            )
            for i in range(n)
        ]

    return job


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_step(workdir, step, process):
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        if max(saved_steps(workdir / "checkpoints"), default=0) >= step:
            return
        time.sleep(0.1)
    raise AssertionError(f"no checkpoint of step {step}: {process.communicate()}")


def same_parameters(one, other):
    states = [gan_jax.load(workdir).state for workdir in (one, other)]
    trees = [jax.tree.leaves((state.d.params, state.g.params)) for state in states]
    pairs = zip(*trees, strict=True)
    assert max(np.abs(np.subtract(*pair)).max() for pair in pairs) < 1e-5


def same_runs(one, other):
    """Parameters and logs of two runs, up to the rounding of sums over devices."""
    states = [gan_jax.load(workdir).state for workdir in (one, other)]
    pairs = zip(
        *(jax.tree.leaves((s.d.params, s.g.params)) for s in states), strict=True
    )
    assert max(np.abs(np.subtract(*pair)).max() for pair in pairs) < 1e-5
    logs = [gan_jax.load(workdir).metrics() for workdir in (one, other)]
    assert logs[0].keys() == logs[1].keys()
    np.testing.assert_array_equal(logs[0]["step"], logs[1]["step"])
    for name in ("d_loss", "g_loss", "validation_d_loss"):
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same training by one process on one device."""
    from conftest import SMALL

    from gan_jax import cli, main

    workdir = tmp_path_factory.mktemp("alone") / "run"
    flags = [*SMALL, *FLAGS, "--config.steps=20", f"--workdir={workdir}"]
    assert cli.run(main.main, flags) == 0
    return workdir


@pytest.mark.parametrize("n", some_slow([2, 4], quick=[2]))
def test_several_processes_train_as_one(job, finish, alone, tmp_path, n):
    """The same losses and parameters as one process; logs and pictures once."""
    outcomes = [finish(process) for process in job(n, "--config.steps=20")]
    assert [outcome.status for outcome in outcomes] == [0] * n, outcomes
    first, *others = outcomes
    assert f"devices: {2 * n} of {2 * n} on {n} hosts" in first.err
    assert "done: 20 steps" in first.err
    assert not any("done" in other.err or "step" in other.err for other in others)
    same_runs(tmp_path / "job", alone)
    steps = [
        json.loads(line)["step"]
        for line in (tmp_path / "job" / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == [5, 10, 15, 20]
    pictures = sorted(path.name for path in (tmp_path / "job" / "samples").iterdir())
    assert pictures == [f"{step:08d}.png" for step in (0, 10, 20)]


@pytest.mark.slow
def test_checkpoints_move_between_one_process_and_several(
    job, gan, small, finish, alone, tmp_path
):
    """One device to a job of two processes, and from there to two devices."""
    workdir = tmp_path / "job"
    here = (*small, *FLAGS, f"--workdir={workdir}")
    assert gan(*here, "--config.steps=6").status == 0
    outcomes = [finish(process) for process in job(2, "--config.steps=14")]
    assert [outcome.status for outcome in outcomes] == [0, 0], outcomes
    assert "resumes from step 6" in outcomes[0].err
    end = gan(*here, "--config.steps=20", "--config.devices=2")
    assert end.status == 0
    assert "resumes from step 14" in end.err
    states = [gan_jax.load(path).state for path in (workdir, alone)]
    pairs = zip(
        *(jax.tree.leaves((s.d.params, s.g.params)) for s in states), strict=True
    )
    assert max(np.abs(np.subtract(*pair)).max() for pair in pairs) < 1e-5


@pytest.mark.slow
def test_a_killed_process_ends_the_job_and_the_restart_resumes(
    job, finish, alone, tmp_path
):
    processes = job(2, "--config.steps=10000000")
    wait_for_step(tmp_path / "job", 10, processes[0])
    processes[1].send_signal(signal.SIGKILL)
    outcome = finish(processes[0])
    # whoever notices first, this project or JAX, which aborts the process
    ours = "a process of the job is gone", 1
    jax_s_own = "another task died", -signal.SIGABRT
    assert any(
        said in outcome.err and outcome.status == status
        for said, status in (
            ours,
            jax_s_own,
        )
    )
    saved = max(saved_steps(tmp_path / "job" / "checkpoints"))
    outcomes = [finish(p) for p in job(2, f"--config.steps={saved + 10}")]
    assert [outcome.status for outcome in outcomes] == [0, 0], outcomes
    assert f"resumes from step {saved}" in outcomes[0].err
    assert saved + 10 in saved_steps(tmp_path / "job" / "checkpoints")


@pytest.mark.slow
def test_sigterm_to_one_process_saves_in_all(job, finish, tmp_path):
    processes = job(2, "--config.steps=10000000", "--config.checkpoint_every=1000000")
    log = tmp_path / "job" / "metrics.jsonl"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not (log.exists() and log.stat().st_size):
        time.sleep(0.1)
    processes[1].send_signal(signal.SIGTERM)
    outcomes = [finish(process) for process in processes]
    assert [outcome.status for outcome in outcomes] == [143, 143], outcomes
    (saved,) = saved_steps(tmp_path / "job" / "checkpoints")
    assert f"interrupted and saved at step {saved:,}" in outcomes[0].err


def test_a_divergence_ends_all_processes_alike(job, finish, tmp_path):
    """Held-out losses are looked at by one of them, and must not tell it more."""
    flags = (
        "--config.steps=10",
        "--config.validate_every=1",
        "--config.d_optimizer.learning_rate=1e30",
    )
    outcomes = [finish(process) for process in job(2, *flags)]
    assert [outcome.status for outcome in outcomes] == [3, 3], outcomes
    assert len({outcome.error for outcome in outcomes}) == 1
    assert "diverged: " in outcomes[0].error


def test_what_one_process_alone_would_do_is_refused_by_all(job, finish, tmp_path):
    flags = "--config.best=sliced_wasserstein", "--config.evaluate_every=5"
    outcomes = [finish(process) for process in job(2, *flags)]
    assert [outcome.status for outcome in outcomes] == [2, 2], outcomes
    assert "config.best=sliced_wasserstein: of a job on several" in outcomes[1].err
    assert not (tmp_path / "job").exists()


def test_a_work_directory_of_another_run_ends_all_processes(
    job, finish, alone, tmp_path
):
    changed = "--config.batch_size=32"
    outcomes = [finish(process) for process in job(2, changed, workdir=alone)]
    assert [outcome.status for outcome in outcomes] == [2, 2], outcomes
    assert "holds a run of another config" in outcomes[0].err


def test_processes_that_see_different_checkpoints_end_alike(
    job, finish, alone, tmp_path
):
    own = [f"--workdir={tmp_path}/{name}" for name in ("there", "empty")]
    shutil.copytree(alone, tmp_path / "there")
    outcomes = [finish(process) for process in job(2, "--config.steps=30", own=own)]
    assert [outcome.status for outcome in outcomes] == [2, 2], outcomes
    for outcome in outcomes:
        assert "would go on from different steps (20, 0)" in outcome.err
    assert saved_steps(tmp_path / "there" / "checkpoints") == [10, 20]


def test_a_coordinator_that_is_not_reached_is_named(start, finish, tmp_path):
    port = free_port()
    process = start(
        "-m",
        "gan_jax.main",
        "--multihost",
        f"--coordinator=127.0.0.1:{port}",
        "--num_processes=2",
        "--process_id=1",
        "--multihost_timeout=1",
        f"--workdir={tmp_path}/run",
    )
    outcome = finish(process)
    assert outcome.status == 2
    line = f"gan_jax: --coordinator=127.0.0.1:{port} was not reached within 1 s"
    assert outcome.error.startswith(line)
    assert not (tmp_path / "run").exists()


def test_processes_that_do_not_come_are_named(start, finish, tmp_path):
    process = start(
        "-m",
        "gan_jax.main",
        "--multihost",
        f"--coordinator=127.0.0.1:{free_port()}",
        "--num_processes=2",
        "--process_id=0",
        "--multihost_timeout=2",
        f"--workdir={tmp_path}/run",
    )
    outcome = finish(process)
    assert outcome.status != 0
    assert not (tmp_path / "run").exists()


def test_a_cluster_that_is_none_is_refused(start, finish, tmp_path):
    process = start("-m", "gan_jax.main", "--multihost", f"--workdir={tmp_path}/run")
    outcome = finish(process)
    assert outcome.status == 2
    assert outcome.error.startswith("gan_jax: --multihost: ")
    with contextlib.suppress(FileNotFoundError):
        assert not (tmp_path / "run").exists()
