"""The fully connected networks of Goodfellow et al. (2014), section 5.

The defaults are their MNIST networks (`mnist.yaml` of github.com/goodfeli/adversarial).
Their CIFAR-10 networks have widths (8000, 8000), activations ("relu", "sigmoid"), a
linear output with output_init_range 0.5, no marginal bias, and 1600 units.
FluxGAN.jl has initializer "glorot", a tanh output, no marginal bias and no dropout.
"""

import math
from typing import Any, Literal

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Counts, Fraction, Positive
from gan_jax.errors import UsageError


class Generator(nn.Module):
    """Dense layers, `widths` wide, each with its own of `activations`.

    Weights start uniform in +-init_range (the last layer's in +-output_init_range),
    or after Glorot. With `marginal_bias`, for a sigmoid output, the last biases start
    at the logit of `mean`, the mean of the scaled training data [*shape].
    """

    shape: tuple[int, ...]
    widths: Counts = (1200, 1200)
    activations: tuple[str, ...] = ("relu", "relu")
    output: Literal["tanh", "sigmoid", "linear"] = "sigmoid"
    initializer: Literal["uniform", "glorot"] = "uniform"
    init_range: Positive = 0.05
    output_init_range: Positive = 0.05
    marginal_bias: bool = True
    mean: Any = None

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.activations) != len(self.widths):
            raise UsageError(
                f"maxout generator: {len(self.widths)} widths {self.widths} but "
                f"{len(self.activations)} activations {self.activations}; one each"
            )
        kernel = layers.uniform_or_glorot(self.initializer, self.init_range)
        for width, name in zip(self.widths, self.activations, strict=True):
            z = layers.activation(name)(layers.Dense(width, kernel_init=kernel)(z))
        marginal = self.marginal_bias and self.is_initializing()  # apply has no mean
        x = layers.Dense(
            math.prod(self.shape),
            kernel_init=layers.uniform_or_glorot(
                self.initializer, self.output_init_range
            ),
            bias_init=layers.output_bias(marginal, self.output, self.mean),
        )(z)
        return layers.activation(self.output)(x).reshape(len(z), *self.shape)


class Discriminator(nn.Module):
    """Maxout layers of `units` units, the greatest of `pieces` affine maps each.

    Dropout acts on the input of every layer, the output layer's too: on the first
    with rate `input_dropout`, on the others with rate `dropout`.
    """

    units: Count = 240
    pieces: Count = 5
    depth: Count = 2
    input_dropout: Fraction = 0.2
    dropout: Fraction = 0.5
    initializer: Literal["uniform", "glorot"] = "uniform"
    init_range: Positive = 0.005

    @nn.compact
    def __call__(self, x, *, train=False):
        x = x.reshape(len(x), -1)
        kernel = layers.uniform_or_glorot(
            self.initializer, self.init_range, self.pieces
        )
        rate = self.input_dropout
        for _ in range(self.depth):
            x = nn.Dropout(rate, deterministic=not train)(x)
            x = layers.Dense(self.units * self.pieces, kernel_init=kernel)(x)
            x = layers.maxout(x, self.pieces)
            rate = self.dropout
        x = nn.Dropout(rate, deterministic=not train)(x)
        kernel = layers.uniform_or_glorot(self.initializer, self.init_range)
        return layers.Dense(1, kernel_init=kernel)(x)[:, 0]
