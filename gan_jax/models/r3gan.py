"""R3GAN (Huang et al. 2024, arXiv:2501.05441), for images of any size.

As in github.com/Lemutisme/R3GAN, without labels: no normalisation anywhere, z of 64
numbers, pixels in [-1, 1] but no tanh. The defaults are those of CIFAR-10, and of
stacked MNIST at 32 pixels; FFHQ at 64 has widths (768, 768, 768, 768, 384).

`widths` are the channels of the stages, from the smallest places to the image, in both
networks; each stage has twice the places of the one before, the first one as many as
are left (4 x 4 in the paper). `blocks` of them follow in each stage.
"""

import functools
import math

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Counts
from gan_jax.errors import UsageError
from gan_jax.layers.grouped import GroupedConv
from gan_jax.layers.resampling import downsample_smooth, upsample_smooth
from gan_jax.layers.residual import through

_EXPANSION = 2
_SLOPE = 0.2
_activate = functools.partial(nn.leaky_relu, negative_slope=_SLOPE)


def _normal(gain=1.0):
    return nn.initializers.variance_scaling(gain**2, "fan_in", "normal")


def _linear(features, gain=1.0):
    return layers.Conv(features, 1, use_bias=False, kernel_init=_normal(gain))


def _places(shape, widths, group):
    """Rows and columns of the first stage."""
    times = 2 ** (len(widths) - 1)
    if not widths or len(shape) != 3 or any(n % times for n in shape[:2]):
        raise UsageError(
            f"r3gan of widths {tuple(widths)} takes images (height, width, channels) "
            f"with height and width divisible by {times}, not {tuple(shape)}"
        )
    if any(_EXPANSION * width % group for width in widths):
        raise UsageError(
            f"r3gan: twice the widths {tuple(widths)} must divide into groups of "
            f"{group} channels"
        )
    return shape[0] // times, shape[1] // times


class Block(nn.Module):
    """x + a 1 x 1, a grouped 3 x 3 and a 1 x 1 convolution, which starts at zero.

    The convolution in between has twice as many channels, in groups of `group`.

    count: of all blocks: each of the first two convolutions starts smaller by
           count^(-1/4), so that, once the last has grown, the variance does not
           explode with depth (Zhang et al. 2019, Fixup)
    """

    group: int
    count: int

    @nn.compact
    def __call__(self, x):
        gain = math.sqrt(2 / (1 + _SLOPE**2)) * self.count**-0.25
        channels = _EXPANSION * x.shape[-1]
        h = layers.Conv(channels, 1, kernel_init=_normal(gain))(x)
        h = GroupedConv(channels, 3, channels // self.group, kernel_init=_normal(gain))(
            _activate(h)
        )
        zeros = nn.initializers.zeros
        last = layers.Conv(x.shape[-1], 1, use_bias=False, kernel_init=zeros)
        return x + last(_activate(h))


class Generator(nn.Module):
    """A learned basis weighted by z, then stages that double the size; linear output.

    group: channels a group of the 3 x 3 convolutions; 16 is a cardinality of 96
    remat: see `layers.residual.through`
    """

    shape: tuple[int, ...]
    widths: Counts = (768, 768, 768, 768)
    blocks: Count = 2
    group: Count = 16
    remat: bool = False

    @nn.compact
    def __call__(self, z, *, train=False):
        places = _places(self.shape, self.widths, self.group)
        count = self.blocks * len(self.widths)
        first = self.widths[0]
        basis = self.param("basis", nn.initializers.normal(1.0), (*places, first))
        z = layers.Dense(first, use_bias=False, kernel_init=_normal())(z)
        h = basis[None] * z[:, None, None]
        for i, width in enumerate(self.widths):
            if i > 0:
                h = h if width == h.shape[-1] else _linear(width)(h)
                h = upsample_smooth(h)
            for _ in range(self.blocks):
                h = through(self.remat)(Block(self.group, count), h)
        return _linear(self.shape[-1])(h)


class Discriminator(nn.Module):
    """The generator's mirror: stages that halve the size, a weighted sum over places.

    group, remat: as in the generator
    """

    widths: Counts = (768, 768, 768, 768)
    blocks: Count = 2
    group: Count = 16
    remat: bool = False

    @nn.compact
    def __call__(self, x, *, train=False):
        places = _places(x.shape[1:], self.widths, self.group)
        count = self.blocks * len(self.widths)
        x = _linear(self.widths[-1])(x)
        for i, width in enumerate(reversed(self.widths)):
            if i > 0:
                x = downsample_smooth(x)
                x = x if width == x.shape[-1] else _linear(width)(x)
            for _ in range(self.blocks):
                x = through(self.remat)(Block(self.group, count), x)
        scale = 1 / math.sqrt(math.prod(places))
        init = nn.initializers.normal(scale)
        basis = self.param("basis", init, (*places, self.widths[0]))
        x = (x * basis[None]).sum(axis=(1, 2))
        return layers.Dense(1, use_bias=False, kernel_init=_normal())(x)[:, 0]
