"""Initialisers that Pylearn2 has, and flax has not."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.errors import UsageError


def uniform_or_glorot(name, bound, pieces=1):
    """Initialiser of kernels [.., inputs, pieces * units].

    "uniform" draws from (-bound, bound), Pylearn2's `irange`. "glorot" scales each
    piece of a maxout layer by its own fans, as a layer by itself.
    """

    def uniform(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    def glorot(key, shape, dtype=jnp.float32):
        by_piece = (*shape[:-1], pieces, shape[-1] // pieces)
        init = nn.initializers.glorot_uniform(-3, -1, batch_axis=-2)
        return init(key, by_piece, dtype).reshape(shape)

    return {"uniform": uniform, "glorot": glorot}[name]


def output_bias(marginal, output, mean):
    """Initialiser of a generator's last biases: zeros, or logit(mean) if `marginal`.

    With the logit and zero weights a sigmoid's output is the mean of the data
    (Pylearn2's `init_bias_target_marginals`, with its bounds on the mean).
    """
    if not marginal:
        return nn.initializers.zeros
    if output != "sigmoid":
        raise UsageError(f"marginal_bias needs the output 'sigmoid', not {output!r}")

    def logit(key, shape, dtype=jnp.float32):
        if mean is None:
            raise ValueError("marginal_bias needs `mean`, the mean of the data")
        p = np.clip(np.asarray(mean, np.float64), 1e-7, 1 - 1e-7).reshape(shape)
        return jnp.asarray(np.log(p) - np.log1p(-p), dtype)

    return logit
