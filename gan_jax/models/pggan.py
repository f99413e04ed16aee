"""PGGAN's growing networks (Karras et al. 2018, arXiv:1710.10196, table 2).

As in github.com/tkarras/progressive_growing_of_gans: every kernel has an equalised
learning rate, G normalises each pixel after every activation, D sees how much the
examples of a group differ. z of 512 numbers, pixels in [-1, 1] but no tanh. For square
images of 4, 8, 16, .. pixels; at 1024 both have the published 23.1 million parameters,
and what turns the smaller images from and into colours besides.

Level i, of 4 * 2^i pixels, has min(channel_max, channel_base / 2^(i + 1)) channels.
All parameters are there from the start. `level` says how far the networks have grown,
a number (see `layers.levels`), all the way if None; `fading` is the level that is
fading in, known when a program is made, so that it has no more of the network than
that; None: any level.
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.layers.levels import enlarged, level_of, mix, shrunk
from gan_jax.layers.resampling import upsample

activate = functools.partial(nn.leaky_relu, negative_slope=0.2)
equalised = layers.equalised(gain=2**0.5)  # of what an activation follows


def channels_of(network, i) -> int:
    """The channels of level i; -1 stands for the vector after the last convolution."""
    return max(1, min(network.channel_max, network.channel_base // 2 ** (i + 1)))


def named(i, which) -> str:
    """The name of a layer of level i, "8x8_0"."""
    return f"{4 * 2**i}x{4 * 2**i}_{which}"


class Generator(nn.Module):
    """Two convolutions a level, of which the first sees the level before, enlarged."""

    shape: tuple[int, ...]
    channel_base: Count = 8192
    channel_max: Count = 512

    @nn.compact
    def __call__(self, z, *, train=False, level=None, fading=None):
        whole = level_of(self.shape)
        level = whole if level is None else level
        highest = whole if fading is None else fading
        norm = layers.PixelNorm()
        h, x = norm(z)[:, None, None], None
        for i in range(highest + 1):
            features = channels_of(self, i)
            if i == 0:
                h = layers.ConvTranspose(features, 4, padding=0, weight=equalised)(h)
            else:
                h = _conv(features, i, 0)(upsample(h))
            h = norm(activate(h))
            h = norm(activate(_conv(features, i, 1)(h)))
            if fading is None or i >= fading - 1:
                how = {"weight": layers.equalised(), "name": named(i, "image")}
                image = layers.Conv(self.shape[-1], 1, **how)(h)
                x = image if x is None else mix(upsample(x), image, level, i)
        return enlarged(x, whole - highest)


class Discriminator(nn.Module):
    """The generator's mirror, the deviation of `group` examples, two dense layers."""

    channel_base: Count = 8192
    channel_max: Count = 512
    group: Count = 4

    @nn.compact
    def __call__(self, x, *, train=False, level=None, fading=None):
        whole = level_of(x.shape[1:])
        level = whole if level is None else level
        highest = whole if fading is None else fading

        def features(x, i):
            how = {"weight": equalised, "name": named(i, "image")}
            return activate(layers.Conv(channels_of(self, i), 1, **how)(x))

        x = shrunk(x, whole - highest)
        h = features(x, highest)
        for i in range(highest, 0, -1):
            h = activate(_conv(channels_of(self, i), i, 0)(h))
            h = _conv(channels_of(self, i - 1), i, 1)(self.before_halving(h))
            h = activate(shrunk(h, 1))
            x = shrunk(x, 1)
            if fading is None or i == fading:
                h = mix(features(x, i - 1), h, level, i)
        h = layers.MinibatchStd(self.group)(h)
        h = activate(_conv(channels_of(self, 0), 0, 0)(h)).reshape(len(h), -1)
        how = {"weight": equalised, "name": "dense"}
        h = activate(layers.Dense(channels_of(self, -1), **how)(h))
        return layers.Dense(1, weight=layers.equalised(), name="score")(h)[:, 0]

    def before_halving(self, h):
        """What happens to features before the convolution that halves their size."""
        return h


def _conv(features, i, which):
    return layers.Conv(features, 3, weight=equalised, name=named(i, which))
