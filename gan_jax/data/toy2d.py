"""Points drawn from distributions on the plane, where a lost mode can be seen.

A distribution is a function of its numbers, which are keywords of `load` too; it
returns draw(rng, n) -> Source: points [n, 2], labelled by mode where there are modes.
"""

import inspect
from typing import Literal

import numpy as np

from gan_jax.data.source import Source, hint, select, split_name
from gan_jax.errors import UsageError


def ring(*, modes: int = 8, radius: float = 1.0, std: float = 0.01):
    """Equal normal distributions around a circle, counter-clockwise from (radius, 0).

    The ring of PacGAN (Lin et al. 2018).
    """
    angle = 2 * np.pi * np.arange(modes) / modes
    return _mixture(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), std)


def grid(*, side: int = 5, spacing: float = 2.0, std: float = 0.05):
    """Equal normal distributions on a square grid around (0, 0), column by column.

    The grid of PacGAN (Lin et al. 2018), from (-4, -4) to (4, 4).
    """
    line = spacing * (np.arange(side) - (side - 1) / 2)
    means = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
    return _mixture(means.reshape(-1, 2), std)


def _mixture(means, std):
    """Normal distributions of equal weight around `means` [modes, 2]."""
    classes = tuple(str(i) for i in range(len(means)))

    def draw(rng, n):
        y = rng.integers(len(means), size=n, dtype=np.int32)
        x = means[y] + std * rng.standard_normal((n, 2))
        return Source(x.astype(np.float32), y, classes)

    return draw


_DISTRIBUTIONS = {"ring": ring, "grid": grid}
_SPLITS = ("train", "test")


def load(
    *,
    split: str = "train",
    distribution: Literal["ring", "grid"] = "ring",
    size: int = 50_000,
    seed: int = 0,
    modes: int | None = None,
    radius: float | None = None,
    side: int | None = None,
    spacing: float | None = None,
    std: float | None = None,
) -> Source:
    """`size` points [size, 2] of `distribution`, drawn by `seed`, the same every time.

    The split "test" is another draw of as many. The keywords from `modes` on are the
    distribution's, with its own defaults where they are None. PacGAN drew 100,000.
    """
    name = split_name(split, _SPLITS)
    numbers = {
        "modes": modes,
        "radius": radius,
        "side": side,
        "spacing": spacing,
        "std": std,
    }
    numbers = {key: value for key, value in numbers.items() if value is not None}
    draw = _distribution(distribution, numbers)
    rng = np.random.default_rng([seed, _SPLITS.index(name)])
    return select(draw(rng, size), split)


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
