"""Plain multilayer perceptrons, for vectors and for small images."""

import math
from typing import Any, Literal

from flax import linen as nn

from gan_jax import layers


class Generator(nn.Module):
    """Dense layers with ReLU; `output` is the last layer's activation.

    With `marginal_bias`, for a sigmoid output, the last biases start at the logit of
    `mean`, the mean of the scaled training data [*shape].
    """

    shape: tuple[int, ...]
    widths: tuple[int, ...] = (256, 256)
    output: Literal["tanh", "sigmoid", "linear"] = "tanh"
    marginal_bias: bool = False
    mean: Any = None

    @nn.compact
    def __call__(self, z, *, train=False):
        for width in self.widths:
            z = nn.relu(layers.Dense(width)(z))
        marginal = self.marginal_bias and self.is_initializing()  # apply has no mean
        bias = layers.output_bias(marginal, self.output, self.mean)
        x = layers.Dense(math.prod(self.shape), bias_init=bias)(z)
        return layers.activation(self.output)(x).reshape(len(z), *self.shape)


class Discriminator(nn.Module):
    """Dense layers with leaky ReLU of slope `slope`, then one score."""

    widths: tuple[int, ...] = (256, 256)
    slope: float = 0.2

    @nn.compact
    def __call__(self, x, *, train=False):
        x = x.reshape(len(x), -1)
        for width in self.widths:
            x = nn.leaky_relu(layers.Dense(width)(x), self.slope)
        return layers.Dense(1)(x)[:, 0]
