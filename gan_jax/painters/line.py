"""Data on a line, drawn like Figure 1 of Goodfellow et al. (2014).

Above, the density of the data (black, dotted), that of the samples (green) and what D
says (blue, dashed); below, arrows from latents z to x = G(z).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.games import sampler
from gan_jax.painters import Painter
from gan_jax.sampling import latents_for

_SAMPLES = 20_000
_ARROWS = 25
_POINTS = 301  # of the x axis
_BLUR = 0.015  # of the densities, a standard deviation as a share of the axis


class Seen(NamedTuple):
    """What a picture shows of a state.

    step:    train steps taken
    samples: [n, 1], as the networks see them
    ends:    x that the arrows point to [arrows, 1], as the networks see it, or None
    output:  of D along the axis [points], a probability or a score
    """

    step: jax.Array
    samples: jax.Array
    ends: jax.Array | None
    output: jax.Array


class _Scene(NamedTuple):
    """What all pictures of a run share: axis [points], starts [arrows] or None, ..."""

    axis: np.ndarray
    data: np.ndarray  # density [points]
    starts: np.ndarray | None
    rest: float | None  # what D says at equilibrium, where that is known
    logits: bool


def make_painter(config, built, dataset, key) -> Painter:
    """The picture above of each state, with the same latents.

    The arrows start from latents with the same number of latents between them, and are
    left out where a latent has several coordinates.
    """
    sample, draw = _make(config, built, dataset, key)
    return Painter(sample, lambda seen: draw([seen]))


def stills(config, built, dataset, key, states) -> np.ndarray:
    """Several states of a run side by side, as (a), (b), ...: a picture [H, W, 3]."""
    sample, draw = _make(config, built, dataset, key)
    return draw(
        [sample(state) for state in states], labels="abcdefghijklmnopqrstuvwxyz"
    )


def _make(config, built, dataset, key):
    """sample: state -> Seen; draw: several Seen, labels -> picture."""
    game = built.game
    z = latents_for(built, key, _SAMPLES)
    starts = None
    if z.shape[1] == 1:
        ranks = np.linspace(0, len(z) - 1, _ARROWS).astype(int)
        starts = jnp.sort(z, axis=0)[ranks]
    data = dataset.arrays["x"][:, 0]
    margin = 0.15 * (np.ptp(data) or 1.0)
    axis = np.linspace(data.min() - margin, data.max() + margin, _POINTS)
    scaled = built.scaling.apply(
        axis[:, None].astype(np.float32), dataset.info["fitted"]
    )
    scene = _Scene(
        axis=axis,
        data=_density(data, axis),
        starts=None if starts is None else np.asarray(starts)[:, 0],
        rest=game.loss.rest,
        logits=game.loss.logits,
    )

    sample = functools.partial(_sampler(game), z=z, starts=starts, axis=scaled)

    def as_stored(x):
        return dataset.to_uint8(x)[:, 0]  # vectors come back as they are stored

    def draw(several, labels=None):
        figure, columns = _figure(len(several), arrows=starts is not None)
        for i, (seen, (above, below)) in enumerate(zip(several, columns, strict=True)):
            seen = jax.device_get(seen)
            _draw_densities(above, scene, _density(as_stored(seen.samples), axis))
            _draw_output(above.twinx(), scene, seen.output, last=i == len(several) - 1)
            label = f"({labels[i]}) " if labels else ""
            above.set_title(f"{label}step {int(seen.step):,}", fontsize="medium")
            if below is not None:
                _draw_arrows(below, scene, as_stored(seen.ends))
        return pictures.render(figure)

    return sample, draw


@functools.lru_cache(maxsize=4)
def _sampler(game):
    """The program behind a painter, the same for all members of a population."""
    generate = sampler(game)

    @jax.jit
    def sample(state, z, starts, axis):
        return Seen(
            step=state.step,
            samples=generate(*state.sampler, z),
            ends=None if starts is None else generate(*state.sampler, starts),
            output=game.loss.output(game.score(state.d, state.g, {"x": axis})),
        )

    return sample


def _density(x, axis):
    """An estimate of the density of numbers [n] along an even axis.

    A histogram blurred by a normal distribution: as smooth for the data as for samples.
    """
    width = axis[1] - axis[0]
    edges = np.append(axis, axis[-1] + width) - width / 2
    shares = np.histogram(x, edges)[0] / len(x) / width
    std = _BLUR * len(axis)
    reach = np.arange(-int(4 * std), int(4 * std) + 1)
    kernel = np.exp(-0.5 * (reach / std) ** 2)
    return np.convolve(shares, kernel / kernel.sum(), "same")


def _figure(columns, arrows):
    """A figure, and of each column the panel above and the one below, or None."""
    from matplotlib.figure import Figure

    width, height = (4.8, 3.8) if columns == 1 else (2.9 * columns, 3.2)
    figure = Figure(figsize=(width, height), dpi=100, layout="none")
    rows = 2 if arrows else 1
    panels = figure.subplots(
        *(rows, columns), squeeze=False, sharex=True, height_ratios=(3, 1)[:rows]
    )
    figure.subplots_adjust(
        left=0.25 / width,
        right=1 - 0.65 / width,
        bottom=0.3 / height,
        top=1 - 0.35 / height,
        wspace=0.08,
        hspace=0.06,
    )
    below = panels[1] if arrows else [None] * columns
    return figure, list(zip(panels[0], below, strict=True))


def _draw_densities(panel, scene, samples):
    panel.plot(scene.axis, scene.data, "k:", label="data")
    panel.plot(scene.axis, samples, color="C2", label="samples")
    panel.plot([], [], "C0--", label="D")
    panel.tick_params(bottom=False, labelsize="small")
    panel.set(xlim=scene.axis[[0, -1]], ylim=(0, 2 * scene.data.max()), yticks=[])
    panel.legend(loc="upper center", ncols=3, fontsize="x-small", frameon=False)


def _draw_output(panel, scene, output, last):
    if scene.rest is not None:
        panel.axhline(scene.rest, color="C0", linewidth=0.5, alpha=0.5)
    panel.plot(scene.axis, output, "C0--")
    if scene.logits:
        panel.set(ylim=(0, 1.2), yticks=(0, 0.5, 1))
    panel.tick_params(colors="C0", right=last, labelright=last, labelsize="small")
    if last:
        name = "D, probability of real" if scene.logits else "D, score"
        panel.set_ylabel(name, color="C0", fontsize="small")


def _draw_arrows(panel, scene, ends):
    left, right = scene.axis[[0, -1]]
    low, high = scene.starts[[0, -1]]
    # the latents' own axis, drawn narrower than that of x
    starts = left + (right - left) * (0.1 + 0.8 * (scene.starts - low) / (high - low))
    units = {"angles": "xy", "scale_units": "xy", "scale": 1}
    shape = {"width": 0.002, "headwidth": 7, "headlength": 9, "headaxislength": 8}
    up = np.ones_like(starts)
    panel.quiver(starts, 0 * up, ends - starts, up, **units, **shape)
    panel.axhline(1, color="k", linewidth=1.5)
    panel.plot(starts[[0, -1]], [0, 0], "k", linewidth=1.5, clip_on=False)
    panel.set(ylim=(0, 1), yticks=(0, 1), yticklabels=("z", "x"))
    panel.tick_params(left=False, labelsize="small")
    for spine in panel.spines.values():
        spine.set_visible(False)
