"""What a diagnosis goes by: the record of a run, its logs, its pictures of samples."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.build import Built, rebuild
from gan_jax.config.files import from_json
from gan_jax.errors import UsageError
from gan_jax.loop.log import Series, pictures_by_step, read_series
from gan_jax.loop.workdir import read_record
from gan_jax.losses import Loss
from gan_jax.metrics import protocol

FEWEST = 10  # rows of a log, without which nothing is said of a course
WIDTH = 5  # rows over which a course is averaged: a minibatch is few examples


@dataclasses.dataclass(frozen=True)
class Evidence:
    """record: of config.json
    config: of the record
    built:  the functions of the run
    series: (steps, values) of everything logged and evaluated, by name
    """

    workdir: Path
    record: dict
    config: Any
    built: Built
    series: dict[str, Series]

    @property
    def loss(self) -> Loss:
        return self.built.game.loss

    @property
    def step(self) -> int:
        """The last one that is known of; 0 before anything is logged."""
        return int(max((steps[-1] for steps, _ in self.series.values()), default=0))

    @functools.cached_property
    def pictures(self) -> dict[int, Path]:
        """The pictures of samples by their steps, in order."""
        return pictures_by_step(self.workdir)

    def together(self, *names):
        """Steps [n] at which all of these are known, and values [names, n]."""
        known = [self.series.get(name, (np.empty(0),) * 2) for name in names]
        steps = functools.reduce(np.intersect1d, [steps for steps, _ in known])
        values = [values[np.searchsorted(there, steps)] for there, values in known]
        return steps, np.array(values)


def gather(workdir: Path, built: Built | None = None) -> Evidence:
    """Reads what there is; raises UsageError where there is no run.

    built: its functions, which are made anew if not given
    """
    record = read_record(workdir)
    if (workdir / "sweep.json").exists():
        raise UsageError(f"{workdir} is a sweep; name the work directory of a point")
    if record is None:
        raise UsageError(
            f"no run in {workdir}: there is no config.json; train one with: python -m "
            f"gan_jax.main --config=EXPERIMENT --workdir={workdir}"
        )
    try:
        series = read_series(workdir)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(f"{workdir}/metrics.jsonl is not the log of a run") from None
    for name, found in _evaluated(workdir).items():
        series.setdefault(name, found)
    config = from_json(record["config"])
    built = built or rebuild(config, record["data"])
    return Evidence(workdir, record, config, built, series)


def _evaluated(workdir):
    """What `gan_jax.evaluate` has measured of samples as they come, by name.

    By one protocol each, that of the newest measurement: others say other numbers.
    """
    values = {}
    for measurement in protocol.read(workdir):
        how = measurement.protocol
        asked_for = how.truncation is not None or (how.labels or "").startswith("given")
        if measurement.step is None or asked_for:
            continue
        how = dataclasses.replace(how, seed=0)
        for name, value in measurement.values.items():
            known, at = values.get(name, (how, {}))
            at = at if known == how else {}
            values[name] = how, at | {measurement.step: value}
    return {
        name: (np.array(sorted(at), float), np.array([at[x] for x in sorted(at)]))
        for name, (_, at) in values.items()
    }


def smooth(values):
    """Means [n - WIDTH + 1] over WIDTH rows of values [n]."""
    return np.convolve(values, np.full(WIDTH, 1 / WIDTH), "valid")


def recent(values):
    """The last quarter of values [..., n], and not fewer than WIDTH."""
    return values[..., -max(WIDTH, values.shape[-1] // 4) :]


def longest(holds) -> tuple[int, int]:
    """Where holds [n] is True for longest: [start, stop), the last of equal ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], holds, [0]]).astype(int)))
    pairs = edges.reshape(-1, 2)
    if not len(pairs):
        return 0, 0
    lengths = pairs[:, 1] - pairs[:, 0]
    start, stop = pairs[len(pairs) - 1 - np.argmax(lengths[::-1])]
    return int(start), int(stop)
