"""The conditional networks of Mirza and Osindero (2014, arXiv:1411.1784), on MNIST.

z from U(0, 1)^100, pixels in [0, 1]. Latents and labels, and images and labels, each
have a layer of their own, whose outputs another one joins.

Their code is not public. Kernels and the generator's last biases start like those of
2014 without labels (`maxout`), on which theirs was built. Dropout is in both networks,
on the paper's word; on what, it does not say: here on the inputs of all layers but the
first, so that z, x and y stay whole.
"""

import math
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Fraction, Positive


class Generator(nn.Module):
    """ReLU layers of z and of y, then of both together; sigmoid.

    With `marginal_bias` the last biases start at the logit of `mean`, the mean of the
    scaled training data [*shape].
    """

    shape: tuple[int, ...]
    classes: int
    latent_units: Count = 200
    label_units: Count = 1000
    units: Count = 1200
    dropout: Fraction = 0.5
    init_range: Positive = 0.05
    marginal_bias: bool = True
    mean: Any = None

    @nn.compact
    def __call__(self, z, y, *, train=False):
        kernel = layers.uniform_or_glorot("uniform", self.init_range)

        def hidden(h, units):
            h = nn.relu(layers.Dense(units, kernel_init=kernel)(h))
            return nn.Dropout(self.dropout, deterministic=not train)(h)

        y = layers.one_hot(y, self.classes).astype(z.dtype)
        own = hidden(z, self.latent_units), hidden(y, self.label_units)
        h = hidden(jnp.concatenate(own, -1), self.units)
        marginal = self.marginal_bias and self.is_initializing()  # apply has no mean
        x = layers.Dense(
            math.prod(self.shape),
            kernel_init=kernel,
            bias_init=layers.output_bias(marginal, "sigmoid", self.mean),
        )(h)
        return nn.sigmoid(x).reshape(len(z), *self.shape)


class Discriminator(nn.Module):
    """Maxout layers of x and of y, then of both together; one score.

    A maxout layer has `units` units, the greatest of `pieces` affine maps each.
    """

    classes: int
    image_units: Count = 240
    image_pieces: Count = 5
    label_units: Count = 50
    label_pieces: Count = 5
    units: Count = 240
    pieces: Count = 4
    dropout: Fraction = 0.5
    init_range: Positive = 0.005

    @nn.compact
    def __call__(self, x, y, *, train=False):
        kernel = layers.uniform_or_glorot("uniform", self.init_range)

        def hidden(h, units, pieces):
            h = layers.Dense(units * pieces, kernel_init=kernel)(h)
            h = layers.maxout(h, pieces)
            return nn.Dropout(self.dropout, deterministic=not train)(h)

        y = layers.one_hot(y, self.classes).astype(x.dtype)
        own = (
            hidden(x.reshape(len(x), -1), self.image_units, self.image_pieces),
            hidden(y, self.label_units, self.label_pieces),
        )
        h = hidden(jnp.concatenate(own, -1), self.units, self.pieces)
        return layers.Dense(1, kernel_init=kernel)(h)[:, 0]
