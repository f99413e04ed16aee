"""A small convolutional pair for MNIST, from the GAN assignment of Stanford's CS231n.

The generator is InfoGAN's (Chen et al., 2016, arXiv:1606.03657, appendix C.1) but for
batch norm after the ReLU; the discriminator is a classifier of digits with max pooling.
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, NotNegative
from gan_jax.errors import UsageError

_glorot = nn.initializers.glorot_uniform


class Generator(nn.Module):
    """Two dense layers, two transposed convolutions; ReLU, then batch norm; tanh.

    `width` is the channel count next to the image: 64 makes dense layers of 16 * 64
    and of h/4 * w/4 * 2 * 64 units.
    """

    shape: tuple[int, ...]
    width: Count = 64

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.shape) != 3 or self.shape[0] % 4 or self.shape[1] % 4:
            raise UsageError(
                "dcgan_mnist makes images (height, width, channels) with height and "
                f"width divisible by 4, not {self.shape}"
            )
        height, width, channels = self.shape
        dense = functools.partial(layers.Dense, kernel_init=_glorot())
        double = functools.partial(
            layers.ConvTranspose, kernel=4, stride=2, kernel_init=_glorot(-1, -2)
        )

        def norm(x):
            return layers.BatchNorm()(nn.relu(x), train)

        h = norm(dense(16 * self.width)(z))
        h = norm(dense(height // 4 * (width // 4) * 2 * self.width)(h))
        h = h.reshape(len(z), height // 4, width // 4, -1)
        h = norm(double(self.width)(h))
        return nn.tanh(double(channels)(h))


class Discriminator(nn.Module):
    """Two 5 x 5 convolutions with 2 x 2 max pooling, a dense layer, one score.

    `width` is the channel count of the second convolution; the first has half of it,
    the dense layer 16 times as many units. Leaky ReLU, no normalisation.
    """

    width: Count = 64
    slope: NotNegative = 0.01

    @nn.compact
    def __call__(self, x, *, train=False):
        if self.width < 2:
            raise UsageError(
                f"discriminator dcgan_mnist: width={self.width}; half of it has to be "
                "at least 1"
            )
        if x.ndim != 4 or min(x.shape[1:3]) < 16:
            raise UsageError(
                "dcgan_mnist judges images of at least 16 x 16 pixels, not examples "
                f"of shape {x.shape[1:]}"
            )
        for features in (self.width // 2, self.width):
            x = layers.Conv(features, 5, padding=0, kernel_init=_glorot())(x)
            x = layers.max_pool(nn.leaky_relu(x, self.slope), 2, 2)
        x = layers.Dense(16 * self.width, kernel_init=_glorot())(x.reshape(len(x), -1))
        x = nn.leaky_relu(x, self.slope)
        return layers.Dense(1, kernel_init=_glorot())(x)[:, 0]
