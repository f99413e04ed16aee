"""The engine of this machine: worker processes, each with a device or some cores.

A process for every task, so that a task that is killed, or that brings down its
process, takes nothing else with it.
"""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from gan_jax.errors import UsageError
from gan_jax.loop.signals import caught_signals
from gan_jax.sweep.folder import record_death, statuses
from gan_jax.sweep.plan import Task
from gan_jax.sweep.run import raise_interrupted

_SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_TO_END = 10  # after a second signal
_ASK = "import jax; print(jax.default_backend(), jax.local_device_count())"


class Slot(NamedTuple):
    """A place for one process at a time.

    environment: what its processes see beside this one's
    cores:       of the CPU that they run on; all where it is empty
    """

    environment: dict[str, str]
    cores: frozenset[int] = frozenset()


def run(tasks: list[Task], folder: Path, workers: int | None) -> None:
    """Trains all tasks, some at a time; returns when all of them have ended.

    workers: how many at a time; None for one on each GPU, one where there is none

    Raises Interrupted after SIGINT or SIGTERM, which the processes are told once; they
    have saved and ended then. A second signal ends them at once.
    """
    slots = make_slots(*devices(), workers)
    waiting, running = list(tasks), {}
    told = False

    def reap(number):
        before, process = running.pop(number)
        close(before, process.returncode, folder, told)

    with caught_signals(patience=1) as received:
        try:
            while running or (waiting and not received):
                for number, slot in enumerate(slots):
                    if number in running or not waiting or received:
                        continue
                    task = waiting.pop(0)
                    before = statuses(folder, task.names)
                    running[number] = before, _start(task, slot)
                if received and not told:
                    told = True
                    for _, process in running.values():
                        process.send_signal(received[0])
                for number, (_, process) in list(running.items()):
                    if process.poll() is not None:
                        reap(number)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        except BaseException as error:
            told = True
            for _, process in running.values():
                process.terminate()
            for number, (_, process) in list(running.items()):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_SECONDS_TO_END)
                process.kill()
                process.wait()
                reap(number)
            if not isinstance(error, KeyboardInterrupt):
                raise
    raise_interrupted(received)


def _start(task, slot):
    # In a group of its own: Ctrl-C reaches the sweep alone, which passes it on.
    with _on_cores(slot.cores):
        return subprocess.Popen(
            task.argv,
            env=os.environ | slot.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )


@contextlib.contextmanager
def _on_cores(cores):
    """A process that is started meanwhile runs on these cores alone."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # of this thread, and inherited by its children
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def close(before, returncode, folder, told):
    """Records what a process could not record itself; `before`: see `record_death`."""
    if returncode < 0:
        name = signal.Signals(-returncode).name
        memory = ", perhaps for want of memory" if name == "SIGKILL" else ""
        reason = f"its process was killed by {name}{memory}"
    else:
        reason = f"its process ended with status {returncode}"
    if returncode and not told:
        record_death(folder, before, reason)


# what a process is given


@functools.cache
def devices() -> tuple[str, int]:
    """The backend of this machine's JAX, "cpu", "gpu" or "tpu", and its devices.

    A process of its own looks, since one that has looked occupies them.
    """
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return "cpu", 1
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    asked = subprocess.run(
        [sys.executable, "-c", _ASK],
        env=environment,
        capture_output=True,
        text=True,
    )
    if asked.returncode:
        reason = asked.stderr.strip().rpartition("\n")[2]
        raise UsageError(f"JAX finds no device: {reason}")
    backend, count = asked.stdout.split()[-2:]
    return backend, int(count)


def make_slots(backend: str, count: int, workers: int | None) -> list[Slot]:
    """What the processes that run at a time have, so that none is in another's way.

    GPUs are shared out, and the memory of one that several share. On a CPU the cores
    are, if there are several workers: XLA has as many threads as a process has cores.
    The chips of a TPU are not: its host has one process, which uses all of them.

    backend, count: as `devices` tells them
    """
    if backend == "gpu":
        ids = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        ids = ids if len(ids) == count and all(ids) else list(map(str, range(count)))
        workers = workers or count
        share = -(-workers // count)
        shared = memory_share(1 / share) if share > 1 else {}
        return [
            Slot(_unless_given(shared) | {"CUDA_VISIBLE_DEVICES": ids[i % count]})
            for i in range(workers)
        ]
    if backend == "tpu" and (workers or 1) > 1:
        raise UsageError(
            f"--workers={workers}: the TPU of a machine has one process; --shard "
            "shares a sweep out over several machines"
        )
    workers = workers or 1
    if workers == 1:
        return [Slot({})]
    if not hasattr(os, "sched_setaffinity"):  # not on macOS
        threads = max(1, (os.cpu_count() or 1) // workers)
        return [Slot(_unless_given({"NPROC": str(threads)}))] * workers
    cores = sorted(os.sched_getaffinity(0))
    each = max(1, len(cores) // workers)
    starts = [i * each % len(cores) for i in range(workers)]
    return [Slot({}, frozenset(cores[start : start + each])) for start in starts]


def memory_share(share: float) -> dict[str, str]:
    """The environment of a process that has a share of a GPU, above 0 and at most 1.

    A tenth of it is left to what needs memory beside JAX.
    """
    return {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 * share:.3f}"}


def _unless_given(environment):
    """What the user has set stays."""
    return {name: x for name, x in environment.items() if name not in os.environ}
