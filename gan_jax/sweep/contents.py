"""What the report of a sweep says, as plain text, tables and pictures."""

import json
import math
from typing import NamedTuple

from PIL import Image

from gan_jax.loop.log import pictures_by_step
from gan_jax.pages import as_png
from gan_jax.sweep import curves
from gan_jax.sweep.columns import Column, median_member, of_interest
from gan_jax.sweep.folder import Sweep
from gan_jax.sweep.points import as_text
from gan_jax.sweep.results import ENDED, Member, count, make_cells, summarise

_LARGEST = 1_000  # pixels along a side of a picture of samples
_NONE = "\N{EN DASH}"


class Table(NamedTuple):
    """rows: texts; a line break in one parts the main thing from the rest"""

    headers: list[str]
    rows: list[list[str]]


class Picture(NamedTuple):
    """file: its name; png: its content; caption: lines, the first one a title"""

    file: str
    png: bytes
    caption: list[str]


class Contents(NamedTuple):
    """facts:     of the sweep, each under a name
    table:     a row for each cell
    protocols: how the columns were measured, those that were alike together
    warnings:  what a reader must not overlook
    curves:    of the columns of interest; apart: with a panel for each cell
    samples:   of each cell's median member, where there are any
    runs:      a row for each point
    """

    title: str
    facts: list[tuple[str, str]]
    table: Table
    protocols: list[tuple[str, str]]
    warnings: list[str]
    curves: list[Picture]
    apart: bool
    samples: list[Picture]
    runs: Table


def gather(sweep: Sweep, members: list[Member], columns: list[Column]) -> Contents:
    """All that there is to be said of a sweep."""
    cells, shown = make_cells(members), of_interest(columns)
    fields = dict.fromkeys(field for cell in cells for field in cell.overrides)
    varied = [field for field in fields if _varies(field, cells)]
    common = {
        field: cells[0].overrides[field] for field in fields if field not in varied
    }
    labels = [_label(sweep, cell, varied) for cell in cells]
    counts = f"{len(members)} in {len(cells)} cells"
    facts = {
        "Experiment": f"{sweep.experiment} ({sweep.config})",
        "Changed in all": ", ".join(_assignments(sweep.changes | common)),
        "Points": f"{counts}: {count(members)}" if members else counts,
        "Software": _distinct(members, "versions", _versions),
        "Devices": _distinct(members, "devices", ", ".join),
    }
    return Contents(
        title=f"Sweep of {sweep.experiment}",
        facts=[(name, text) for name, text in facts.items() if text],
        table=_table(cells, varied, shown),
        protocols=_protocols(cells, columns, shown),
        warnings=_warnings(members, shown),
        curves=_curves(cells, labels, shown),
        apart=len(cells) > curves.MOST_TOGETHER,
        samples=_samples(cells, labels, shown),
        runs=_runs(members),
    )


def _varies(field, cells):
    return len({as_text(cell.overrides.get(field, _NONE)) for cell in cells}) > 1


def _label(sweep, cell, varied):
    """Lines that tell a cell from the others."""
    own = {field: cell.overrides[field] for field in varied if field in cell.overrides}
    first, *rest = _assignments(own) or [sweep.experiment]
    return [f"{cell.number}: {first}", *rest]


def _assignments(overrides):
    return [f"{field}={as_text(value)}" for field, value in overrides.items()]


def _distinct(members, key, say):
    records = [member.record for member in members if member.record is not None]
    said = dict.fromkeys(say(record[key]) for record in records if key in record)
    return "; ".join(said)


def _versions(versions):
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _table(cells, varied, shown):
    rows = []
    for cell in cells:
        overrides = [as_text(cell.overrides.get(field, _NONE)) for field in varied]
        results = [_result(cell, column) for column in shown]
        counts = cell.counts.replace(", ", "\n", 1)
        rows.append([str(cell.number), *overrides, counts, *results])
    headers = ["cell", *varied, "runs", *(column.label for column in shown)]
    return Table(headers, rows)


def _result(cell, column):
    """As "7 [6, 8]" and, in lines of their own, "6.9 +- 0.3" and what is unusual."""
    last = column.last(cell.done)
    found = summarise([value for _, value in last.values()])
    if found is None:
        return _NONE
    lines = [f"{found.median:.4g}"]
    if found.n > 1:
        lines[0] += f" [{found.low:.4g}, {found.high:.4g}]"
        lines.append(f"{found.mean:.4g} \N{PLUS-MINUS SIGN} {found.standard_error:.2g}")
    if found.n < len(cell.done):
        lines.append(f"of {found.n} runs")
    steps = {step for step, value in last.values() if math.isfinite(value)}
    if len(steps) > 1:
        lines.append(_steps(steps))
    return "\n".join(lines)


def _steps(steps):
    low, high = min(steps), max(steps)
    return f"step {low:,}" if low == high else f"steps {low:,} to {high:,}"


def _protocols(cells, columns, shown):
    """How the columns were measured: all that were evaluated, and the shown ones."""
    done = [member for cell in cells for member in cell.done]
    alike = {}
    for column in columns:
        if column.protocol is not None or column in shown:
            steps = {step for step, _ in column.last(done).values()}
            when = f"at {_steps(steps)}" if steps else "no member is done"
            alike.setdefault(f"{_how(column)}; {when}", []).append(column.label)
    return [(", ".join(labels), how) for how, labels in alike.items()]


def _how(column):
    logged = "logged in training, the newest value"
    return logged if column.protocol is None else str(column.protocol)


def _warnings(members, shown):
    said = []
    waiting = [x for x in members if x.status not in ("done", *ENDED)]
    if waiting:
        said.append(f"The sweep is not complete: {count(waiting)}.")
    lost = [member for member in members if member.status in ENDED]
    if lost:
        said.append(
            f"Runs that did not come to their end: {count(lost)}. Their values are "
            "missing from the numbers of their cells."
        )
    losses = {json.dumps(x.record["config"].get("loss")) for x in members if x.record}
    if len(losses) > 1 and any(column.name.endswith("_loss") for column in shown):
        said.append(
            "The points train by different losses, whose values cannot be compared."
        )
    return said


def _curves(cells, labels, shown):
    drawn = []
    for number, column in enumerate(shown, start=1):
        picture = curves.draw(column, cells, labels)
        if picture is not None:
            png = as_png(Image.fromarray(picture))
            caption = [column.label]
            if column.protocol is not None:
                caption.append(str(column.protocol))
            drawn.append(Picture(f"curves_{number:02d}.png", png, caption))
    return drawn


def _samples(cells, labels, shown):
    found = []
    for cell, label in zip(cells, labels, strict=True):
        member, column = median_member(cell, shown)
        step, picture = _newest_picture(member.workdir)
        if picture is None:
            continue
        seed = member.overrides.get("seed")
        run = "" if seed is None else f"seed {as_text(seed)}, "
        caption = [", ".join(label), f"{run}step {step:,}"]
        if column is None:
            caption.append(f"{member.status}; no run of the cell is done")
        else:
            value = column.last([member])[member.name][1]
            caption.append(f"{column.label} {value:.4g}, the middle of {cell.counts}")
        file = f"samples_{cell.number:03d}.png"
        found.append(Picture(file, as_png(picture), caption))
    return found


def _newest_picture(workdir):
    """(step, image) of the newest whole picture of samples; None twice without any."""
    for step, file in reversed(pictures_by_step(workdir).items()):
        try:
            with Image.open(file) as image:
                picture = image.convert("RGB")
        except (OSError, SyntaxError, ValueError):  # while it is being written
            continue
        picture.thumbnail((_LARGEST, _LARGEST))
        return step, picture
    return None, None


def _runs(members):
    rows = []
    for member in members:
        steps = (member.record or {}).get("config", {}).get("steps")
        of = f" of {steps:,}" if steps else ""
        step = _NONE if member.step is None else f"{member.step:,}{of}"
        seconds = _NONE if member.seconds is None else f"{member.seconds:,.0f}"
        rows.append([member.name, member.status, step, seconds, member.error])
    return Table(["run", "status", "step", "seconds", "error"], rows)
