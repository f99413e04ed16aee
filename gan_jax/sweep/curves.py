"""The course of a quantity in the cells of a sweep: medians over seeds, with bands."""

import numpy as np

from gan_jax import pictures
from gan_jax.sweep.columns import Column
from gan_jax.sweep.results import ENDED, Cell

MOST_TOGETHER = 7  # cells in one panel; more have panels of their own
_POINTS = 100  # of a curve; more are averaged, so that its course shows in the noise
# Okabe & Ito (2008), told apart by the colour-blind, without the yellow; and by dashes
_COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9"
)  # fmt: skip
_DASHES = ("-", "--", "-.", ":", "-", "--", "-.")
_WIDE = 100  # between the largest and the smallest, where a linear axis shows no more


def band(column: Column, cell: Cell) -> np.ndarray | None:
    """Steps and the three quartiles over the cell's members, [4, n]; None of none.

    Steps that most members have not, though they came as far, are left out. Long curves
    are first averaged over neighbouring steps, each member's on its own.
    """
    series = [column.series[m.name] for m in cell.members if m.name in column.series]
    if not series:
        return None
    steps = np.unique(np.concatenate([known for known, _ in series]))
    table = np.full((len(series), len(steps)), np.nan)
    for row, (known, values) in zip(table, series, strict=True):
        row[np.searchsorted(steps, known)] = values
    table[~np.isfinite(table)] = np.nan
    there = (~np.isnan(table)).sum(axis=0)
    reached = sum(steps <= known[-1] for known, _ in series)
    kept = (there > 0) & (2 * there >= reached)
    steps, table = steps[kept], table[:, kept]
    if not len(steps):
        return None
    parts = np.array_split(np.arange(len(steps)), min(len(steps), _POINTS))
    steps = np.array([steps[part[-1]] for part in parts])
    table = np.stack([_mean_of_known(table[:, part]) for part in parts], axis=1)
    return np.stack([steps, *np.nanquantile(table, [0.25, 0.5, 0.75], axis=0)])


def _mean_of_known(table):
    """Of each row, NaN where nothing of it is known."""
    known = ~np.isnan(table)
    n = known.sum(axis=1)
    total = np.where(known, table, 0).sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def draw(column: Column, cells: list[Cell], labels) -> np.ndarray | None:
    """The picture [H, W, 3] of a column; None where no cell has two points of a curve.

    labels: of each cell, the lines that it is called by
    """
    bands = [
        (c, label, band(column, c)) for c, label in zip(cells, labels, strict=True)
    ]
    bands = [(c, label, x) for c, label, x in bands if x is not None]
    if not any(x.shape[1] > 1 for _, _, x in bands):
        return None
    paint = _draw_together if len(cells) <= MOST_TOGETHER else _draw_apart
    figure, panel = paint(column, bands)  # others share the axes of this one
    panel.xaxis.set_major_formatter(_thousands())
    _scale(panel, np.concatenate([x[1:].ravel() for _, _, x in bands]))
    return pictures.render(figure)


def _draw_together(column, bands):
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(7.5, 3.6 + 0.2 * len(bands)), dpi=150, layout="constrained"
    )
    panel = figure.subplots()
    for cell, label, x in bands:
        color, dashes = _COLORS[cell.number - 1], _DASHES[cell.number - 1]
        name = _literal(", ".join(label), 90)
        _draw_band(panel, column, cell, x, color, dashes, name)
    panel.set_title(_literal(column.label, 80), fontsize=11)
    panel.set_xlabel("step")
    panel.grid(color="0.92")
    figure.legend(loc="outside lower left", fontsize=9, frameon=False, handlelength=3)
    return figure, panel


def _draw_apart(column, bands):
    """A panel for each cell, with the medians of the others in grey behind it."""
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    across = 4
    rows = -(-len(bands) // across)
    lines = max(len(label) for _, label, _ in bands)
    width, height, title = 2.6, 1.5, 0.15 * lines + 0.1  # of a panel, inches
    top, bottom = 0.4, 0.5
    total = rows * (height + title) + top + bottom
    figure = Figure(figsize=(width * across, total), dpi=120)
    grid = figure.subplots(rows, across, squeeze=False, sharex=True, sharey=True)
    figure.subplots_adjust(
        left=0.07, right=0.99, wspace=0.06, hspace=title / height,
        bottom=bottom / total, top=1 - (top + title) / total,
    )  # fmt: skip
    figure.suptitle(
        _literal(column.label, 110), fontsize=12, y=1 - 0.1 / total, va="top"
    )
    figure.supxlabel("step", fontsize=9, y=0.08 / total)
    medians = [x[[0, 2]].T for _, _, x in bands]
    panels = grid.ravel()
    for panel, (cell, label, x) in zip(panels, bands, strict=False):
        panel.add_collection(LineCollection(medians, colors="0.85", linewidths=0.6))
        _draw_band(panel, column, cell, x, _COLORS[0], "-", None)
        title = "\n".join(_literal(line, 34) for line in label)
        panel.set_title(title, fontsize=7.5, loc="left", pad=3)
        panel.tick_params(labelsize=7.5)
    for panel in panels[len(bands) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(bands) - across) : len(bands)]:
        panel.tick_params(labelbottom=True)
    return figure, panels[0]


def _draw_band(panel, column, cell, x, color, dashes, label):
    steps, low, median, high = x
    marker = "." if len(steps) <= 20 else None
    panel.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
    panel.plot(
        steps, median, color=color, linestyle=dashes, marker=marker, linewidth=1.5,
        label=label,
    )  # fmt: skip
    ended = [m.name for m in cell.members if m.status in ENDED]
    last = [column.series[name][0][-1] for name in ended if name in column.series]
    if last:
        at = np.interp(last, steps, median)
        cross = {"marker": "X", "markersize": 10, "markeredgecolor": "white"}
        panel.plot(last, at, color=color, linestyle="", **cross)


def _scale(panel, values):
    """A logarithmic axis where a linear one would show the largest values only."""
    values = values[np.isfinite(values)]
    low, high = values.min(), values.max()
    typical = np.median(np.abs(values))
    if low > 0:
        if high > _WIDE * low:
            panel.set_yscale("log")
    elif typical > 0 and max(high, -low) > _WIDE * typical:
        panel.set_yscale("symlog", linthresh=typical)


def _thousands():
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep="")


def _literal(text, most):
    """At most so many letters, of which matplotlib takes none for mathematics."""
    text = " ".join(text.encode(errors="replace").decode().split())
    short = text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
    return short.replace("$", r"\$")
