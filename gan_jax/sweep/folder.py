"""The folder of a sweep: what is swept, and how far each of its points is.

sweep.json           what is swept, see Sweep
NAME/                the work directory of the point of this name, as any run has one
NAME/status.json     how its training went, see Status; not there before it began
NAME/log.txt         what its process printed
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import filelock

from gan_jax.config.files import (
    FREE_FIELDS,
    changed_fields,
    from_json,
    what_it_is,
)
from gan_jax.errors import InUseError, UsageError
from gan_jax.loop.checkpoint import saved_steps
from gan_jax.loop.workdir import claim as claim_workdir
from gan_jax.loop.workdir import refuse_another_run
from gan_jax.sweep import points

FINAL = ("done", "diverged", "failed")
_SECONDS_FOR_LOCK = 60


class Sweep(NamedTuple):
    """experiment: its name, as runs record it
    config:     its file
    base:       the config that the file had, which all points are made from
    changes:    overrides of all points, by field, as texts
    points:     the overrides of each point by its name, in order
    """

    experiment: str
    config: str
    base: dict
    changes: dict[str, str]
    points: dict[str, points.Point]

    def resolve(self, name: str):
        """The config of a point."""
        if name not in self.points:
            raise UsageError(f"this sweep has no point {name!r}")
        return points.resolve(from_json(self.base), self.changes, self.points[name])


class Status(NamedTuple):
    """status:  "running", "interrupted", or one of FINAL
    error:   what ended it, in one line
    step:    of its newest checkpoint, if it has one
    seconds: that a process has worked on it, a member of a population having its share
    """

    status: str
    error: str | None = None
    step: int | None = None
    seconds: float = 0.0


# what is swept


def read(folder: Path) -> Sweep | None:
    """What is swept in a folder; None where nothing is."""
    path = folder / "sweep.json"
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text())
        return Sweep(**{field: values[field] for field in Sweep._fields})
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path} is not the record of a sweep") from None


def join(folder: Path, sweep: Sweep) -> None:
    """Records a sweep, or adds its points to those of the same sweep in the folder.

    Safe beside other processes that do the same.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".sweep.lock", timeout=_SECONDS_FOR_LOCK)
        with lock:
            refuse_another(folder, sweep)
            there = read(folder)
            known = there.points if there else {}
            merged = sweep._replace(points=known | sweep.points)
            _write(folder / "sweep.json", merged._asdict())
    except (OSError, filelock.Timeout) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"sweep folder {folder} cannot be written: {reason}") from None


def refuse_another(folder: Path, sweep: Sweep) -> None:
    """Raises UsageError where the folder holds what does not belong to this sweep.

    The same sweep may have other points, and other values of the fields that do not
    make a run what it is (config.FREE_FIELDS).
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"sweep folder {folder} is a file")
    if (folder / "config.json").exists():
        raise UsageError(f"{folder} holds a run, not a sweep; choose another --workdir")
    there = read(folder)
    if there is None:
        return
    if there.experiment != sweep.experiment:
        raise UsageError(
            f"{folder} holds a sweep of experiment {there.experiment}, not of "
            f"{sweep.experiment}; choose another --workdir"
        )
    differences = changed_fields(from_json(there.base), from_json(sweep.base))
    differences += [
        f"{field}: {there.changes.get(field, 'unchanged')} -> "
        f"{sweep.changes.get(field, 'unchanged')}"
        for field in sorted(there.changes | sweep.changes)
        if field not in FREE_FIELDS
        and there.changes.get(field) != sweep.changes.get(field)
    ]
    if differences:
        raise UsageError(
            f"{folder} holds another sweep of {sweep.experiment} "
            f"({'; '.join(differences)}); undo the change to go on with it, or choose "
            "another --workdir"
        )
    for name in sweep.points:
        workdir, config = points.place(folder, name), sweep.resolve(name)
        refuse_another_run(workdir, config, sweep.experiment)


def known_names(folder: Path, sweep: Sweep) -> dict[str, str]:
    """The names of a sweep's points, each by the one that it would have by itself.

    A run that the folder has already, by other flags, keeps its name: d_steps=1 is
    d_steps=1,seed=0 of an experiment whose seed is 0.
    """
    there = read(folder)

    def run_of(sweep, name):
        config = sweep.resolve(name)
        return json.dumps(what_it_is(config) | {"seed": config.seed}, sort_keys=True)

    known = {run_of(there, name): name for name in there.points} if there else {}
    return {name: known.get(run_of(sweep, name), name) for name in sweep.points}


# how far its points are


def read_status(workdir: Path) -> Status | None:
    """How the training of a point went; None before it began."""
    try:
        values = json.loads((workdir / "status.json").read_text())
        return Status(**{field: values[field] for field in Status._fields})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_status(
    workdir: Path, status: str, error: str | None = None, seconds: float = 0.0
) -> None:
    """Records how the training of a point went, at the step of its last checkpoint.

    seconds: since it was written last, which are added up
    """
    before = read_status(workdir)
    if before is not None:
        seconds += before.seconds
    content = Status(status, error, newest_saved(workdir), round(seconds, 3))
    _write(workdir / "status.json", content._asdict())


def is_over(workdir: Path, config, retry: bool = False) -> bool:
    """Whether there is nothing left to do for a point.

    It is trained to config.steps; or it failed or diverged, and is not to be retried.
    """
    status = read_status(workdir)
    if status is None or status.status not in FINAL:
        return False
    if status.status == "done":
        return status.step is not None and status.step >= config.steps
    return not retry


def reopen(folder: Path, names: Iterable[str]) -> None:
    """Points that failed or diverged are to be tried again."""
    for name in names:
        workdir = points.place(folder, name)
        status = read_status(workdir)
        if status and status.status in FINAL and status.status != "done":
            write_status(workdir, "interrupted")


def statuses(folder: Path, names: Iterable[str]) -> dict[str, Status | None]:
    """How the points stand, by their names."""
    return {name: read_status(points.place(folder, name)) for name in names}


def record_death(folder: Path, before: dict[str, Status | None], reason: str) -> None:
    """Marks as failed the points of a process that ended without a word of them.

    before: how they stood when it was started
    """
    for name, known in before.items():
        workdir = points.place(folder, name)
        try:
            with claim(workdir, timeout=0):
                status = read_status(workdir)
                if status in (None, known) or status.status == "running":
                    write_status(workdir, "failed", reason)
        except InUseError:
            pass  # by a process that will say itself how it ended
        except UsageError as error:
            print(f"{name}: {reason}, and {error}", file=sys.stderr)


def newest_saved(workdir: Path) -> int | None:
    """The step of a point's newest checkpoint."""
    return max(saved_steps(workdir / "checkpoints"), default=None)


def newest_step(workdir: Path) -> int:
    """The last step that a point has logged or saved, 0 before."""
    status = read_status(workdir)
    step = (status and status.step) or 0
    try:
        with (workdir / "metrics.jsonl").open("rb") as file:
            file.seek(-min(4096, file.seek(0, os.SEEK_END)), os.SEEK_END)
            rows = file.read().splitlines()
    except OSError:
        return step
    for row in reversed(rows):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return max(step, json.loads(row)["step"])
    return step


def claim(workdir: Path, timeout: float):
    """Holds a point, so that no other process of the sweep works on it.

    Raises InUseError where one still does after `timeout` seconds.
    """
    return claim_workdir(workdir, ".point.lock", timeout)


def _write(path, values):
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(json.dumps(values, indent=2) + "\n")
    os.replace(unfinished, path)
