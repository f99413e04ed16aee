"""What the runs of a sweep have come to, read anew from their own files.

A *cell* is what is compared: the points that differ in nothing but their seed, its
members. Only those that are done count in its statistics; the others are counted beside
them.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.loop.log import Series, read_series
from gan_jax.loop.workdir import read_record
from gan_jax.metrics import protocol
from gan_jax.metrics.protocol import Measurement
from gan_jax.sweep.folder import Sweep, read_status
from gan_jax.sweep.points import place

ENDED = ("diverged", "failed")  # without having come to their last step
_STATUSES = ("done", *ENDED, "interrupted", "running", "not begun")


class Member(NamedTuple):
    """The run of a point, as far as it has come.

    status:  that of its status.json, or "not begun"
    error:   why it ended, and what of its files cannot be read; may be empty
    step:    the last one known of
    record:  of its config.json
    """

    name: str
    overrides: dict
    workdir: Path
    status: str
    error: str
    step: int | None
    seconds: float | None
    record: dict | None
    logged: dict[str, Series]
    measurements: list[Measurement]


def read_members(folder: Path, sweep: Sweep) -> list[Member]:
    """What the files of every point say.

    What of a run cannot be read, a torn line or file, costs that alone.
    """
    return [
        _read_member(place(folder, name), overrides)
        for name, overrides in sweep.points.items()
    ]


def _read_member(workdir, overrides):
    problems = []
    status = read_status(workdir)
    if status is not None and status.error:
        problems.append(status.error)
    try:
        record = read_record(workdir)
    except (UsageError, OSError):
        record = None
        problems.append("config.json cannot be read")
    try:
        logged = read_series(workdir)
    except (ValueError, TypeError, KeyError, OSError):
        logged = {}
        problems.append("metrics.jsonl cannot be read")
    measurements, unread = _read_measurements(workdir)
    if unread:
        problems.append(f"lines of {protocol.FILE} that cannot be read: {unread}")
    step = None if status is None else status.step
    if step is None and logged:
        step = int(max(steps[-1] for steps, _ in logged.values()))
    return Member(
        name=workdir.name,
        overrides=overrides,
        workdir=workdir,
        status="not begun" if status is None else status.status,
        error="; ".join(problems),
        step=step,
        seconds=None if status is None else status.seconds,
        record=record,
        logged=logged,
        measurements=measurements,
    )


def _read_measurements(workdir):
    """What was measured of the run, and how many lines cannot be read.

    Line by line, so that a torn one costs no other. Measurements without a step are of
    real data.
    """
    try:
        lines = (workdir / protocol.FILE).read_text().splitlines()
    except FileNotFoundError:
        return [], 0
    except (ValueError, OSError):
        return [], 1
    found, unread = [], 0
    for line in lines:
        try:
            found.append(Measurement.from_json(line))
        except UsageError:
            unread += 1
    return [x for x in found if x.step is not None], unread


def count(members) -> str:
    """How many there are of each status: "3 done, 2 failed"."""
    statuses = [member.status for member in members]
    known = dict.fromkeys([*_STATUSES, *statuses])
    return ", ".join(f"{statuses.count(s)} {s}" for s in known if s in statuses)


class Cell(NamedTuple):
    """The points with the same overrides but for the seed; number: from 1."""

    number: int
    overrides: dict
    members: list[Member]

    @property
    def done(self) -> list[Member]:
        return [member for member in self.members if member.status == "done"]

    @property
    def counts(self) -> str:
        """As "3 of 5 done, 1 diverged, 1 running"."""
        rest = count(member for member in self.members if member.status != "done")
        done = f"{len(self.done)} of {len(self.members)} done"
        return f"{done}, {rest}" if rest else done


def make_cells(members: list[Member]) -> list[Cell]:
    """The cells of a sweep, in the order of their first members."""
    found = {}
    for member in members:
        rest = {field: x for field, x in member.overrides.items() if field != "seed"}
        key = json.dumps(rest, sort_keys=True)
        found.setdefault(key, (rest, []))[1].append(member)
    return [Cell(number, *cell) for number, cell in enumerate(found.values(), start=1)]


class Summary(NamedTuple):
    """Of n values: median, quartiles, mean and its standard error (None for n = 1)."""

    n: int
    median: float
    low: float
    high: float
    mean: float
    standard_error: float | None


def summarise(values) -> Summary | None:
    """The statistics of what is finite among the values; None where nothing is.

    Quantiles are interpolated between neighbours. The standard error is the standard
    deviation, by the unbiased variance, over the root of n.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    n, mean = len(values), float(values.mean())
    low, median, high = map(float, np.quantile(values, [0.25, 0.5, 0.75]))
    error = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else None
    return Summary(n, median, low, high, mean, error)
