"""WGAN-GP's convolutional networks (Gulrajani et al. 2017, arXiv:1704.00028).

The defaults are those of MNIST (`gan_mnist.py` of igul222/improved_wgan_training): z of
128 numbers, pixels in [0, 1], no normalisation. Those of CIFAR-10 (`gan_cifar.py`) have
width 128, in the generator norm "batch" and output "tanh".

Weights are uniform: of convolutions with variance 4 / (fan_in + fan_out), a fan that
strides spread out divided by their square; of dense layers after Glorot.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError

_DEPTH = 3
_STRIDE = 2

_glorot = nn.initializers.glorot_uniform()


def _uniform(key, shape, dtype=jnp.float32):
    """Of a kernel [kh, kw, image's channels, features], either way between them."""
    height, width, channels, features = shape
    fans = height * width * (channels + features / _STRIDE**2)
    bound = (3 * 4 / fans) ** 0.5
    return jax.random.uniform(key, shape, dtype, -bound, bound)


class Generator(nn.Module):
    """A projection to 4 * width channels, then three layers that double the size.

    ReLU in between, `norm` before it; `width` is the channel count next to the image.
    Sizes double from an eighth of the image, rounded up (4, 7, 14, 28): where a layer
    makes one pixel too many, the last row and column are dropped.
    """

    shape: tuple[int, ...]
    width: Count = 64
    norm: layers.NormName = "none"
    output: Literal["sigmoid", "tanh"] = "sigmoid"

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.shape) != 3 or self.shape[0] != self.shape[1]:
            raise UsageError(
                f"wgan_gp makes square images (size, size, channels), not {self.shape}"
            )
        first, *sizes = (-(-self.shape[0] // 2**i) for i in range(_DEPTH, -1, -1))
        bias = not layers.shifts(self.norm)

        def activate(h):
            return nn.relu(layers.normalise(self.norm, h, train))

        def double(features, use_bias):
            return layers.ConvTranspose(
                features, 5, _STRIDE, use_bias=use_bias, kernel_init=_uniform
            )

        features = 2 ** (_DEPTH - 1) * self.width
        project = layers.Dense(
            first * first * features, use_bias=bias, kernel_init=_glorot
        )
        h = activate(project(z)).reshape(len(z), first, first, features)
        for size in sizes[:-1]:
            features //= 2
            h = activate(double(features, bias)(h))[:, :size, :size]
        x = double(self.shape[-1], True)(h)[:, : sizes[-1], : sizes[-1]]
        return layers.activation(self.output)(x)


class Discriminator(nn.Module):
    """Three 5 x 5 convolutions of stride 2, from `width` to 4 * width; one score.

    Leaky ReLU of slope 0.2 after each, `norm` before it but in the first: none for a
    gradient penalty, "batch" where the code clips weights.
    """

    width: Count = 64
    norm: layers.NormName = "none"

    @nn.compact
    def __call__(self, x, *, train=False):
        if x.ndim != 4:
            raise UsageError(
                f"wgan_gp judges images, not examples of shape {x.shape[1:]}"
            )
        for i in range(_DEPTH):
            norm = self.norm if i > 0 else "none"
            x = layers.Conv(
                *(2**i * self.width, 5, _STRIDE),
                use_bias=not layers.shifts(norm),
                kernel_init=_uniform,
            )(x)
            x = nn.leaky_relu(layers.normalise(norm, x, train), 0.2)
        return layers.Dense(1, kernel_init=_glorot)(x.reshape(len(x), -1))[:, 0]
