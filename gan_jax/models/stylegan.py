"""StyleGAN's growing networks (Karras et al. 2019, arXiv:1812.04948).

As in github.com/NVlabs/stylegan: G makes images of a constant, and all that it knows of
z of 512 numbers are the styles of its layers; D is PGGAN's with a filter. Levels,
`level` and `fading` are as in `models.pggan`. At 1024 pixels G has the published 26.2
million parameters.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.layers.levels import enlarged, level_of, mix
from gan_jax.layers.norms import spread
from gan_jax.layers.resampling import smooth, upsample
from gan_jax.layers.styles import Mapping, Noise
from gan_jax.models import pggan
from gan_jax.models.pggan import activate, channels_of

_conv = functools.partial(layers.Conv, use_bias=False, weight=pggan.equalised)


class Epilogue(nn.Module):
    """What ends a layer: noise, a bias, leaky ReLU, instance norm, a style.

    A style is, of each channel, what is added to a factor of 1, and a shift.
    """

    @nn.compact
    def __call__(self, x, w):
        dtype, channels = x.dtype, x.shape[-1]
        x = Noise(by_channel=True)(x)
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        x = activate(layers.add_bias(x, bias))
        x = layers.standardised(x, channels, 1e-8)
        style = layers.Dense(2 * channels, weight=layers.equalised(), name="style")(w)
        factor, shift = jnp.split(style.astype(jnp.float32), 2, axis=-1)
        x = x * (1 + spread(factor, x, 0, -1)) + spread(shift, x, 0, -1)
        return x.astype(dtype)


class Generator(nn.Module):
    """A constant and a convolution, then two convolutions a level; all take styles.

    `mapping` makes styles [n, layers, dim] of z, two for each level, and `synthesis`
    images of styles; noise is new where there is a key.

    dim:   of a style w
    depth: layers of the mapping
    """

    shape: tuple[int, ...]
    dim: Count = 512
    depth: Count = 8
    channel_base: Count = 8192
    channel_max: Count = 512

    def setup(self):
        levels = range(level_of(self.shape) + 1)
        widths = [channels_of(self, i) for i in levels]
        ones = nn.initializers.ones
        self.mapping_network = Mapping(self.dim, self.depth)
        self.constant = self.param("constant", ones, (4, 4, widths[0]))
        self.doubling = [_conv(width, 3) for width in widths[1:]]
        self.keeping = [_conv(width, 3) for width in widths]
        self.first_ends = [Epilogue() for _ in levels]
        self.second_ends = [Epilogue() for _ in levels]
        colour = functools.partial(layers.Conv, weight=layers.equalised())
        self.to_image = [colour(self.shape[-1], 1) for _ in levels]

    def mapping(self, z, *, train=False, level=None, fading=None):
        """w [n, layers, dim], the same for all layers up to the level fading in."""
        highest = level_of(self.shape) if fading is None else fading
        w = self.mapping_network(z)
        return jnp.repeat(w[:, None], 2 * (highest + 1), axis=1)

    def synthesis(self, w, *, train=False, level=None, fading=None):
        whole = level_of(self.shape)
        level = whole if level is None else level
        highest = whole if fading is None else fading
        h = jnp.broadcast_to(self.constant, (len(w), *self.constant.shape))
        h, x = h.astype(w.dtype), None
        for i in range(highest + 1):
            if i > 0:
                h = smooth(self.doubling[i - 1](upsample(h)))
            h = self.first_ends[i](h, w[:, 2 * i])
            h = self.second_ends[i](self.keeping[i](h), w[:, 2 * i + 1])
            if fading is None or i >= fading - 1:
                image = self.to_image[i](h)
                x = image if x is None else mix(upsample(x), image, level, i)
        return enlarged(x, whole - highest)

    def __call__(self, z, *, train=False):
        return self.synthesis(self.mapping(z))


class Discriminator(pggan.Discriminator):
    """PGGAN's, which filters features by [1, 2, 1] before it halves their size."""

    def before_halving(self, h):
        return smooth(h)
