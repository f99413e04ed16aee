"""The report of a sweep: sweep.csv, report.html, report.md and the pictures of report/.

All of it is made anew from the runs' own files, also while they still run; the same
files give the same bytes.
"""

import csv
import html
import io
import re
from pathlib import Path

from gan_jax import pages
from gan_jax.errors import UsageError
from gan_jax.pages import escaped
from gan_jax.sweep import folder
from gan_jax.sweep.columns import Column, make_columns
from gan_jax.sweep.contents import Contents, Picture, Table, gather
from gan_jax.sweep.points import as_text
from gan_jax.sweep.results import Member, read_members

_TEMPLATE = Path(__file__).with_name("report.html")
_SIDE_BY_SIDE = 3  # pictures in report.md
_READING = (
    "A row is a cell: the points that differ in their seed alone. First the median "
    "[25 % quantile, 75 % quantile], then the mean \N{PLUS-MINUS SIGN} its standard "
    "error, of the runs that are done."
)
_ABOUT_CURVES = (
    "Medians over the runs of a cell, with a band from the 25 % to the 75 % quantile; "
    "runs under way and those that ended early are in it as far as they came. A cross: "
    "from here on a run is missing, which diverged or failed. Where each cell has a "
    "panel, the medians of the others are grey."
)
_ABOUT_SAMPLES = (
    "Of each cell, the run in the middle by the first metric of the table; of an even "
    "number the lower middle one."
)


def write(directory: Path) -> None:
    """Writes the report of the sweep in a folder, which may still run.

    Raises UsageError where there is no sweep, or where nothing can be written.
    """
    sweep = folder.read(directory)
    if sweep is None:
        raise UsageError(f"{directory} holds no sweep: there is no sweep.json")
    members = read_members(directory, sweep)
    columns = make_columns(members)
    contents = gather(sweep, members, columns)
    pictures = directory / "report"
    files = {pictures / x.file: x.png for x in contents.curves + contents.samples}
    texts = {
        "sweep.csv": csv_text(members, columns),
        "report.md": markdown(contents),
        "report.html": page(contents),
    }
    for name, text in texts.items():
        # half a surrogate pair, as of a file name that is not UTF-8, has no bytes
        files[directory / name] = text.encode(errors="replace")
    try:
        pictures.mkdir(exist_ok=True)
        for file, content in files.items():
            pages.replace(file, content)
        for file in set(pictures.glob("*.png")) - set(files):
            file.unlink(missing_ok=True)  # of an earlier report
    except OSError as error:
        said = error.strerror
        raise UsageError(f"no report can be written to {directory}: {said}") from None


def csv_text(members: list[Member], columns: list[Column]) -> str:
    """A row for each point: its overrides, how it went, the newest of every column."""
    fields = list(dict.fromkeys(name for x in members for name in x.overrides))
    last = [column.last(members) for column in columns]
    out = io.StringIO()
    writer = csv.writer(out)
    headers = ["name", *fields, "status", "step", "error", "seconds"]
    writer.writerow(map(harmless, [*headers, *(column.label for column in columns)]))
    for x in members:
        overrides = [as_text(x.overrides.get(field, "")) for field in fields]
        values = [found.get(x.name, (None, None))[1] for found in last]
        row = [x.name, *overrides, x.status, x.step, x.error, x.seconds, *values]
        writer.writerow(map(harmless, row))
    return out.getvalue()


def harmless(value):
    """What no spreadsheet takes for a formula: such text gets an apostrophe before it.

    Numbers stay numbers, negative ones and those that are texts included.
    """
    if not isinstance(value, str) or not value.startswith(tuple("=+-@\t\r\n")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def page(contents: Contents) -> str:
    """report.html: one file with all that it shows; nothing in it is executed."""
    how = [f"<li><b>{escaped(a)}</b>: {escaped(b)}</li>" for a, b in contents.protocols]
    warnings = [f'<p class="warning">{escaped(x)}</p>' for x in contents.warnings]
    return pages.fill(
        _TEMPLATE,
        title=escaped(contents.title),
        facts=pages.facts(contents.facts),
        warnings="\n".join(warnings),
        reading=_READING,
        table=pages.table(*contents.table),
        protocols="\n".join(how),
        about_curves=_ABOUT_CURVES,
        apart=" apart" if contents.apart else "",
        curves="\n".join(pages.figure(x.png, x.caption) for x in contents.curves),
        about_samples=_ABOUT_SAMPLES,
        samples="\n".join(pages.figure(x.png, x.caption) for x in contents.samples),
        runs=pages.table(*contents.runs),
    )


def markdown(contents: Contents) -> str:
    """report.md, whose pictures are the files of the folder report."""

    def items(pairs):
        return "\n".join(f"- **{_markdown(a)}**: {_markdown(b)}" for a, b in pairs)

    samples = contents.samples
    rows = range(0, len(samples), _SIDE_BY_SIDE)
    parts = [
        f"# {_markdown(contents.title)}",
        items(contents.facts),
        *(f"**{_markdown(text)}**" for text in contents.warnings),
        "## Results",
        _READING,
        _markdown_table(contents.table),
        "## How it was measured",
        items(contents.protocols),
        "## Curves",
        _ABOUT_CURVES,
        *(_markdown_image(x) for x in contents.curves),
        "## Samples",
        _ABOUT_SAMPLES,
        *(_markdown_gallery(samples[i : i + _SIDE_BY_SIDE]) for i in rows),
        "## Runs",
        _markdown_table(contents.runs),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(text):
    """Text in which nothing is taken for markup; underscores within words are none."""
    text = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"[\\`*|~]|\](?=[(\[:])|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def _markdown_table(table: Table):
    from tabulate import tabulate

    def cell(text):
        return "; ".join(_markdown(line) for line in text.split("\n"))

    rows = [list(map(cell, row)) for row in table.rows]
    headers = list(map(_markdown, table.headers))
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _markdown_image(picture: Picture):
    return f"![{_markdown(picture.caption[0])}](report/{picture.file})"


def _markdown_gallery(pictures: list[Picture]):
    from tabulate import tabulate

    captions = ["<br>".join(map(_markdown, x.caption)) for x in pictures]
    images = [list(map(_markdown_image, pictures))]
    return tabulate(images, captions, tablefmt="github", disable_numparse=True)
