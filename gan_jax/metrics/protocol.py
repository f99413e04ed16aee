"""How a number was measured, kept with the number.

The same generator has another Frechet distance with 5,000 samples than with 50,000,
with another reference split, resizing or batch-norm mode. Two numbers can be compared
only if all of that agrees: `compare` refuses them otherwise, and `table` never prints
them in one column.

The seed of the samples is recorded, but sets no protocol apart: measurements that
differ in it alone are repeats, whose spread is their uncertainty.
"""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Literal

import filelock
import numpy as np

from gan_jax.errors import UsageError
from gan_jax.files import write_text

FILE = "evaluation.jsonl"  # in a work directory
_REPEATED = "seed"
# None here means that it does not apply: to real data, to networks without batch norm
_OF_GENERATORS = ("batch_norm", "ema")
_ALSO_WITHOUT = ("labels", "inputs", "truncation")
_BATCH_NORM = ("running", "batch", "recalibrated", None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """What has to agree before two values of a metric mean the same.

    metric:         its name, "frechet_distance"
    samples:        how many were judged; None: a player was, on real examples
    seed:           of their latents; it may differ between repeats
    estimator:      the metric's settings in words, "10 disjoint subsets of 1000"
    features:       the feature network's name; None: the pixels or points themselves
    checksum:       of the feature network's weights
    reference:      the real data's name and split, "mnist test"; None: there are none
    reference_size: how many examples of it were used
    resizing:       from the samples' size to the network's; None: there is none
    batch_norm:     whose statistics G normalised by: those of training ("running"), of
                    each minibatch ("batch"), or of many samples, measured anew
                    ("recalibrated"); None: no batch norm
    ema:            whether G's parameters were averaged; None: the samples are real
    labels:         those that samples were asked for: as frequent as in the data
                    ("data"), each as frequent as any other ("uniform"), or all of one
                    class ("given 7"); None: G takes none, or the samples are real
    inputs:         the real examples that the samples were made of; None: of latents
    truncation:     of the latents; None: they are those of the prior, or there are none
    """

    metric: str
    samples: int | None
    seed: int
    estimator: str | None = None
    features: str | None = None
    checksum: str | None = None
    reference: str | None = None
    reference_size: int | None = None
    resizing: str | None = None
    batch_norm: Literal["running", "batch", "recalibrated"] | None = None
    ema: bool | None = None
    labels: str | None = None
    inputs: str | None = None
    truncation: float | None = None

    def __post_init__(self):
        if self.batch_norm not in _BATCH_NORM:
            accepted = ", ".join(map(str, _BATCH_NORM))
            raise UsageError(f"batch_norm={self.batch_norm!r}; accepted: {accepted}")

    def __str__(self):
        """The metric and what was set, without the seed."""
        rest = [
            f"{name.replace('_', ' ')} {_said(name, value)}"
            for name, value in dataclasses.asdict(self).items()
            if name not in ("metric", _REPEATED) and value is not None
        ]
        return f"{self.metric}: {', '.join(rest)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """A metric's values for one generator, with how they were measured.

    values:          by name: a metric may have several (precision, recall)
    standard_errors: of those values that have one
    model:           what was judged: trainings that differ in their seed share it
    run:             which training of the model, such as its work directory
    step:            of the training
    seconds:         the measuring took
    """

    protocol: Protocol
    values: dict[str, float]
    standard_errors: dict[str, float] = dataclasses.field(default_factory=dict)
    model: str = ""
    run: str = ""
    step: int | None = None
    seconds: float | None = None

    def to_json(self) -> str:
        """One line; ValueError for a value that is not finite."""
        fields = dataclasses.asdict(self)
        # numpy's scalars are not JSON's numbers
        return json.dumps(fields, allow_nan=False, default=lambda value: value.item())

    @classmethod
    def from_json(cls, text: str) -> "Measurement":
        try:
            fields = json.loads(text)
            return cls(**fields | {"protocol": Protocol(**fields["protocol"])})
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(f"not a measurement: {text[:40]!r} ({error})") from None


def append(workdir: Path, measurement: Measurement) -> None:
    """Adds a line to evaluation.jsonl in the work directory."""
    with _alone(workdir):
        _write(workdir, [*read(workdir), measurement])


def read(workdir: Path) -> list[Measurement]:
    """What evaluation.jsonl says, oldest first; empty where there is none.

    A last line that is torn is left out; raises UsageError for another.
    """
    file = workdir / FILE
    found = []
    for number, line in enumerate(_lines(file), 1):
        try:
            found.append(Measurement.from_json(line))
        except UsageError as error:
            if line.endswith("\n"):
                raise UsageError(f"{file}, line {number}: {error}") from None
    return found


def forget(workdir: Path, step: int | None) -> None:
    """Leaves out what was measured after `step`, where a run goes on; None: of any."""
    if not (workdir / FILE).exists():
        return
    last = -1 if step is None else step
    with _alone(workdir):
        found = read(workdir)
        kept = [x for x in found if x.step is None or x.step <= last]
        if len(kept) < len(found):
            _write(workdir, kept)


@contextlib.contextmanager
def _alone(workdir):
    """While the file is rewritten: a run may be judged by others while it trains."""
    try:
        lock = filelock.FileLock(workdir / ".evaluation.lock", timeout=60)
        lock.acquire()
    except (OSError, filelock.Timeout) as error:
        said = getattr(error, "strerror", None) or "another process holds it"
        raise UsageError(f"{workdir / FILE} cannot be written: {said}") from None
    with lock:
        yield


def _lines(file):
    try:
        if not file.exists():
            return []
        return file.read_text(errors="replace").splitlines(keepends=True)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None


def _write(workdir, measurements):
    """The whole file at once: a crash tears no line."""
    file = workdir / FILE
    try:
        write_text(file, "".join(x.to_json() + "\n" for x in measurements))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def compare(measurements) -> None:
    """Refuses, with every difference named, what cannot stand in one column."""
    if differences := _differences(measurements):
        raise UsageError(f"not comparable: {'; '.join(differences)}")


def _differences(measurements):
    """As ["features: mnist-classifier against pixels", ...]."""
    differences = []
    for field in dataclasses.fields(Protocol):
        name = field.name
        measured = measurements
        if name in _ALSO_WITHOUT:  # none sets a generator apart, not real data
            measured = [m for m in measurements if m.protocol.ema is not None]
        values = dict.fromkeys(getattr(m.protocol, name) for m in measured)
        if name in _OF_GENERATORS:
            values.pop(None, None)
        if len(values) > 1 and name != _REPEATED:
            said = " against ".join(_said(name, value) for value in values)
            differences.append(f"{name}: {said}")
    return differences


def _said(name, value):
    if value is None:
        return "pixels" if name == "features" else "none"
    return value[:8] if name == "checksum" else str(value)


def table(measurements) -> str:
    """A table for each protocol; a row for each model and step in it.

    Repeats are one row, mean +- standard error: over the runs of a model where there
    are several, else over seeds of the samples; a lone measurement shows the metric's
    own standard error. The same run with the same seed counts once, the last time.
    """
    return "\n\n".join(map(_one_protocol, columns(measurements)))


def columns(measurements):
    """Lists of measurements that agree; what applies to several stands in each."""

    def unset(measurement):
        return sum(getattr(measurement.protocol, x) is None for x in _OF_GENERATORS)

    columns = []
    for measurement in sorted(measurements, key=unset):
        fitting = [x for x in columns if not _differences([*x, measurement])]
        if not fitting:
            columns.append([measurement])
        for column in fitting:
            column.append(measurement)
    return columns


def _one_protocol(measurements):
    from tabulate import tabulate

    rows = {}
    for measurement in measurements:
        rows.setdefault((measurement.model, measurement.step), []).append(measurement)
    names = list(dict.fromkeys(name for m in measurements for name in m.values))
    body = [
        [model, step, *(_cell(row, name) for name in names), _repeats(row)]
        for (model, step), row in rows.items()
    ]
    headers = ["model", "step", *names, "repeats"]
    if not any(row[-1] for row in body):
        headers, body = headers[:-1], [row[:-1] for row in body]
    return (
        f"{measurements[0].protocol}\n{tabulate(body, headers, disable_numparse=True)}"
    )


def _by_run(row):
    runs = {}
    for measurement in row:
        runs.setdefault(measurement.run, {})[measurement.protocol.seed] = measurement
    return [list(seeds.values()) for seeds in runs.values()]


def _repeats(row):
    runs = _by_run(row)
    if len(runs) > 1:
        return f"{len(runs)} runs"
    return f"{len(runs[0])} seeds" if len(runs[0]) > 1 else ""


def _cell(row, name):
    runs = [[m.values[name] for m in run if name in m.values] for run in _by_run(row)]
    known = [run for run in runs if run]
    if not known:
        return ""
    if len(runs) > 1:
        repeats, asked = [np.mean(run) for run in known], len(runs)
    else:
        repeats, asked = known[0], len(_by_run(row)[0])
    if len(repeats) > 1:
        error = np.std(repeats, ddof=1) / np.sqrt(len(repeats))
    else:
        (last,) = [m for m in row if name in m.values][-1:]
        error = last.standard_errors.get(name)
    cell = f"{np.mean(repeats):.4g}" + (f" ± {error:.2g}" if error is not None else "")
    # no KL where no mode was found: a mean over the survivors has to say so
    return cell if len(repeats) == asked else f"{cell} ({len(repeats)} of {asked})"
