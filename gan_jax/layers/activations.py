"""Activations, those of a name, maxout and the leaky ReLU of StyleGAN."""

import functools

import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UsageError

ACTIVATIONS = {"relu": nn.relu, "sigmoid": nn.sigmoid, "tanh": nn.tanh}
ACTIVATIONS["linear"] = lambda x: x


def activation(name):
    """The activation called `name`; raises UsageError for an unknown one."""
    if name not in ACTIVATIONS:
        raise UsageError(f"activation {name!r}; accepted are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def scaled_leaky_relu(x, slope: float = 0.2):
    """sqrt(2) times leaky ReLU, which leaves a normal x a mean square of about 1.

    With the gain here the kernel before it needs none (Karras et al. 2020, `lrelu`).
    """
    return nn.leaky_relu(x, slope) * 2**0.5


def maximum(pieces):
    """Elementwise maximum; the first of equal pieces gets the gradient, NaNs stay."""

    def greater(a, b):
        return jnp.where((a >= b) | jnp.isnan(a), a, b)

    return functools.reduce(greater, pieces)


def maxout(x, pieces):
    """The greatest of `pieces` affine maps: [.., pieces * units] -> [.., units]."""
    return maximum(jnp.split(x, pieces, axis=-1))
