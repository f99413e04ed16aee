"""Constraints on parameters, as the last link of an optimizer's chain.

Like `optax.keep_params_nonnegative`, each rewrites the update so that the parameters
after it lie in the allowed set. The keywords are those of `config.d_constraint` and
`config.g_constraint`.
"""

import jax
import jax.numpy as jnp
import optax

from gan_jax.config.ranges import Positive
from gan_jax.layers.kernels import unit_axis


def _project(projection) -> optax.GradientTransformation:
    """The update that ends at projection(params + update, path), leaf by leaf."""

    def moved(path, p, u):
        return projection(p + u, path).astype(p.dtype) - p

    def update(updates, state, params):
        return jax.tree_util.tree_map_with_path(moved, params, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def none() -> optax.GradientTransformation:
    """No constraint."""
    return optax.identity()


def clip(*, limit: Positive = 0.01) -> optax.GradientTransformation:
    """Every parameter stays in [-limit, limit] (Arjovsky et al. 2017, Algorithm 1)."""
    return _project(lambda p, path: jnp.clip(p, -limit, limit))


def max_column_norm(*, limit: Positive = 1.9365) -> optax.GradientTransformation:
    """The weights into each unit have at most the Euclidean length `limit`.

    A unit's weights are a kernel's last axis held fixed, of a transposed convolution
    the one before it; all else (biases, batch norm) is free. The default is that of the
    face experiments of Goodfellow et al. (2014).
    """

    def projection(p, path):
        units = unit_axis(path)
        if units is None:
            return p
        inputs = tuple(axis for axis in range(p.ndim) if axis != p.ndim + units)
        norm = jnp.sqrt(jnp.sum(jnp.square(p), axis=inputs, keepdims=True))
        return p * jnp.minimum(1.0, limit / jnp.maximum(norm, 1e-7))

    return _project(projection)
