"""Plain multilayer perceptrons, for vectors and for small images.

`norm` and `weight` name the normaliser of hidden layers and what all kernels are made
of (`gan_jax/layers/`).
"""

import functools
import math
from typing import Any, Literal

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Counts, NotNegative

Norm = Literal["none", "batch", "layer", "pixel"]  # those that vectors have


class Generator(nn.Module):
    """Dense layers with ReLU; `output` is the last layer's activation.

    With `marginal_bias`, for a sigmoid output, the last biases start at the logit of
    `mean`, the mean of the scaled training data [*shape].
    """

    shape: tuple[int, ...]
    widths: Counts = (256, 256)
    output: Literal["tanh", "sigmoid", "linear"] = "tanh"
    marginal_bias: bool = False
    mean: Any = None
    norm: Norm = "none"
    weight: layers.WeightName = "plain"

    @nn.compact
    def __call__(self, z, *, train=False):
        dense = functools.partial(layers.Dense, weight=layers.weight(self.weight))
        bias = not layers.shifts(self.norm)
        for width in self.widths:
            z = layers.normalise(self.norm, dense(width, use_bias=bias)(z), train)
            z = nn.relu(z)
        marginal = self.marginal_bias and self.is_initializing()  # apply has no mean
        start = layers.output_bias(marginal, self.output, self.mean)
        x = dense(math.prod(self.shape), bias_init=start)(z)
        return layers.activation(self.output)(x).reshape(len(z), *self.shape)


class Discriminator(nn.Module):
    """Dense layers with leaky ReLU of slope `slope`, then one score."""

    widths: Counts = (256, 256)
    slope: NotNegative = 0.2
    norm: Norm = "none"
    weight: layers.WeightName = "plain"

    @nn.compact
    def __call__(self, x, *, train=False):
        dense = functools.partial(layers.Dense, weight=layers.weight(self.weight))
        bias = not layers.shifts(self.norm)
        x = x.reshape(len(x), -1)
        for width in self.widths:
            x = layers.normalise(self.norm, dense(width, use_bias=bias)(x), train)
            x = nn.leaky_relu(x, self.slope)
        return dense(1)(x)[:, 0]
