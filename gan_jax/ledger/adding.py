"""From the work directories of runs, or a sweep's folder, to an entry of the ledger."""

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

from gan_jax.config.files import (
    changed_fields,
    changes_of,
    fields,
    from_json,
    own_experiment,
)
from gan_jax.errors import UsageError
from gan_jax.ledger.entries import Cell, Entry, Trained, config_checksum
from gan_jax.loop.checkpoint import saved_steps
from gan_jax.loop.clock import memory_until, seconds_until
from gan_jax.loop.log import pictures_by_step, read_series
from gan_jax.loop.workdir import read_record
from gan_jax.metrics import protocol
from gan_jax.sweep import folder as sweeps
from gan_jax.sweep.columns import of_training
from gan_jax.sweep.points import resolve
from gan_jax.sweep.results import make_cells, read_members


def of_runs(workdirs: list[Path], step: int | None = None) -> Entry:
    """The entry of runs that differ in their seed alone.

    step: that was judged; None: the newest that was, or else the newest saved one
    Raises UsageError where there is no run, or where they are of several configs.
    """
    experiment, config, run = _of_run(workdirs[0], step)
    runs, real = [run], {}
    for workdir in workdirs[1:]:
        another, other, run = _of_run(workdir, step)
        if another != experiment:
            raise UsageError(
                f"{workdir} holds a run of experiment {another}, {workdirs[0]} one of "
                f"{experiment}; a result is of one experiment"
            )
        with other.unlocked():
            other.seed = config.seed
        if changed := changed_fields(config, other):
            raise UsageError(
                f"{workdirs[0]} and {workdir} differ in more than their seed "
                f"({'; '.join(changed)}); each is a result of its own"
            )
        if (run.seed, run.step) in {(x.seed, x.step) for x in runs}:
            raise UsageError(
                f"{workdir}: a run of seed {run.seed} to step {run.step:,} is there"
            )
        runs.append(run)
    for workdir in workdirs:
        for x in protocol.read(workdir):
            if x.step is None:
                real[x.protocol] = dataclasses.replace(x, run="")
    return Entry(
        experiment=experiment,
        changes=_plain(changes_of(_own(experiment), config)),
        checksum=config_checksum(config),
        cells=[Cell(runs=_in_order(runs))],
        real=list(real.values()),
    )


def of_sweep(folder: Path) -> Entry:
    """The entry of a sweep: of the points that are done, where they ended."""
    sweep = sweeps.read(folder)
    file = _own(sweep.experiment)
    config, of_points = _of_all_points(from_json(sweep.base), sweep.changes)
    cells = []
    for cell in make_cells(read_members(folder, sweep)):
        runs = [  # of the members of a population the time is known to their sweep
            dataclasses.replace(_of_run(x.workdir, x.step)[2], seconds=x.seconds)
            for x in cell.done
        ]
        if len({(run.seed, run.step) for run in runs}) < len(runs):
            names = ", ".join(x.name for x in cell.done)
            raise UsageError(f"{folder} has a run twice among the points {names}")
        if runs:
            found = fields(sweep.resolve(cell.done[0].name))
            overrides = {name: found[name] for name in of_points} | cell.overrides
            cells.append(Cell(overrides=_plain(overrides), runs=_in_order(runs)))
    if not cells:
        raise UsageError(f"no run of the sweep in {folder} is done")
    return Entry(
        experiment=sweep.experiment,
        changes=_plain(changes_of(file, config)),
        checksum=config_checksum(config),
        cells=cells,
    )


def _of_all_points(base, changes):
    """The config that all points of a sweep come from, and those of its changes that
    only a point can take, as the weight of a penalty that the points name."""
    common = {}
    for field in sorted(changes, key=lambda field: not field.endswith(".name")):
        with contextlib.suppress(UsageError):
            resolve(base, common | {field: changes[field]}, {})
            common[field] = changes[field]
    return resolve(base, common, {}), [x for x in changes if x not in common]


def merged(old: Entry, new: Entry) -> Entry:
    """`new` with the runs of `old` that it has not; they must be of the same config.

    What is said of the old one stands where the new one says nothing. Of one without
    runs the config is not known, and its text is kept.
    """
    if old.experiment != new.experiment:
        raise UsageError(
            f"that result is of experiment {old.experiment}; choose another --name"
        )
    if old.cells and (old.changes, old.checksum) != (new.changes, new.checksum):
        raise UsageError("that result is of another config; choose another --name")
    fresh = {_key(cell): cell for cell in new.cells}
    cells = []
    for cell in old.cells:
        there = fresh.pop(_key(cell), Cell()).runs
        known = {(run.seed, run.step) for run in there}
        kept = [run for run in cell.runs if (run.seed, run.step) not in known]
        cells.append(dataclasses.replace(cell, runs=_in_order([*kept, *there])))
    names = "shown", "seen", "note", "told"
    said = {name: getattr(new, name) or getattr(old, name) for name in names}
    real = list({x.protocol: x for x in [*old.real, *new.real]}.values())
    return dataclasses.replace(new, cells=[*cells, *fresh.values()], real=real, **said)


def _plain(values):
    """As a file of JSON gives them back."""
    return json.loads(json.dumps(values))


def _key(cell):
    return json.dumps(cell.overrides, sort_keys=True)


def _in_order(runs):
    return sorted(runs, key=lambda run: (run.step, run.seed))


def _of_run(workdir, step):
    """The experiment, the config and what is kept of a run."""
    record = read_record(workdir)
    if record is None:
        raise UsageError(f"there is no run in {workdir}: it has no config.json")
    measured = [x for x in protocol.read(workdir) if x.step is not None]
    judged, saved = {x.step for x in measured}, saved_steps(workdir / "checkpoints")
    known = judged or set(saved)
    if not known:
        raise UsageError(f"{workdir} has no checkpoint and nothing was measured")
    step = max(known) if step is None else step
    if step not in known.union(saved):
        there = ", ".join(map(str, sorted(known.union(saved))))
        raise UsageError(f"{workdir}: nothing is known of step {step}; of {there}")
    config = from_json(record["config"])
    newest = {x.protocol: x for x in measured if x.step == step}
    unmarked = {"model": "", "run": "", "step": None}
    found = [dataclasses.replace(x, **unmarked) for x in newest.values()]
    evaluated = {name for x in found for name in x.values}
    picture = pictures_by_step(workdir).get(step)
    machine = record.get("machine", {})
    run = Trained(
        seed=config.seed,
        step=step,
        seconds=seconds_until(workdir, step),
        memory=memory_until(workdir, step),
        processor=machine.get("processor"),
        cores=machine.get("cores"),
        devices=record.get("devices", []),
        versions=record.get("versions", {}),
        commit=record.get("commit"),
        samples=_pixels(picture) if picture else None,
        measurements=found,
        logged=_logged(workdir, step, evaluated),
    )
    return record["experiment"], config, run


def _logged(workdir, step, evaluated):
    """What the log says of samples up to a step, but for what was measured."""
    found = {}
    for name, (steps, values) in read_series(workdir).items():
        before = values[steps <= step]
        if len(before) and name not in evaluated and not of_training(name):
            found[name] = float(f"{before[-1]:.6g}")
    return found


def _pixels(picture):
    with Image.open(picture) as image:
        return hashlib.sha256(np.asarray(image).tobytes()).hexdigest()[:16]


def _own(experiment):
    """The file of an experiment of this project."""
    if (file := own_experiment(experiment)) is None:
        raise UsageError(
            f"experiment {experiment!r} is none of this project's; the ledger is of "
            "those"
        )
    return file
