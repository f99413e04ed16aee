"""BEGAN's networks (Berthelot et al. 2017, arXiv:1703.10717), as an autoencoder in D.

The authors' code is not public; these are those of `models.py` of
github.com/carpedm20/BEGAN-tensorflow, for 64 pixels or other square images whose side
is 8 or 7 times a power of 2: z of 64 numbers from U(-1, 1), pixels in [-1, 1]. Kernels
start after Glorot. Nothing bounds the generator's output.
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError
from gan_jax.layers.resampling import upsample

_glorot = nn.initializers.glorot_uniform()
_dense = functools.partial(layers.Dense, kernel_init=_glorot)
_conv = functools.partial(layers.Conv, kernel=3, kernel_init=_glorot)


def _sizes(shape):
    """Sizes of images from 8 or 7 pixels a side to the shape's, each twice the last."""
    if len(shape) == 3 and shape[0] == shape[1]:
        for first in (8, 7):
            times = shape[0] // first
            if times * first == shape[0] and times.bit_count() == 1:
                return [first * 2**i for i in range(times.bit_length())]
    raise UsageError(
        "began takes square images of 8 or 7 times a power of 2, such as 28, 32 or 64 "
        f"pixels, shape (size, size, channels), not {tuple(shape)}"
    )


def _pair(h, features):
    for _ in range(2):
        h = nn.elu(_conv(features)(h))
    return h


def _decoded(code, shape, width):
    """Codes [n, d] -> images [n, *shape]; two convolutions at each size, and one."""
    first, *others = _sizes(shape)
    h = _dense(first * first * width)(code)
    h = _pair(h.reshape(len(code), first, first, width), width)
    for _ in others:
        h = _pair(upsample(h), width)
    return _conv(shape[-1])(h)


class Generator(nn.Module):
    """A dense layer, pairs of convolutions with ELU, the size doubled between them.

    Convolutions are 3 x 3 with `width` channels; a last one makes the image.
    """

    shape: tuple[int, ...]
    width: Count = 128

    @nn.compact
    def __call__(self, z, *, train=False):
        return _decoded(z, self.shape, self.width)


class Discriminator(nn.Module):
    """An autoencoder: reconstructions [n, *shape] and the codes [n, code] they are of.

    The decoder is as the generator. The encoder has pairs of convolutions with ELU, of
    `width` channels more at each smaller size, and between them one of stride 2.
    """

    width: Count = 128
    code: Count = 64

    @nn.compact
    def __call__(self, x, *, train=False):
        shape = x.shape[1:]
        levels = len(_sizes(shape))
        h = nn.elu(_conv(self.width)(x))
        for i in range(levels):
            features = (i + 1) * self.width
            h = _pair(h, features)
            h = nn.elu(_conv(features, stride=2)(h)) if i < levels - 1 else h
        code = _dense(self.code)(h.reshape(len(h), -1))
        return _decoded(code, shape, self.width), code
