"""The engine of a SLURM cluster: every task of a sweep is a job of one array.

    python -m gan_jax.sweep --engine=slurm \\
        --slurm_options=partition=gpu,timeout_min=240,gpus_per_node=1 ...

on a machine of the cluster that submits jobs; submitit does so. A job that is
preempted, or out of time, saves its state, is queued again and goes on. What the jobs
print before they open their log.txt is in the sweep's folder, under .slurm.
"""

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from gan_jax.errors import UsageError, nearest
from gan_jax.loop.signals import caught_signals
from gan_jax.sweep.folder import record_death, statuses
from gan_jax.sweep.plan import Task
from gan_jax.sweep.run import raise_interrupted

# of submitit's executor; a task is one process, so it has no say in nodes
OPTIONS = {
    "account": str,
    "array_parallelism": int,
    "comment": str,
    "constraint": str,
    "cpus_per_task": int,
    "exclude": str,
    "gpus_per_node": int,
    "gres": str,
    "mem_gb": float,
    "partition": str,
    "qos": str,
    "signal_delay_s": int,
    "timeout_min": int,
}
# those that submitit knows of other schedulers, too, and under these very names
_GENERIC = ("cpus_per_task", "gpus_per_node", "mem_gb", "timeout_min")
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_SAVE = 60
# SLURM kills half a minute after it has told a job to end
_SECONDS_TO_CANCEL = 120
_TIMES_OUT_OF_TIME = 1_000


def run(
    tasks: list[Task],
    folder: Path,
    options: dict[str, str],
    cluster: str = "slurm",
) -> None:
    """Trains all tasks as jobs of SLURM; returns when all of them have ended.

    options: of OPTIONS, as texts; timeout_min, the minutes after which a job makes room
             for others and is queued again, has to be among them
    cluster: "local" runs the jobs on this machine, without SLURM

    Raises Interrupted after SIGINT or SIGTERM, when the jobs are cancelled, having
    saved; a second signal leaves them to SLURM. UsageError for options that are none,
    and where jobs cannot be submitted.
    """
    parameters = parse(options)
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise UsageError(
            "--engine=slurm: there is no sbatch here; start the sweep where jobs are "
            "submitted, or share it out with --shard=i/n"
        )
    import submitit

    folder = folder.resolve()
    logs = folder / ".slurm"
    logs.mkdir(mode=0o700, exist_ok=True)  # its pickles are programs
    executor = submitit.AutoExecutor(
        logs, cluster, slurm_max_num_timeout=_TIMES_OUT_OF_TIME
    )
    executor.update_parameters(name=folder.name, **parameters)
    try:
        before = [statuses(folder, task.names) for task in tasks]
        jobs = executor.map_array(_Job(), [task.argv for task in tasks])
    except (RuntimeError, OSError) as error:
        raise UsageError(f"the jobs cannot be submitted: {_last_line(error)}") from None
    _wait(list(zip(jobs, before, strict=True)), folder)


def parse(options: dict[str, str]) -> dict[str, object]:
    """Options as submitit's AutoExecutor takes them; raises UsageError."""
    parameters = {}
    for name, text in options.items():
        if name not in OPTIONS:
            raise UsageError(f"--slurm_options={name}=..: {nearest(name, OPTIONS)}")
        try:
            value = OPTIONS[name](text)
        except ValueError:
            raise UsageError(
                f"--slurm_options={name}={text}: expected a number"
            ) from None
        fits = text.isprintable() if value is text else 0 < value < math.inf
        if not fits:
            raise UsageError(f"--slurm_options={name}={text!r}: cannot be")
        parameters[name if name in _GENERIC else f"slurm_{name}"] = value
    if "timeout_min" not in options:
        raise UsageError(
            "--slurm_options needs timeout_min=MINUTES: a job makes room for others "
            "after them, and is queued again"
        )
    return parameters


def _wait(waiting, folder):
    """Until all jobs have ended.

    waiting: pairs of a job and of how its points stood before
    """
    with caught_signals(patience=1) as received:
        while waiting and not received:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            waiting = _still_open(waiting, folder)
        for job, _ in waiting:
            job.cancel(check=False)
        deadline = time.monotonic() + _SECONDS_TO_CANCEL
        while waiting and time.monotonic() < deadline:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            waiting = [pair for pair in waiting if not pair[0].done()]
    raise_interrupted(received)


def _still_open(waiting, folder):
    """The jobs that have not ended; of the others, what they could not record."""
    still = []
    for job, before in waiting:
        if not job.done():
            still.append((job, before))
            continue
        reason = f"its job {job.job_id} ended as {job.state}, see {job.paths.stderr}"
        record_death(folder, before, reason)
    return still


def _last_line(error):
    return ([line for line in str(error).splitlines() if line.strip()] or [""])[-1]


class _Job:
    """On a node: the command of a task, as submitit calls it."""

    def __call__(self, argv):
        # SLURM sends this signal, which has submitit call checkpoint(), to all
        # processes of a job. It would kill those that do not expect it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        try:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, process_group=0
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        try:
            while self._process.poll() is None:
                time.sleep(0.1)
        finally:
            self._end()
        status = self._process.returncode
        if status in (128 + signal.SIGTERM, 128 + signal.SIGINT):
            sys.exit(status)  # without a result: SLURM may queue it again
        if status:
            raise subprocess.CalledProcessError(status, argv)

    def checkpoint(self, argv):
        """What is queued again, when the process has saved its state."""
        import submitit

        self._end()
        return submitit.helpers.DelayedSubmission(_Job(), argv)

    def _end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_SAVE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
