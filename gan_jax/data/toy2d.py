"""Points drawn from distributions on the plane, where a lost mode can be seen.

A distribution is a function of its numbers, which are keywords of `load` too; it
returns a `Distribution`: what makes points of noise. A published variant is one of
these functions with other defaults.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config.ranges import Length, Seed, Size, Spread, between
from gan_jax.data.source import Modes, Source, hint, select, split_name
from gan_jax.errors import UsageError


class Distribution(NamedTuple):
    """parts:  number of parts, all equally likely
    points: (xp, part, u, e) -> points [..., 2], made of a part of each in integers
            [...], u from U(0, 1) and e from N(0, 1), both [..., 2]; xp is numpy or
            jax.numpy
    labels: of each part, or () where parts mean nothing
    modes:  of a mixture of normal distributions, else None
    """

    parts: int
    points: Callable
    labels: tuple[int, ...] = ()
    modes: Modes | None = None


def ring(
    *,
    modes: int = 8,
    radius: float = 1.0,
    std: float = 0.01,
    endpoint_bug: bool = False,
):
    """Equal normal distributions around a circle, counter-clockwise from (radius, 0).

    The ring of PacGAN (Lin et al. 2018).

    endpoint_bug: the angles are np.linspace(0, 2 pi, modes), so that the last mode lies
                  on the first: one mode less, and one of double weight
    """
    distinct = modes - endpoint_bug
    if distinct < 1:
        raise UsageError("the ring of data toy2d needs modes=2 for its endpoint_bug")
    angle = 2 * np.pi * np.arange(distinct) / distinct
    means = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _mixture(means, std, parts=modes)


def grid(*, side: int = 5, spacing: float = 2.0, std: float = 0.05):
    """Equal normal distributions on a square grid around (0, 0), column by column.

    The grid of PacGAN (Lin et al. 2018), from (-4, -4) to (4, 4).
    """
    line = spacing * (np.arange(side) - (side - 1) / 2)
    means = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
    return _mixture(means.reshape(-1, 2), std)


def _mixture(means, std, parts=None):
    """Normal distributions around `means` [k, 2]; parts beyond k begin anew at 0."""
    label = np.arange(parts or len(means)) % len(means)
    return Distribution(
        parts=len(label),
        points=lambda xp, part, u, e: xp.asarray(means[label])[part] + std * e,
        labels=tuple(label.tolist()),
        modes=Modes(means, std, np.bincount(label) / len(label)),
    )


def swiss_roll(*, radius: float = 0.6 * np.pi, std: float = 1 / 30):
    """A spiral of 1.5 turns out to `radius`, blurred by a normal distribution.

    The defaults are WGAN-GP's (Gulrajani et al. 2017): that of scikit-learn without its
    width, noise 0.25, over 7.5. It is denser inside, since equal angles are equally
    likely.
    """

    def points(xp, part, u, e):
        angle = np.pi * (1.5 + 3 * u[..., :1])
        direction = xp.concatenate([xp.cos(angle), xp.sin(angle)], axis=-1)
        return radius / (4.5 * np.pi) * angle * direction + std * e

    return Distribution(1, points)


def two_moons(*, radius: float = 1.0, std: float = 0.1):
    """Two interleaved half circles, blurred by a normal distribution.

    Those of scikit-learn, times `radius`.
    """

    def points(xp, part, u, e):
        angle = np.pi * u[..., 0]
        below = part == 1  # the arc turned by half a turn around (1/2, 1/4)
        x = xp.where(below, 1 - xp.cos(angle), xp.cos(angle))
        y = xp.where(below, 0.5 - xp.sin(angle), xp.sin(angle))
        return radius * xp.stack([x, y], axis=-1) + std * e

    return Distribution(2, points, labels=(0, 1))


def checkerboard(*, side: int = 4, spacing: float = 2.0):
    """Uniform on every other square of a board of side x side squares around (0, 0).

    `spacing` is the width of a square; the one at the lower left is covered.
    """
    squares = np.argwhere(np.indices((side, side)).sum(axis=0) % 2 == 0)
    corners = squares - side / 2

    def points(xp, part, u, e):
        return spacing * (xp.asarray(corners)[part] + u)

    return Distribution(len(corners), points, labels=tuple(range(len(corners))))


_DISTRIBUTIONS = {
    "ring": ring,
    "grid": grid,
    "swiss_roll": swiss_roll,
    "two_moons": two_moons,
    "checkerboard": checkerboard,
    # of WGAN-GP (Gulrajani et al. 2017): over its standard deviation or so
    "8gaussians": functools.partial(ring, radius=2 / 1.414, std=0.02 / 1.414),
    "25gaussians": functools.partial(grid, spacing=2 / 2.828, std=0.05 / 2.828),
    # of Unrolled GAN (Metz et al. 2017), from its notebook: 7 modes, one of them double
    "unrolled_ring": functools.partial(ring, endpoint_bug=True),
}
_SPLITS = ("train", "test")


def load(
    *,
    split: str = "train",
    distribution: Literal[
        "ring",
        "grid",
        "swiss_roll",
        "two_moons",
        "checkerboard",
        "8gaussians",
        "25gaussians",
        "unrolled_ring",
    ] = "ring",
    size: Size = 50_000,
    seed: Seed = 0,
    fresh: bool = False,
    modes: Annotated[int, between(1, 10**4)] | None = None,
    radius: Length | None = None,
    side: Annotated[int, between(1, 100)] | None = None,
    spacing: Length | None = None,
    std: Spread | None = None,
    endpoint_bug: bool | None = None,
) -> Source:
    """`size` points [size, 2] of `distribution`, drawn by `seed`, the same every time.

    They are labelled by mode, moon or square. The split "test" is another draw of as
    many. The keywords from `modes` on are the distribution's, with its own defaults
    where they are None. PacGAN drew 100,000.

    fresh: every minibatch is a new draw, without labels; the points then only show what
           the distribution looks like, and `size` of them are one epoch
    """
    name = split_name(split, _SPLITS)
    numbers = {
        "modes": modes,
        "radius": radius,
        "side": side,
        "spacing": spacing,
        "std": std,
        "endpoint_bug": endpoint_bug,
    }
    numbers = {key: value for key, value in numbers.items() if value is not None}
    chosen = _distribution(distribution, numbers)
    rng = np.random.default_rng([seed, _SPLITS.index(name)])
    source = select(_sample(chosen, rng, size), split)
    if fresh:
        draw = functools.partial(_draw, chosen)
        source = source._replace(y=None, classes=(), fresh=draw)
    return source


def _distribution(name, numbers):
    """The distribution of this name with its numbers, if it has such ones."""
    if name not in _DISTRIBUTIONS:
        raise UsageError(
            f"data toy2d has no distribution {name!r}; accepted: "
            f"{', '.join(_DISTRIBUTIONS)}{hint(name, _DISTRIBUTIONS)}"
        )
    accepted = inspect.signature(_DISTRIBUTIONS[name]).parameters
    if others := [key for key in numbers if key not in accepted]:
        raise UsageError(
            f"the {name} of data toy2d has no {' and no '.join(others)}; accepted: "
            f"{', '.join(accepted)}"
        )
    return _DISTRIBUTIONS[name](**numbers)


def _sample(distribution, rng, n):
    """n points on the host, computed in float64, with their labels if there are any."""
    part = rng.integers(distribution.parts, size=n, dtype=np.int32)
    e, u = rng.standard_normal((n, 2)), rng.random((n, 2))
    x = distribution.points(np, part, u, e).astype(np.float32)
    if not distribution.labels:
        return Source(x)
    labels = np.array(distribution.labels, np.int32)
    classes = tuple(str(i) for i in range(labels.max() + 1))
    return Source(x, labels[part], classes, modes=distribution.modes)


def _draw(distribution, arrays, key, shape):
    """Fresh points [*shape, 2], on the device: `Source.fresh`."""
    part_key, e_key, u_key = jax.random.split(key, 3)
    part = jax.random.randint(part_key, shape, 0, distribution.parts)
    e = jax.random.normal(e_key, (*shape, 2))
    u = jax.random.uniform(u_key, (*shape, 2))
    return distribution.points(jnp, part, u, e)
