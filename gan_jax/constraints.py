"""Constraints on parameters, as the last link of an optimizer's chain.

Like `optax.keep_params_nonnegative`, each rewrites the update so that the parameters
after it lie in the allowed set. The keywords are those of `config.d_constraint` and
`config.g_constraint`.
"""

import jax
import jax.numpy as jnp
import optax


def _project(projection) -> optax.GradientTransformation:
    """The update that ends at projection(params + update)."""

    def update(updates, state, params):
        moved = jax.tree.map(
            lambda p, u: projection(p + u).astype(p.dtype) - p, params, updates
        )
        return moved, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def none() -> optax.GradientTransformation:
    """No constraint."""
    return optax.identity()


def clip(*, limit: float = 0.01) -> optax.GradientTransformation:
    """Every parameter stays in [-limit, limit] (Arjovsky et al. 2017, Algorithm 1)."""
    return _project(lambda p: jnp.clip(p, -limit, limit))


def max_column_norm(*, limit: float = 1.9365) -> optax.GradientTransformation:
    """The weights into each unit have at most the Euclidean length `limit`.

    A unit's weights are a kernel's last axis held fixed; vectors (biases) are free. The
    default is that of the face experiments of Goodfellow et al. (2014).
    """

    def projection(p):
        if p.ndim < 2:
            return p
        norm = jnp.sqrt(
            jnp.sum(jnp.square(p), axis=tuple(range(p.ndim - 1)), keepdims=True)
        )
        return p * jnp.minimum(1.0, limit / jnp.maximum(norm, 1e-7))

    return _project(projection)
