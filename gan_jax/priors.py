"""Distributions of the latent z."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, erfinv

from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError


class Prior(NamedTuple):
    """A distribution, which is called to be drawn from: (key, n) -> z [n, dim].

    draw:        (key, n) -> z [n, dim]
    dim:         the coordinates of a latent
    straight:    whether what lies between two latents is as typical as these, so that
                 walks may go on straight lines; else they go on arcs
    independent: whether the coordinates are independent of each other
    nearest:     z -> the nearest that could have been drawn
    truncate:    (z, bound) -> z, of draws those of the same distribution cut off beyond
                 a bound > 0, each moved as little as need be; None where there is none
    """

    draw: Callable
    dim: int
    straight: bool
    independent: bool
    nearest: Callable
    truncate: Callable | None = None

    def __call__(self, key, n: int) -> jax.Array:
        return self.draw(key, n)


def normal(*, dim: Count = 100) -> Prior:
    """Independent standard normal coordinates.

    Truncated, each is normal given that it lies within +-bound, as in BigGAN (Brock et
    al. 2019, section 3.1), which draws those beyond anew. Here each goes to the same
    quantile, so that samples by several bounds are samples of the same latents.
    """

    def draw(key, n):
        return jax.random.normal(key, (n, dim))

    def truncate(z, bound):
        inside = erf(jnp.float32(bound) / 2**0.5)
        moved = 2**0.5 * erfinv(inside * erf(z / 2**0.5))
        return jnp.clip(moved, -bound, bound)

    whole = {"nearest": lambda z: z, "truncate": truncate}
    return Prior(draw, dim, straight=False, independent=True, **whole)


def uniform(*, dim: Count = 100, low: float = -1.0, high: float = 1.0) -> Prior:
    """Independent coordinates from U(low, high); +-sqrt(3) gives unit variance."""
    if not low < high:
        raise UsageError(f"prior uniform: low={low} is not below high={high}")

    def draw(key, n):
        return jax.random.uniform(key, (n, dim), minval=low, maxval=high)

    def nearest(z):
        return jnp.clip(z, low, high)

    return Prior(draw, dim, straight=True, independent=True, nearest=nearest)


def spherical(*, dim: Count = 100) -> Prior:
    """The uniform distribution on the unit sphere: a normal vector over its length."""

    def nearest(z):
        return z / jnp.linalg.norm(z, axis=-1, keepdims=True)

    def draw(key, n):
        return nearest(jax.random.normal(key, (n, dim)))

    return Prior(draw, dim, straight=False, independent=False, nearest=nearest)
