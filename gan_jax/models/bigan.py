"""BiGAN's permutation-invariant networks (Donahue et al. 2017, arXiv:1605.09782).

Those of `train_mnist.sh` of github.com/jeffdonahue/bigan, for examples of any shape,
which are vectors to them: z from U(-1, 1)^50, pixels in [0, 1]. There are no biases,
and batch norm learns no scale and no shift. Weights start from N(0, 0.02), the
discriminator's last ones from 0.
"""

import functools
import math
from typing import Literal

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count

_dense = functools.partial(
    layers.Dense, use_bias=False, kernel_init=nn.initializers.normal(0.02)
)


def _norm(h, train):
    return layers.BatchNorm(use_scale=False, use_bias=False)(h, train)


def _features(x, z, width, train):
    """Two dense layers with leaky ReLU, of x and, from the second on, of z if any."""
    h = nn.leaky_relu(_dense(width)(x.reshape(len(x), -1)), 0.2)
    h = _dense(width)(h)
    h = h if z is None else h + _dense(width)(z)
    return nn.leaky_relu(_norm(h, train), 0.2)


class Generator(nn.Module):
    """Two dense layers with batch norm and ReLU, the second of z, too; sigmoid."""

    shape: tuple[int, ...]
    width: Count = 1024

    @nn.compact
    def __call__(self, z, *, train=False):
        h = nn.relu(_norm(_dense(self.width)(z), train))
        h = _dense(self.width)(h) + _dense(self.width)(z)
        h = nn.relu(_norm(h, train))
        return nn.sigmoid(_dense(math.prod(self.shape))(h)).reshape(-1, *self.shape)


class Encoder(nn.Module):
    """Two dense layers with leaky ReLU, batch norm in the second: z and features.

    `output` "tanh", of half the last layer, is for a prior in (-1, 1), "linear" for one
    without bounds. The features [n, width] are the layer before it.
    """

    latent_dim: int
    width: Count = 1024
    output: Literal["tanh", "linear"] = "tanh"

    @nn.compact
    def __call__(self, x, *, train=False):
        h = _features(x, None, self.width, train)
        z = _dense(self.latent_dim)(h)
        return nn.tanh(z / 2) if self.output == "tanh" else z, h


class Discriminator(nn.Module):
    """The encoder's layers for pairs of x and z; one score.

    z is added to the second layer before its batch norm, by a linear map.
    """

    width: Count = 1024

    @nn.compact
    def __call__(self, x, z, *, train=False):
        h = _features(x, z, self.width, train)
        return _dense(1, kernel_init=nn.initializers.zeros)(h)[:, 0]
