"""CycleGAN's networks (Zhu et al. 2017, arXiv:1703.10593): residual blocks; a PatchGAN.

As in junyanz/CycleGAN, for images whose sides divide by 4, pixels in [-1, 1]: instance
norm, weights from N(0, 0.02). The discriminator is pix2pix's, of patches of 70 x 70.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError
from gan_jax.models.pix2pix import Discriminator, norm

__all__ = ["Discriminator", "Generator"]

_conv = functools.partial(layers.Conv, kernel_init=nn.initializers.normal(0.02))


def _reflected(h, pixels):
    """h with its edges mirrored beyond them, in place of zeros."""
    return jnp.pad(h, ((0, 0), (pixels,) * 2, (pixels,) * 2, (0, 0)), mode="reflect")


class Generator(nn.Module):
    """Two halvings, `blocks` residual blocks, two doublings; tanh.

    `width` is the channel count next to the image. Published are 6 blocks for images of
    128 pixels, 9 for 256.
    """

    shape: tuple[int, ...]
    width: Count = 64
    blocks: Count = 6

    @nn.compact
    def __call__(self, x, *, train=False):
        if x.ndim != 4 or x.shape[1] % 4 or x.shape[2] % 4 or min(x.shape[1:3]) < 8:
            raise UsageError(
                "cyclegan translates images (height, width, channels) with height and "
                f"width from 8 pixels, divisible by 4, not {tuple(x.shape[1:])}"
            )
        conv = functools.partial(_conv, use_bias=False)
        double = functools.partial(
            layers.ConvTranspose,
            kernel=3,
            stride=2,
            padding=1,
            output_padding=1,
            use_bias=False,
            kernel_init=nn.initializers.normal(0.02),
        )

        h = conv(self.width, 7, padding=0)(_reflected(x, 3))
        h = nn.relu(norm(h))
        for times in (2, 4):
            h = nn.relu(norm(conv(times * self.width, 3, 2, padding=1)(h)))
        for _ in range(self.blocks):
            inner = conv(h.shape[-1], 3, padding=0)(_reflected(h, 1))
            inner = _reflected(nn.relu(norm(inner)), 1)
            h = h + norm(conv(h.shape[-1], 3, padding=0)(inner))
        for times in (2, 1):
            h = nn.relu(norm(double(times * self.width)(h)))
        return nn.tanh(_conv(self.shape[-1], 7, padding=0)(_reflected(h, 3)))
