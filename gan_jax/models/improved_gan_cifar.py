"""Semi-supervised networks for CIFAR-10 (Salimans et al. 2016, arXiv:1606.03498).

As in `train_cifar_feature_matching.py` of github.com/openai/improved-gan, for images
whose sides divide by 8: z from U(0, 1)^100, pixels in [-1, 1]. Kernels start from
N(0, 0.05); their lengths are set like those of MNIST's networks (`improved_gan`).
"""

import functools
import math

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Fraction
from gan_jax.errors import UsageError
from gan_jax.layers.weights import of_length

_SLOPE = 0.2
_PIXELS = 0.26  # the mean square of a pixel of CIFAR-10; the mean is near 0
_POOLED = 0.09  # the variance that features start with, on CIFAR-10
# of max(0, N(0, 1)), and of leaky ReLU of N(0, 1)
_RECTIFIED = 0.5 - 0.5 / math.pi
_SQUARE, _MEAN = 0.5 * (1 + _SLOPE**2), (1 - _SLOPE) / math.sqrt(2 * math.pi)

_normal = nn.initializers.normal(0.05)


def _check(shape):
    if len(shape) != 3 or any(n % 8 or n < 16 for n in shape[:2]):
        raise UsageError(
            "improved_gan_cifar takes images (height, width, channels) with height and "
            f"width divisible by 8, from 16 on, not {tuple(shape)}"
        )


class Generator(nn.Module):
    """A dense layer, three transposed convolutions that double the size; tanh.

    Batch norm, which learns a shift alone, and ReLU in between. The last layer's
    weights have learned lengths, from such that its outputs start with deviation 0.1.
    `width` is the channel count next to the image.
    """

    shape: tuple[int, ...]
    width: Count = 128

    @nn.compact
    def __call__(self, z, *, train=False):
        _check(self.shape)
        height, width, channels = self.shape
        double = functools.partial(
            layers.ConvTranspose, kernel=5, stride=2, kernel_init=_normal
        )

        def activate(h):
            return nn.relu(layers.BatchNorm(use_scale=False)(h, train))

        units = height // 8 * (width // 8) * 4 * self.width
        h = activate(layers.Dense(units, use_bias=False, kernel_init=_normal)(z))
        h = h.reshape(len(z), height // 8, width // 8, -1)
        h = activate(double(2 * self.width, use_bias=False)(h))
        h = activate(double(self.width, use_bias=False)(h))
        # at a stride of 2 a quarter of the weights meets a pixel
        length = 0.1 * (_RECTIFIED / 4) ** -0.5
        return nn.tanh(double(channels, weight=of_length(length, learned=True))(h))


class Discriminator(nn.Module):
    """Nine convolutions, the third and the sixth of stride 2: logits and features.

    Leaky ReLU of slope 0.2; `width` channels in the first three, twice as many in the
    others, of which the seventh has no padding and the last two are 1 x 1. Features
    [n, 2 * width] are means over pixels. Dropout acts on the image with rate
    `input_dropout`, on the inputs of the fourth and the seventh with rate `dropout`.
    """

    classes: int
    width: Count = 96
    input_dropout: Fraction = 0.2
    dropout: Fraction = 0.5

    @nn.compact
    def __call__(self, x, *, train=False):
        _check(x.shape[1:])

        def conv(x, times, kernel, stride=1, padding="SAME", rate=0.0, first=False):
            x = nn.Dropout(rate, deterministic=not train)(x)
            square, mean = (_PIXELS, 0.0) if first else (_SQUARE, _MEAN)
            weight = of_length((square / (1 - rate) - mean**2) ** -0.5)
            x = layers.Conv(
                *(times * self.width, kernel, stride, padding),
                kernel_init=_normal,
                weight=weight,
            )(x)
            return nn.leaky_relu(x, _SLOPE)

        x = conv(x, 1, 3, rate=self.input_dropout, first=True)
        x = conv(conv(x, 1, 3), 1, 3, 2)
        x = conv(x, 2, 3, rate=self.dropout)
        x = conv(conv(x, 2, 3), 2, 3, 2)
        x = conv(x, 2, 3, padding=0, rate=self.dropout)
        features = conv(conv(x, 2, 1), 2, 1).mean(axis=(1, 2))
        weight = of_length(0.1 * _POOLED**-0.5, learned=True)
        head = layers.Head("classes", self.classes, kernel_init=_normal, weight=weight)
        return head(features), features
