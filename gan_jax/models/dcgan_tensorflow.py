"""The DCGAN of carpedm20/DCGAN-tensorflow, for square images of any size.

VEEGAN and PacGAN ran it on stacked MNIST. It is the network of Radford et al. (2016)
for 64 pixels, with 5 x 5 kernels, at other sizes too: always four layers of stride 2,
with odd sizes halved upwards, from 28 pixels to 14, 7, 4 and 2. (`dcgan` ends at 4.)

Transposed convolutions and dense layers start from N(0, 0.02), convolutions from the
same cut off at two standard deviations. There is no bias before a batch norm, which has
its own and takes the other's effect away.
"""

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError

_DEPTH = 4

_normal = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """A projection to 8 * width channels, then four layers that double the size.

    Batch norm and ReLU in between, tanh at the end. `width` is the channel count next
    to the image.
    """

    shape: tuple[int, ...]
    width: Count = 64

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.shape) != 3 or self.shape[0] != self.shape[1]:
            raise UsageError(
                "dcgan_tensorflow makes square images (size, size, channels), not "
                f"{self.shape}"
            )
        first, *sizes = (-(-self.shape[0] // 2**i) for i in range(_DEPTH, -1, -1))
        channels = [self.width * 2**i for i in range(_DEPTH - 1, -1, -1)]

        def double(h, features, size, bias):
            # the transpose of a convolution of `size` pixels with padding "SAME"
            padding = "SAME" if size % 2 == 0 else 2
            return layers.ConvTranspose(
                features, 5, 2, padding, use_bias=bias, kernel_init=_normal
            )(h)

        def activate(h):
            return nn.relu(layers.BatchNorm()(h, train))

        project = layers.Dense(
            first * first * channels[0], use_bias=False, kernel_init=_normal
        )
        h = activate(project(z).reshape(len(z), first, first, channels[0]))
        for features, size in zip(channels[1:], sizes[:-1], strict=True):
            h = activate(double(h, features, size, bias=False))
        return nn.tanh(double(h, self.shape[-1], sizes[-1], bias=True))


class Discriminator(nn.Module):
    """Four convolutions of stride 2 from `width` to 8 * width channels, one score.

    Leaky ReLU of slope 0.2 after each, batch norm before it but in the first.
    """

    width: Count = 64

    @nn.compact
    def __call__(self, x, *, train=False):
        if x.ndim != 4:
            raise UsageError(
                f"dcgan_tensorflow judges images, not examples of shape {x.shape[1:]}"
            )
        for i in range(_DEPTH):
            x = layers.Conv(
                *(self.width * 2**i, 5, 2),
                use_bias=i == 0,
                kernel_init=nn.initializers.truncated_normal(0.02),
            )(x)
            x = layers.BatchNorm()(x, train) if i > 0 else x
            x = nn.leaky_relu(x, 0.2)
        return layers.Dense(1, kernel_init=_normal)(x.reshape(len(x), -1))[:, 0]
