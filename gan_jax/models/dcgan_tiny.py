"""The tiny DCGAN of Unrolled GAN's stacked MNIST (Metz et al. 2017, arXiv:1611.02163).

Small enough to lose modes: the paper sets a discriminator of a quarter or a half of the
generator's channels against it. Kernels of 3 x 3; sizes double from an eighth of the
image, rounded up: 4, 7, 14 and 28 pixels.

Layers, slope and initial weights are those of PacGAN's code for this setting
(fjxmlzn/PacGAN): N(0, 0.02), cut off at two standard deviations in convolutions. There
is no bias before a batch norm, which has its own and takes the other's effect away.
"""

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError

_DEPTH = 3

_normal = nn.initializers.normal(0.02)
_truncated = nn.initializers.truncated_normal(0.02)


class Generator(nn.Module):
    """A projection to 8 * width channels, three layers that double the size, tanh.

    Batch norm and ReLU after each; the last convolution keeps the size. `width` is the
    channel count before it, 8 in the paper.
    """

    shape: tuple[int, ...]
    width: Count = 8

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.shape) != 3 or self.shape[0] != self.shape[1]:
            raise UsageError(
                "dcgan_tiny makes square images (size, size, channels), not "
                f"{self.shape}"
            )
        first, *sizes = (-(-self.shape[0] // 2**i) for i in range(_DEPTH, -1, -1))
        features = self.width * 2**_DEPTH

        def activate(h):
            return nn.relu(layers.BatchNorm()(h, train))

        project = layers.Dense(
            first * first * features, use_bias=False, kernel_init=_normal
        )
        h = activate(project(z).reshape(len(z), first, first, features))
        for size in sizes:
            # the transpose of a convolution of `size` pixels with padding "SAME"
            padding = "SAME" if size % 2 == 0 else 1
            features //= 2
            double = layers.ConvTranspose(
                features, 3, 2, padding, use_bias=False, kernel_init=_normal
            )
            h = activate(double(h))
        return nn.tanh(layers.Conv(self.shape[-1], 3, kernel_init=_truncated)(h))


class Discriminator(nn.Module):
    """Three convolutions of stride 2 from `width` to 4 * width channels, one score.

    Batch norm and leaky ReLU of slope 0.3 after each. A `width` of 4 is the paper's
    "D = 1/2 G", 2 its "D = 1/4 G".
    """

    width: Count = 4

    @nn.compact
    def __call__(self, x, *, train=False):
        if x.ndim != 4:
            raise UsageError(
                f"dcgan_tiny judges images, not examples of shape {x.shape[1:]}"
            )
        for i in range(_DEPTH):
            features = self.width * 2**i
            x = layers.Conv(features, 3, 2, use_bias=False, kernel_init=_truncated)(x)
            x = nn.leaky_relu(layers.BatchNorm()(x, train), 0.3)
        return layers.Dense(1, kernel_init=_normal)(x.reshape(len(x), -1))[:, 0]
