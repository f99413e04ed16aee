"""The ledger as tables in Markdown, and the places of README.md that hold them."""

import ast
import dataclasses
import math
import re
from typing import NamedTuple

import numpy as np

from gan_jax.config.files import experiments_dir
from gan_jax.errors import UsageError, nearest
from gan_jax.ledger import speedrun
from gan_jax.ledger.entries import Cell, Entry, is_current
from gan_jax.metrics import protocol
from gan_jax.sweep.points import as_text
from gan_jax.sweep.results import summarise

_NOT_RUN = "not run yet"
_SPEEDRUN = "speedrun/"
_FOLDERS = {"experiments": ".", "ablations": "ablations"}
_MARK = re.compile(
    r"(<!-- results: ([-\w/]+) -->\n)(.*?)(<!-- end of results -->)", re.S
)


def written_into(text: str, entries: dict[str, Entry]) -> str:
    """A text with its tables made anew.

    Each stands between `<!-- results: WHICH -->` and `<!-- end of results -->`, where
    WHICH is "experiments" or "ablations", for all files of these, "speedrun/GAME", or
    an entry's name.
    """

    def fill(found):
        begin, which, _, end = found.groups()
        return f"{begin}\n{_table(which, entries)}\n\n{end}"

    return _MARK.sub(fill, text)


def _table(which, entries):
    if which in _FOLDERS:
        return of_files(which, entries)
    if which.startswith(_SPEEDRUN):
        return of_speedrun(which.removeprefix(_SPEEDRUN), entries)
    if which not in entries:
        raise UsageError(
            f"the ledger has no result {which!r}; {nearest(which, entries)}"
        )
    return of_entry(entries[which])


def of_files(which: str, entries: dict[str, Entry]) -> str:
    """A row for each of the experiments or ablations: what it is, what came of it."""
    rows = []
    for file in sorted((experiments_dir() / _FOLDERS[which]).glob("[a-z]*.py")):
        if file.stem == "default":
            continue
        known = [entry for entry in entries.values() if entry.experiment == file.stem]
        told = "<br>".join(filter(None, map(summary, known))) or _NOT_RUN
        rows.append([f"`{file.name}`", _what(file), told])
    return _markdown(["experiment", "what", "result"], rows)


def _what(file):
    """The first line of an experiment's docstring."""
    doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return doc.partition("\n")[0].rstrip(".")


def of_speedrun(game: str, entries: dict[str, Entry]) -> str:
    """A row for each record of a speedrun, oldest first, and whether it is good."""
    wanted = speedrun.targets(game)
    rows = []
    for name in speedrun.records(game):
        entry = entries.get(name)
        row = [f"`{name}`", _what(experiments_dir() / "speedrun" / f"{name}.py")]
        if entry is None or len(entry.cells) != 1:
            rows.append([*row, _NOT_RUN, *[""] * len(wanted), ""])
            continue
        group = _by_step(entry.cells[0])[-1]
        met, why = speedrun.verdict(name, entry, wanted)
        found = [group.values.get(name, "") for name in wanted]
        rows.append([*row, group.about, *found, f"{'yes' if met else 'no'}: {why}"])
    bounds = [f"{name} {how} {x:g}" for name, (how, x) in wanted.items()]
    return _markdown(
        ["record", "what it changed", "training", *bounds, "within bounds"], rows
    )


def summary(entry: Entry) -> str:
    """An entry in a line: steps, time, seeds, what was measured, what was seen.

    Of a sweep only what was seen: its cells have a table of their own.
    """
    if not entry.cells:
        return entry.told["short"]
    parts = []
    if not _is_sweep(entry):
        for group in _by_step(entry.cells[0]):
            values = [
                f"{name} {group.values[name]}" for name in _shown(entry, group.values)
            ]
            parts.append(": ".join(filter(None, [group.about, ", ".join(values)])))
    changed = ", ".join(f"`{k}={as_text(x)}`" for k, x in entry.changes.items())
    old = "" if is_current(entry) else "of an earlier config"
    said = "; ".join(filter(None, [*parts, entry.seen, entry.note, old]))
    return f"with {changed}: {said}" if changed else said


def of_entry(entry: Entry) -> str:
    """A row for each cell and step of an entry, a column for each value of all rows.

    The last one is of real examples. Of a sweep, which has no other table, it is the
    values to be shown. An entry without runs is what was told of it.
    """
    if not entry.cells:
        return entry.told["text"]
    groups = [(cell, group) for cell in entry.cells for group in _by_step(cell)]
    known = dict.fromkeys(name for _, group in groups for name in group.values)
    everywhere = [x for x in known if all(x in group.values for _, group in groups)]
    names = _shown(entry, known) if _is_sweep(entry) else everywhere
    rows = [
        [
            ", ".join(f"{k}={as_text(x)}" for k, x in cell.overrides.items()),
            group.about,
            *(group.values.get(name, "") for name in names),
        ]
        for cell, group in groups
    ]
    if entry.real:
        there = _of_measurements(entry.real)
        rows.append(["", "real examples", *(there.get(name, "") for name in names)])
    headers = ["", "training", *names]
    if not any(row[0] for row in rows):
        headers, rows = headers[1:], [row[1:] for row in rows]
    return _markdown(headers, rows)


def whole(name: str, entry: Entry) -> str:
    """All that is known of an entry, for people."""
    lines = [name, *filter(None, [summary(entry), entry.told.get("text")])]
    measured = []
    for cell in entry.cells:
        of = {"experiment": entry.experiment} | entry.changes | cell.overrides
        model = " ".join(f"{k}={as_text(x)}" for k, x in of.items())
        for run in cell.runs:
            lines.append(f"{model}: {_about(run.step, [run])}; {_origin(run)}")
            mark = {"model": model, "run": str(run.seed), "step": run.step}
            measured += [dataclasses.replace(x, **mark) for x in run.measurements]
    measured += entry.real
    return "\n".join(lines) + ("\n\n" + protocol.table(measured) if measured else "")


def _origin(run):
    memory = f"{run.memory / 2**30:.2g} GiB of memory" if run.memory else ""
    software = [f"{name} {x}" for name, x in run.versions.items()]
    parts = [memory, run.processor, *run.devices, *software]
    if run.commit:
        parts.append(f"commit {run.commit}")
    return ", ".join(filter(None, parts)) or "on a machine that is not recorded"


def require_shown(entry: Entry) -> None:
    """Raises UsageError where a value is to be shown that nothing of the entry has."""
    groups = [group for cell in entry.cells for group in _by_step(cell)]
    there = {name for group in groups for name in group.values}
    for name in entry.shown:
        if name not in there:
            raise UsageError(f"--shown={name}: not measured; {nearest(name, there)}")


class _Group(NamedTuple):
    """Runs that were judged at the same step; values: texts by name."""

    about: str
    values: dict[str, str]


def _by_step(cell: Cell) -> list[_Group]:
    groups = {}
    for run in cell.runs:
        groups.setdefault(run.step, []).append(run)
    return [_Group(_about(step, runs), _values(runs)) for step, runs in groups.items()]


def _about(step, runs):
    """As "step 1,810, 12 min of 1 core, 3 seeds"."""
    seconds = [run.seconds for run in runs if run.seconds is not None]
    parts = [f"step {step:,}"]
    if seconds:
        took = _duration(sum(seconds) / len(seconds))
        cores = {run.cores for run in runs if run.seconds is not None}
        known = cores.pop() if len(cores) == 1 else None
        of = f" of {known} core{'s' if known > 1 else ''}" if known else ""
        parts.append(took + of)
    seeds = sorted(run.seed for run in runs)
    parts.append(f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds")
    return ", ".join(parts)


def _duration(seconds):
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def _values(runs):
    """Mean and standard error by name, each under the first protocol that has it.

    Of one run the standard error is the metric's own, where it has one. A value that
    not all of the runs have says so.
    """
    found = _of_measurements(
        [
            dataclasses.replace(x, run=str(number))
            for number, run in enumerate(runs)
            for x in run.measurements
        ],
        len(runs),
    )
    for name in dict.fromkeys(name for run in runs for name in run.logged):
        values = [run.logged[name] for run in runs if name in run.logged]
        found.setdefault(name, _text(values, None, len(runs)))
    return found


def _of_measurements(measurements, runs=1):
    found = {}
    for column in protocol.columns(measurements):
        for name in dict.fromkeys(name for x in column for name in x.values):
            there = [x for x in column if name in x.values]
            by_run = {}  # over seeds of its samples
            for x in there:
                by_run.setdefault(x.run, []).append(x.values[name])
            error = there[-1].standard_errors.get(name)
            values = [*map(np.mean, by_run.values())]
            found.setdefault(name, _text(values, error, runs))
    return found


def _text(values, error, asked):
    summed = summarise(values)
    some = "" if len(values) == asked else f" ({len(values)} of {asked})"
    if summed.standard_error is not None:
        error = summed.standard_error
    if not error:
        return f"{summed.mean:.3g}{some}"
    digits = max(0, 1 - math.floor(math.log10(error)))  # two of the error's
    return f"{summed.mean:.{digits}f} ± {error:.{digits}f}{some}"


def _shown(entry, known):
    """Those of the known values that tables show of an entry."""
    return [name for name in entry.shown if name in known] or list(known)


def _is_sweep(entry):
    return any(cell.overrides for cell in entry.cells)


def _markdown(headers, rows):
    """Without the blanks that would align columns: a cell may be a paragraph."""
    lines = [headers, ["---"] * len(headers), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
