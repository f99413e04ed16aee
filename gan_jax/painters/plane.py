"""Points on the plane: samples over the data, what D says everywhere, and what G does.

On the left D's output as colours and level sets, the data, the samples, and at some of
these the direction in which G's loss falls: where D sends them. On the right, where
latents have two coordinates, a grid of them whose cells are equally probable, as G maps
it: the denser the samples, the darker. Both as in GAN Lab (Kahng et al. 2018).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.games import sampler
from gan_jax.metrics.modes import judge, known_modes
from gan_jax.painters import Painter
from gan_jax.sampling import latents_for
from gan_jax.watches.modes import SAMPLES

_SHOWN = 1_000  # of the samples and of the data
_ARROWS = 100
_SIDE = 40  # points along each side of D's surface
_LINES = 29  # of the grid of latents, each way
_REAL, _FAKE, _SAMPLE = "#2166ac", "#d6604d", "#111111"


def make_painter(config, built, dataset, key) -> Painter:
    """The panels above; the axes are those of the data.

    The samples are those that `watches.modes` judges, and where the modes of the data
    are known the title has its numbers. A D with batch norm judges the plane by the
    statistics of the plane.
    """
    game = built.game
    z = latents_for(built, key, SAMPLES)
    lattice = _lattice(built.prior, latents_for(built, key, 100_000))
    data = dataset.arrays["x"]
    data = data[np.linspace(0, len(data) - 1, min(len(data), _SHOWN)).astype(int)]
    low, high = _frame(data)
    ticks = np.linspace(low, high, _SIDE, dtype=np.float32).T
    modes = known_modes(dataset.info)
    scaling, fitted = built.scaling, dataset.info["fitted"]
    # as many as there are arrows: some losses compare the two one by one
    real = scaling.apply(data[np.arange(_ARROWS) % len(data)], fitted)
    plane = np.stack(np.meshgrid(*ticks), axis=-1).reshape(-1, 2)
    plane = scaling.apply(plane, fitted)

    sample = functools.partial(
        _sampler(game), z=z, lattice=lattice, real=real, plane=plane
    )

    def paint(seen):
        seen = jax.device_get(seen)
        samples = dataset.to_uint8(seen["samples"])
        figure, panels = _figure(1 if lattice is None else 2, low, high)
        _paint_output(panels[0], ticks, seen["output"], game.loss)
        _paint_points(panels[0], data, samples[:_SHOWN])
        start, end = seen["samples"][:_ARROWS], seen["downhill"]
        end = start + end / max(np.abs(end).max(), 1e-30)
        _paint_arrows(panels[0], samples, dataset.to_uint8(end), high - low)
        panels[0].set_title(_title(int(seen["step"]), samples, modes), fontsize=10)
        if lattice is not None:
            cells = dataset.to_uint8(seen["cells"]).reshape(_LINES, _LINES, 2)
            _paint_cells(panels[1], cells, high - low)
            panels[1].scatter(*data.T, s=4, color=_REAL, linewidths=0)
            panels[1].set_title("equally probable cells of latents, by G", fontsize=10)
        _paint_key(figure)
        return pictures.render(figure)

    return Painter(sample, paint)


def _lattice(prior, z):
    """Latents on a grid with the same share of the latents z [n, 2] in every cell.

    None unless a latent is two independent coordinates.
    """
    if z.shape[1] != 2 or not prior.independent:
        return None
    lines = jnp.quantile(z, jnp.linspace(0.005, 0.995, _LINES), axis=0)
    return jnp.stack(jnp.meshgrid(*lines.T), axis=-1).reshape(-1, 2)


@functools.lru_cache(maxsize=4)
def _sampler(game):
    """The program behind a painter, the same for all members of a population."""
    generate, loss = sampler(game), game.loss

    @jax.jit
    def sample(state, z, lattice, real, plane):

        def score(x):
            return game.score(state.d, state.g, {"x": x})

        samples = generate(*state.sampler, z)
        uphill = jax.grad(lambda fake: loss.g(score(real), score(fake)))
        return {
            "step": state.step,
            "samples": samples,
            "output": loss.output(score(plane)),
            "downhill": -uphill(samples[:_ARROWS]),
            "cells": None if lattice is None else generate(*state.sampler, lattice),
        }

    return sample


def _frame(data):
    """The corners of the picture, low [2] and high [2]: the data with a margin."""
    low, high = data.min(axis=0).astype(float), data.max(axis=0).astype(float)
    span = np.where(high > low, high - low, np.maximum(1.0, 1e-3 * np.abs(low)))
    return low - 0.2 * span, high + 0.2 * span


def _title(step, samples, modes):
    if modes is None:
        return f"step {step:,}"
    found = judge(samples, modes)
    return (
        f"step {step:,}: {found['modes']} of {len(modes.means)} modes, "
        f"{found['high_quality']:.1%} of high quality"
    )


def _figure(panels, low, high):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * panels, 4.9), dpi=100)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    figure.subplots_adjust(
        left=0.1 / panels, right=1 - 0.04 / panels, top=0.93, bottom=0.13, wspace=0.05
    )
    for panel in axes:
        panel.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes[0].tick_params(labelsize=8)
    axes[0].locator_params(nbins=5)
    for panel in axes[1:]:  # the same as on the left; ticks are what costs most
        panel.set(xticks=[], yticks=[])
    return figure, axes


def _paint_output(panel, ticks, output, loss):
    """D's output over the plane, with level sets; the thick one is the equilibrium.

    Where none is known, colours are about the middle of what D says.
    """
    output = np.nan_to_num(output.reshape(_SIDE, _SIDE))
    rest = loss.rest
    if rest is None:
        rest = (output.min() + output.max()) / 2
    if loss.logits:
        reach, levels = 0.5, np.array([0.1, 0.25, 0.75, 0.9])
    else:
        reach = max(np.abs(output - rest).max(), 1e-6)
        levels = rest + reach * np.array([-0.8, -0.6, -0.4, -0.2, 0.2, 0.4, 0.6, 0.8])
    (left, right), (bottom, top) = ticks[:, [0, -1]]
    panel.imshow(
        output,
        cmap="RdBu",
        vmin=rest - reach,
        vmax=rest + reach,
        alpha=0.45,
        extent=(left, right, bottom, top),
        origin="lower",
        interpolation="bilinear",
        aspect="auto",
    )
    thick = [] if loss.rest is None else [(rest, 1.2)]
    for level, width in [(level, 0.5) for level in levels] + thick:
        if output.min() < level < output.max():
            panel.contour(*ticks, output, [level], colors="0.35", linewidths=width)


def _paint_points(panel, data, samples):
    panel.scatter(*data.T, s=6, color=_REAL, linewidths=0)
    panel.scatter(*samples.T, s=5, color=_SAMPLE, alpha=0.6, linewidths=0)
    low, high = np.array([panel.get_xlim(), panel.get_ylim()]).T
    outside = np.mean(((samples < low) | (samples > high)).any(axis=1))
    if outside > 0:
        where = {"transform": panel.transAxes, "fontsize": 8, "color": "0.2"}
        panel.text(0.02, 0.02, f"{outside:.1%} of samples are outside", **where)


def _paint_arrows(panel, samples, ends, span):
    """From samples towards `ends`, a tenth of the picture long at the most."""
    start = samples[: len(ends)]
    way = (ends - start) / span
    length = np.linalg.norm(way, axis=1, keepdims=True)
    usual = np.quantile(length, 0.9)
    if usual > 0:
        way = way / np.maximum(length, usual) * (0.1 * span)
        units = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.003}
        panel.quiver(*start.T, *way.T, color="#1b7837", alpha=0.8, zorder=3, **units)


def _paint_cells(panel, cells, span):
    """The mapped grid [n, n, 2]: a cell is the darker, the smaller it has become."""
    from matplotlib.collections import PolyCollection

    corners = cells[:-1, :-1], cells[1:, :-1], cells[1:, 1:], cells[:-1, 1:]
    across, down = (corners[2] - corners[0]) / span, (corners[3] - corners[1]) / span
    area = np.abs(across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]) / 2
    alike = 1 / area.size  # a cell's share of the picture if all were alike
    opacity = np.clip(0.25 * np.sqrt(alike / np.maximum(area, 1e-12)), 0.04, 0.9)
    quadrangles = np.stack(corners, axis=2).reshape(-1, 4, 2)
    colors = np.zeros((len(quadrangles), 4))
    colors[:, 3] = opacity.ravel()
    panel.add_collection(
        PolyCollection(quadrangles, facecolors=colors, edgecolors="0.6", linewidths=0.3)
    )


def _paint_key(figure):
    from matplotlib.lines import Line2D

    def mark(label, marker, color):
        return Line2D([], [], linestyle="", marker=marker, color=color, label=label)

    figure.legend(
        handles=[
            mark("D says real", "s", "#a9c8e0"),
            mark("D says fake", "s", "#eab5ab"),
            mark("data", ".", _REAL),
            mark("samples", ".", _SAMPLE),
            mark("G's way down", "$\\rightarrow$", "#1b7837"),
        ],
        loc="lower center",
        ncols=5,
        fontsize=8,
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.0,
    )
