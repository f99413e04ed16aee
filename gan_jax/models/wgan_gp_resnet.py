"""WGAN-GP's residual networks for CIFAR-10 (Gulrajani et al. 2017, appendix C).

Those of `gan_cifar_resnet.py` of igul222/improved_wgan_training, without labels, for 32
pixels or other multiples of 8: z of 128 numbers, pixels in [-1, 1].
"""

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError
from gan_jax.layers.residual import Residual, through

_BLOCKS = 3  # of the generator, each of which doubles the size

_glorot = nn.initializers.glorot_uniform()


class Generator(nn.Module):
    """A projection to an eighth of the size, three blocks that double it, tanh.

    Batch norm and ReLU before every convolution; all have `width` channels.

    remat: see `layers.residual.through`
    """

    shape: tuple[int, ...]
    width: Count = 128
    remat: bool = False

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.shape) != 3 or any(n % 2**_BLOCKS for n in self.shape[:2]):
            raise UsageError(
                "wgan_gp_resnet makes images (height, width, channels) with height and "
                f"width divisible by {2**_BLOCKS}, not {self.shape}"
            )
        height, width, channels = self.shape
        places = height // 2**_BLOCKS, width // 2**_BLOCKS

        def norm(h):
            return layers.BatchNorm()(h, train)

        units = places[0] * places[1] * self.width
        h = layers.Dense(units, kernel_init=_glorot)(z)
        h = h.reshape(len(z), *places, self.width)
        for _ in range(_BLOCKS):
            h = through(self.remat)(Residual(self.width, "up", norm=norm), h)
        return nn.tanh(layers.Conv(channels, 3, kernel_init=_glorot)(nn.relu(norm(h))))


class Discriminator(nn.Module):
    """Two blocks that halve the size, two that keep it, ReLU, mean over pixels; score.

    No normalisation; all have `width` channels.

    remat: see `layers.residual.through`
    """

    width: Count = 128
    remat: bool = False

    @nn.compact
    def __call__(self, x, *, train=False):
        if x.ndim != 4 or any(n % 4 for n in x.shape[1:3]):
            raise UsageError(
                "wgan_gp_resnet judges images with height and width divisible by 4, "
                f"not examples of shape {x.shape[1:]}"
            )
        for i, resample in enumerate(("down", "down", None, None)):
            x = through(self.remat)(Residual(self.width, resample, first=i == 0), x)
        x = nn.relu(x).mean(axis=(1, 2))
        return layers.Dense(1, kernel_init=_glorot)(x)[:, 0]
