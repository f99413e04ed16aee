"""CoGAN's networks for digits and their edges (Liu and Tuzel 2016, arXiv:1606.07536).

As in `mnist.edge.cogan` of github.com/mingyuliutw/CoGAN, for pairs of images of 28
pixels: z from U(-1, 1)^100, pixels in [0, 1]. The generators share all but their last
layers, the discriminators all but their first. Kernels start after He.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Counts, Fraction
from gan_jax.errors import UsageError

IMAGE = 28  # 4 -> 7 -> 13 -> 25 -> 28

_he = nn.initializers.he_normal


def _prelu():
    return nn.PReLU(negative_slope_init=0.25)


class Generator(nn.Module):
    """z -> a pair of images, each [n, *shape].

    A dense layer and three transposed convolutions with batch norm, which learns a
    shift alone, and leaky ReLU with a learned slope, then one for either image;
    sigmoid. `width` is the channel count before these.
    """

    shape: tuple[int, ...]
    width: Count = 128

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.shape) != 3 or self.shape[:2] != (IMAGE, IMAGE):
            raise UsageError(
                f"cogan makes images of shape ({IMAGE}, {IMAGE}, channels), not "
                f"{self.shape}"
            )
        transpose = functools.partial(layers.ConvTranspose, kernel_init=_he(-1, -2))

        def activate(h):
            return _prelu()(layers.BatchNorm(use_scale=False)(h, train))

        units = 4 * 4 * 8 * self.width
        h = layers.Dense(units, use_bias=False, kernel_init=_he())(z)
        h = activate(h.reshape(len(z), 4, 4, -1))
        for times in (4, 2, 1):
            h = activate(transpose(times * self.width, 3, 2, 1, use_bias=False)(h))
        first, second = (transpose(self.shape[-1], 6, 1, 1) for _ in range(2))
        return nn.sigmoid(first(h)), nn.sigmoid(second(h))


class Discriminator(nn.Module):
    """Images of two domains -> scores of either [n].

    Two 5 x 5 convolutions, of which each domain has the first for itself, with 2 x 2
    max pooling, a dense layer with leaky ReLU of a learned slope, dropout, one score:
    the difference of the two logits in the authors' code.
    """

    channels: Counts = (20, 50)
    units: Count = 500
    dropout: Fraction = 0.5

    @nn.compact
    def __call__(self, a, b, *, train=False):
        if len(self.channels) != 2:
            raise UsageError(
                f"cogan discriminator: channels {self.channels}, but it has two "
                "convolutions"
            )
        for x in (a, b):
            if x.ndim != 4 or min(x.shape[1:3]) < 16:
                raise UsageError(
                    "cogan judges images of at least 16 x 16 pixels, not examples of "
                    f"shape {x.shape[1:]}"
                )
        own, shared = self.channels
        conv = functools.partial(layers.Conv, kernel=5, padding=0, kernel_init=_he())
        first, second = conv(own), conv(own)
        h = jnp.concatenate([first(a), second(b)])
        h = layers.max_pool(conv(shared)(layers.max_pool(h, 2, 2)), 2, 2)
        h = layers.Dense(self.units, kernel_init=_he())(h.reshape(len(h), -1))
        h = nn.Dropout(self.dropout, deterministic=not train)(_prelu()(h))
        scores = layers.Dense(1, kernel_init=_he())(h)[:, 0]
        return scores[: len(a)], scores[len(a) :]
