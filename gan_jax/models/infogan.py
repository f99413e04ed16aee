"""InfoGAN's networks for MNIST (Chen et al. 2016, arXiv:1606.03657, appendix C.1).

As in github.com/openai/InfoGAN, for images whose sides divide by 4: latents of 62
numbers from U(-1, 1), with a category and two codes 74, pixels in [0, 1]. Weights start
from N(0, 0.02), cut off at two standard deviations in convolutions. There is no bias
before a batch norm, which has its own. The `slope` is that of the code; the paper says
0.1.
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, NotNegative
from gan_jax.errors import UsageError

_normal = nn.initializers.normal(0.02)
_truncated = nn.initializers.truncated_normal(0.02)


def _check(shape):
    if len(shape) != 3 or shape[0] % 4 or shape[1] % 4:
        raise UsageError(
            "infogan takes images (height, width, channels) with height and width "
            f"divisible by 4, not {tuple(shape)}"
        )


class Generator(nn.Module):
    """Two dense layers, two transposed convolutions; batch norm, ReLU; sigmoid.

    `width` is the channel count next to the image: 64 makes dense layers of 16 * 64
    and of h/4 * w/4 * 2 * 64 units.
    """

    shape: tuple[int, ...]
    width: Count = 64

    @nn.compact
    def __call__(self, z, *, train=False):
        """z: noise and codes in one vector."""
        _check(self.shape)
        height, width, channels = self.shape
        dense = functools.partial(layers.Dense, use_bias=False, kernel_init=_normal)
        double = functools.partial(
            layers.ConvTranspose, kernel=4, stride=2, kernel_init=_normal
        )

        def activate(h):
            return nn.relu(layers.BatchNorm()(h, train))

        h = activate(dense(16 * self.width)(z))
        h = activate(dense(height // 4 * (width // 4) * 2 * self.width)(h))
        h = h.reshape(len(z), height // 4, width // 4, -1)
        h = activate(double(self.width, use_bias=False)(h))
        return nn.sigmoid(double(channels)(h))


class Discriminator(nn.Module):
    """Two convolutions of stride 2 and a dense layer, which D and Q share; both heads.

    Returns scores [n] and the codes read [n, categories + continuous]: logits of the
    category, then means of the continuous codes, whose deviation is 1. (The code has
    units for deviations, too, which it does not use.) `width` is the channel count of
    the first convolution; the second has twice, the dense layer 16 times as many, and
    that of Q's head twice as many units. Batch norm in all but the first.
    """

    categories: int
    continuous: int
    width: Count = 64
    slope: NotNegative = 0.01

    @nn.compact
    def __call__(self, x, *, train=False):
        _check(x.shape[1:])
        half = functools.partial(
            layers.Conv, kernel=4, stride=2, kernel_init=_truncated
        )
        dense = functools.partial(layers.Dense, kernel_init=_normal)

        def activate(h):
            return nn.leaky_relu(layers.BatchNorm()(h, train), self.slope)

        h = nn.leaky_relu(half(self.width)(x), self.slope)
        h = activate(half(2 * self.width, use_bias=False)(h))
        h = activate(dense(16 * self.width, use_bias=False)(h.reshape(len(h), -1)))
        q = activate(dense(2 * self.width, use_bias=False)(h))
        return dense(1)(h)[:, 0], dense(self.categories + self.continuous)(q)
