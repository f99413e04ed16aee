"""StyleGAN2 (Karras et al. 2020, arXiv:1912.04958), with labels if a game has them.

As in github.com/NVlabs/stylegan2-ada-pytorch: z of 512 numbers, pixels in [-1, 1] but
no tanh. Images are squares of a power of two pixels, from 8 on, and begin with 4 x 4
places; those of 5, 6 or 7 times one, such as 28, begin with 5, 6 or 7.

A level of `size` pixels has channel_base / size channels, at the most `channel_max`.
Published bases are 32,768, and half of it for photographs of 256 pixels.

The largest `half_levels` sizes are computed in bfloat16, and with any of them
activations are held in [-256, 256]; 4 in the authors' settings, in float16.
"""

import functools
import math
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, CountOrZero
from gan_jax.errors import UsageError
from gan_jax.layers.modulated import ModulatedConv
from gan_jax.layers.resampling import blur, downsample_smooth, upsample_smooth
from gan_jax.layers.styles import Mapping, Noise

_CLAMP = 256.0
_conv = functools.partial(layers.Conv, weight=layers.equalised())
_dense = functools.partial(layers.Dense, weight=layers.equalised())


class _Level(NamedTuple):
    """Pixels a side, channels, and whether in bfloat16."""

    size: int
    channels: int
    half: bool

    def cast(self, x, dtype):
        return x.astype(jnp.bfloat16 if self.half else dtype)


def _levels(shape, of):
    """From the smallest on, of a network `of` that has the fields for it."""
    height, width = shape[:2] if len(shape) == 3 else (0, 0)
    sizes = [height]
    while sizes[0] >= 8 and sizes[0] % 2 == 0:
        sizes.insert(0, sizes[0] // 2)
    if height != width or len(sizes) < 2 or sizes[0] >= 8:
        raise UsageError(
            "stylegan2 takes square images of 8, 16, 32, ... pixels, or of 5, 6 or 7 "
            f"times 2, 4, 8, ..., shape (size, size, channels), not {tuple(shape)}"
        )
    halves = min(of.half_levels, len(sizes) - 1)  # never the first
    return [
        _Level(
            size,
            max(1, min(of.channel_base // size, of.channel_max)),
            half=i >= len(sizes) - halves,
        )
        for i, size in enumerate(sizes)
    ]


def _activate(x, clamp, gain=1.0):
    """Leaky ReLU, its output times sqrt(2) and `gain`, and held within bounds."""
    x = layers.scaled_leaky_relu(x) * gain
    return jnp.clip(x, -_CLAMP * gain, _CLAMP * gain) if clamp else x


class Layer(nn.Module):
    """A modulated convolution, noise, a bias, leaky ReLU."""

    features: int
    up: bool = False
    clamp: bool = False

    @nn.compact
    def __call__(self, x, w):
        x = Noise()(ModulatedConv(self.features, up=self.up)(x, w))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return _activate(layers.add_bias(x, bias), self.clamp)


class ToImage(nn.Module):
    """A modulated 1 x 1 convolution to `channels`, which is not demodulated."""

    channels: int
    clamp: bool = False

    @nn.compact
    def __call__(self, x, w):
        x = ModulatedConv(self.channels, kernel=1, demodulate=False)(x, w)
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        x = layers.add_bias(x, bias)
        return jnp.clip(x, -_CLAMP, _CLAMP) if self.clamp else x


class Generator(nn.Module):
    """A constant, two convolutions a level; its image is the sum of the levels' own.

    `mapping` makes styles [n, layers, dim] of z, and of labels y, and `synthesis`
    images of styles; the first level has one convolution, and the last image a style.

    dim:   of a style w
    depth: layers of the mapping; 2 for CIFAR-10, else 8
    """

    shape: tuple[int, ...]
    dim: Count = 512
    depth: Count = 8
    channel_base: Count = 32_768
    channel_max: Count = 512
    half_levels: CountOrZero = 0
    classes: int = 0

    def setup(self):
        levels = _levels(self.shape, self)
        self.mapping_network = Mapping(self.dim, self.depth, classes=self.classes)
        self.constant = self.param(
            "constant",
            nn.initializers.normal(1.0),
            (levels[0].size, levels[0].size, levels[0].channels),
        )
        clamp = self.half_levels > 0
        self.first = Layer(levels[0].channels, clamp=clamp)
        self.doubling = [Layer(x.channels, up=True, clamp=clamp) for x in levels[1:]]
        self.keeping = [Layer(x.channels, clamp=clamp) for x in levels[1:]]
        self.to_image = [ToImage(self.shape[-1], clamp) for _ in levels]

    def mapping(self, z, y=None, *, train=False):
        """w [n, layers, dim]"""
        w = self.mapping_network(z, y)
        return jnp.repeat(w[:, None], 2 * len(self.to_image), axis=1)

    def synthesis(self, w, *, train=False):
        """Images of styles w [n, layers, dim]; noise is new where there is a key."""
        dtype = w.dtype
        first = jnp.broadcast_to(self.constant, (len(w), *self.constant.shape))
        x = self.first(first.astype(dtype), w[:, 0])
        image = self.to_image[0](x, w[:, 1])
        for i, level in enumerate(_levels(self.shape, self)[1:]):
            x = self.doubling[i](level.cast(x, dtype), w[:, 2 * i + 1])
            x = self.keeping[i](x, w[:, 2 * i + 2])
            # the style is that of the convolution to come, as in the authors' code
            own = self.to_image[i + 1](x, w[:, 2 * i + 3])
            image = upsample_smooth(image) + own.astype(dtype)
        return image

    def __call__(self, z, y=None, *, train=False):
        return self.synthesis(self.mapping(z, y))


class Block(nn.Module):
    """Two convolutions, the second to half the size; beside them a 1 x 1 one, or none.

    Of the sum of both each has a gain of sqrt(1 / 2).
    """

    features: int
    residual: bool
    clamp: bool

    @nn.compact
    def __call__(self, x):
        gain = math.sqrt(0.5) if self.residual else 1.0
        h = _activate(_conv(x.shape[-1], 3)(x), self.clamp)
        h = _conv(self.features, 3, stride=2, padding=0)(blur(h, (2, 2)))
        h = _activate(h, self.clamp, gain)
        if not self.residual:
            return h
        return h + _conv(self.features, 1, use_bias=False)(downsample_smooth(x)) * gain


class Discriminator(nn.Module):
    """Blocks that halve the size, the deviations of the minibatch, two layers, a score.

    With labels y, which a mapping of its own brings to as many numbers as the smallest
    level has channels, the score is a projection, over the root of that number.

    depth:    layers of that mapping
    residual: not for CIFAR-10
    group:    examples whose deviations are looked at together; 32 for CIFAR-10
    """

    depth: Count = 8
    residual: bool = True
    group: Count = 4
    channel_base: Count = 32_768
    channel_max: Count = 512
    half_levels: CountOrZero = 0
    classes: int = 0

    @nn.compact
    def __call__(self, x, y=None, *, train=False):
        levels, clamp = _levels(x.shape[1:], self), self.half_levels > 0
        dtype = x.dtype
        x = levels[-1].cast(x, dtype)
        x = _activate(_conv(levels[-1].channels, 1)(x), clamp)
        for level, smaller in zip(levels[:0:-1], levels[-2::-1], strict=True):
            block = Block(smaller.channels, self.residual, clamp)
            x = block(level.cast(x, dtype))
        x = layers.MinibatchStd(self.group)(x.astype(dtype))
        features = levels[0].channels
        x = _activate(_conv(features, 3)(x), clamp)
        x = layers.scaled_leaky_relu(_dense(features)(x.reshape(len(x), -1)))
        if y is None:
            return _dense(1)(x)[:, 0]
        label = Mapping(features, self.depth, classes=self.classes)(None, y)
        return jnp.sum(_dense(features)(x) * label, -1) / math.sqrt(features)
