"""The networks of PacGAN for points on the plane (Lin et al. 2018, section 4.1).

Those of ALI (Dumoulin et al. 2017) for the same data, from
github.com/fjxmlzn/PacGAN: all weights start from N(0, 0.02^2), biases at zero.
"""

import math

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Counts

_normal = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """Dense layers without bias, batch norm, ReLU; the last one linear, with a bias.

    Running statistics move by 1/20 of the way at every update.
    """

    shape: tuple[int, ...]
    widths: Counts = (400, 400, 400, 400)

    @nn.compact
    def __call__(self, z, *, train=False):
        for width in self.widths:
            z = layers.Dense(width, use_bias=False, kernel_init=_normal)(z)
            z = nn.relu(layers.BatchNorm(epsilon=1e-4, momentum=0.95)(z, train))
        x = layers.Dense(math.prod(self.shape), kernel_init=_normal)(z)
        return x.reshape(len(z), *self.shape)


class Discriminator(nn.Module):
    """Maxout layers of `units` units, the greatest of `pieces` maps each; one score."""

    units: Count = 200
    pieces: Count = 5
    depth: Count = 3

    @nn.compact
    def __call__(self, x, *, train=False):
        x = x.reshape(len(x), -1)
        for _ in range(self.depth):
            x = layers.Dense(self.units * self.pieces, kernel_init=_normal)(x)
            x = layers.maxout(x, self.pieces)
        return layers.Dense(1, kernel_init=_normal)(x)[:, 0]
