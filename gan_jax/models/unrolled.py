"""The networks of Unrolled GAN for points on the plane (Metz et al. 2017).

Those of the authors' notebook (github.com/poolio/unrolled_gan): dense layers with tanh,
whose kernels start orthogonal, 1.4 times as long.
"""

import math

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Counts

_orthogonal = nn.initializers.orthogonal(1.4)


def _dense(x, widths, outputs):
    for width in widths:
        x = nn.tanh(layers.Dense(width, kernel_init=_orthogonal)(x))
    return layers.Dense(outputs, kernel_init=_orthogonal)(x)


class Generator(nn.Module):
    """Dense layers with tanh, the last one linear."""

    shape: tuple[int, ...]
    widths: Counts = (128, 128)

    @nn.compact
    def __call__(self, z, *, train=False):
        return _dense(z, self.widths, math.prod(self.shape)).reshape(-1, *self.shape)


class Discriminator(nn.Module):
    """Dense layers with tanh, then one score."""

    widths: Counts = (128, 128)

    @nn.compact
    def __call__(self, x, *, train=False):
        return _dense(x.reshape(len(x), -1), self.widths, 1)[:, 0]
