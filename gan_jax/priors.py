"""Distributions of the latent z. A prior is a function (key, n) -> z [n, dim]."""

import jax
import jax.numpy as jnp

from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError


def normal(*, dim: Count = 100):
    """Independent standard normal coordinates."""
    return lambda key, n: jax.random.normal(key, (n, dim))


def uniform(*, dim: Count = 100, low: float = -1.0, high: float = 1.0):
    """Independent coordinates from U(low, high); +-sqrt(3) gives unit variance."""
    if not low < high:
        raise UsageError(f"prior uniform: low={low} is not below high={high}")
    return lambda key, n: jax.random.uniform(key, (n, dim), minval=low, maxval=high)


def spherical(*, dim: Count = 100):
    """The uniform distribution on the unit sphere: a normal vector over its length."""

    def sample(key, n):
        z = jax.random.normal(key, (n, dim))
        return z / jnp.linalg.norm(z, axis=-1, keepdims=True)

    return sample
