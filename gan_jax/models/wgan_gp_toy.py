"""WGAN-GP's networks for points on the plane (Gulrajani et al. 2017, figure 2).

Those of `gan_toy.py` of github.com/igul222/improved_wgan_training: z has 2 numbers.
Weights are uniform, of hidden layers after He, of the last one after Glorot.
"""

import math

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Counts

_he = nn.initializers.he_uniform()
_glorot = nn.initializers.glorot_uniform()


def _hidden(x, widths):
    for width in widths:
        x = nn.relu(layers.Dense(width, kernel_init=_he)(x))
    return x


class Generator(nn.Module):
    """Dense layers with ReLU, the last one linear."""

    shape: tuple[int, ...]
    widths: Counts = (512, 512, 512)

    @nn.compact
    def __call__(self, z, *, train=False):
        last = layers.Dense(math.prod(self.shape), kernel_init=_glorot)
        return last(_hidden(z, self.widths)).reshape(len(z), *self.shape)


class Discriminator(nn.Module):
    """Dense layers with ReLU, then one score."""

    widths: Counts = (512, 512, 512)

    @nn.compact
    def __call__(self, x, *, train=False):
        x = _hidden(x.reshape(len(x), -1), self.widths)
        return layers.Dense(1, kernel_init=_glorot)(x)[:, 0]
