"""A task of a sweep, in this process: a point, or the members of one population."""

import contextlib
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from gan_jax.config.validation import validate
from gan_jax.errors import (
    DivergedError,
    Interrupted,
    InUseError,
    MemoryExhausted,
    StorageError,
    UsageError,
)
from gan_jax.loop.process import prepare_process
from gan_jax.loop.signals import caught_signals
from gan_jax.loop.workdir import claim as claim_workdir
from gan_jax.sweep import folder as sweep_folder
from gan_jax.sweep.folder import (
    Sweep,
    claim,
    is_over,
    newest_saved,
    read_status,
    write_status,
)
from gan_jax.sweep.points import place

# what a process whose sweep was killed may need to save its state and end
_SECONDS_TO_SAVE = 30
_LONGEST = 500  # letters of an error's line


def run_task(folder: Path, names: Sequence[str]) -> int:
    """Trains points of a sweep, several as one population; the exit status.

    What it prints goes to the log.txt of its first point, and how each point ended to
    the points' status.json. Points that are done, or that another process works on,
    are left alone.
    """
    sweep = sweep_folder.read(folder)
    if sweep is None:
        raise UsageError(f"{folder} holds no sweep: there is no sweep.json")
    configs = {name: sweep.resolve(name) for name in names}
    _end_with_parent()
    with contextlib.ExitStack() as stack:
        received = stack.enter_context(caught_signals(patience=0))
        until = time.monotonic() + _SECONDS_TO_SAVE
        mine = [name for name in names if _claim(stack, place(folder, name), until)]
        todo = [n for n in mine if not is_over(place(folder, n), configs[n])]
        if not todo:
            return 0
        _print_to_log(folder, todo)
        return _recorded(folder, sweep, {n: configs[n] for n in todo}, received)


def _recorded(folder, sweep: Sweep, configs, received) -> int:
    """Trains; records how it went; the exit status."""
    begin, status, error, number = time.monotonic(), "done", None, 0
    outcomes: list[DivergedError | None] = [None] * len(configs)
    for name in configs:
        write_status(place(folder, name), "running")
    try:
        outcomes = _train(folder, configs, sweep.experiment)
    except DivergedError as diverged:
        outcomes = [diverged]
    except Interrupted as interrupted:
        status, number = "interrupted", interrupted.exit_status
    except KeyboardInterrupt:  # before the first step, or a second signal
        status, number = "interrupted", 128 + (received or [signal.SIGINT])[0]
    except InUseError as held:  # by gan_jax.main, say; what it makes of it is not known
        status, error, number = "interrupted", str(held), held.exit_status
    except (UsageError, StorageError, MemoryExhausted) as refused:
        status, error, number = "failed", str(refused), refused.exit_status
    except Exception as bug:
        traceback.print_exc()
        status, error, number = "failed", f"{type(bug).__name__}: {bug}", 1
    seconds = (time.monotonic() - begin) / len(configs)
    with caught_signals(patience=math.inf):  # it is about to end
        ends = _write_ends(
            folder, configs, outcomes, (status, _one_line(error)), seconds
        )
    return number or (DivergedError.exit_status if "diverged" in ends else 0)


def _write_ends(folder, configs, outcomes, end, seconds):
    """Records how each point ended: all of them with `end`, but for what is known."""
    ends = []
    for name, outcome in zip(configs, outcomes, strict=True):
        workdir, how = place(folder, name), end
        before, steps = read_status(workdir), newest_saved(workdir) or 0
        if outcome:
            how = "diverged", _said(outcome)
        elif before and before.status == "diverged":  # and then all were stopped
            how = before.status, before.error
        elif steps >= configs[name].steps:  # in a group before the one that failed
            how = "done", None
        write_status(workdir, *how, seconds=seconds)
        print(": ".join([name, *filter(None, how)]), flush=True)
        ends.append(how[0])
    return ends


def _said(diverged):
    return str(diverged).removeprefix("diverged: ")


def _record_divergence(workdir, diverged):
    """At once: what is left of a population may be stopped before it ends."""
    write_status(workdir, "diverged", _said(diverged))


def _train(folder, configs, experiment):
    """None or a DivergedError for each point."""
    from gan_jax.loop.train import train  # after what is printed is kept

    for config in configs.values():
        validate(config)
    prepare_process()
    workdirs = [place(folder, name) for name in configs]
    if len(configs) == 1:
        train(*configs.values(), *workdirs, experiment)
        return [None]
    from gan_jax.loop.population import train_population

    members = list(configs.values())
    return train_population(members, workdirs, experiment, _record_divergence)


def _one_line(error):
    return error and " ".join(error.split())[:_LONGEST]


def _claim(stack, workdir, until):
    """Holds a point until this process ends, unless another one holds it till then,
    as a process of the sweep or as any that trains it."""
    try:
        stack.enter_context(claim(workdir, max(0, until - time.monotonic())))
        with claim_workdir(workdir):
            pass
    except InUseError as error:
        print(error, file=sys.stderr)
        return False
    return True


def _print_to_log(folder, names):
    """What this process and its libraries print from now on goes to a file."""
    first, *others = (place(folder, name) for name in names)
    for workdir in others:
        line = f"trained with {first.name}, whose log.txt holds what was printed\n"
        with (workdir / "log.txt").open("a") as file:
            file.write(line)
    with (first / "log.txt").open("a") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def raise_interrupted(received: list[int]) -> None:
    """Raises Interrupted where signals were caught; the processes have ended."""
    if received:
        raise Interrupted(
            received[0],
            "interrupted, what was trained is saved; the same command goes on",
        )


def _end_with_parent():
    """Saves and ends when the process that started this one is no more.

    A killed sweep leaves no training behind, nor a killed node's worker one that would
    meet itself on another node.
    """
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
