"""The network of "Are GANs Created Equal?" (Lucic et al. 2018, arXiv:1711.10337).

InfoGAN's without its codes, as in the first code of github.com/google/compare_gan: z of
64 numbers, pixels in [0, 1]. Weights start from N(0, 0.02), cut off at two standard
deviations in convolutions. There is no bias before a batch norm, which has its own.
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError

_normal = nn.initializers.normal(0.02)
_truncated = nn.initializers.truncated_normal(0.02)


def _check(shape):
    if len(shape) != 3 or shape[0] % 4 or shape[1] % 4:
        raise UsageError(
            "lucic takes images (height, width, channels) with height and width "
            f"divisible by 4, not {tuple(shape)}"
        )


def _activate(h, norm, train):
    h = layers.BatchNorm(epsilon=1e-3, momentum=0.999)(h, train) if norm else h
    return nn.leaky_relu(h, 0.2)


class Generator(nn.Module):
    """Two dense layers, two transposed convolutions; batch norm, leaky ReLU; sigmoid.

    `width` is the channel count next to the image: 64 makes dense layers of 16 * 64
    and of h/4 * w/4 * 2 * 64 units.
    """

    shape: tuple[int, ...]
    width: Count = 64

    @nn.compact
    def __call__(self, z, *, train=False):
        _check(self.shape)
        height, width, channels = self.shape
        activate = functools.partial(_activate, norm=True, train=train)
        dense = functools.partial(layers.Dense, use_bias=False, kernel_init=_normal)
        double = functools.partial(
            layers.ConvTranspose, kernel=4, stride=2, kernel_init=_normal
        )
        h = activate(dense(16 * self.width)(z))
        h = activate(dense(height // 4 * (width // 4) * 2 * self.width)(h))
        h = h.reshape(len(z), height // 4, width // 4, -1)
        h = activate(double(self.width, use_bias=False)(h))
        return nn.sigmoid(double(channels)(h))


class Discriminator(nn.Module):
    """Two 4 x 4 convolutions of stride 2, a dense layer, leaky ReLU; one score.

    `width` is the channel count of the first convolution; the second has twice, the
    dense layer 16 times as many. With `batch_norm`, in the second and the third layer.
    """

    width: Count = 64
    batch_norm: bool = True

    @nn.compact
    def __call__(self, x, *, train=False):
        _check(x.shape[1:])
        norm = self.batch_norm
        half = functools.partial(
            layers.Conv, kernel=4, stride=2, kernel_init=_truncated
        )
        x = _activate(half(self.width)(x), False, train)
        x = _activate(half(2 * self.width, use_bias=not norm)(x), norm, train)
        dense = layers.Dense(16 * self.width, use_bias=not norm, kernel_init=_normal)
        x = _activate(dense(x.reshape(len(x), -1)), norm, train)
        return layers.Dense(1, kernel_init=_normal)(x)[:, 0]
