"""pix2pix's networks (Isola et al. 2017, arXiv:1611.07004): a U-Net and a PatchGAN.

As in `models.lua` of phillipi/pix2pix, for images of any size that halves, pixels in
[-1, 1]. Weights start from N(0, 0.02), factors of norms from N(1, 0.02). Minibatches
there are of one image, whose batch norm is the instance norm that stands here: to this
it does not matter what else is in a minibatch.
"""

import functools
import math

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, CountOrZero, Fraction
from gan_jax.errors import UsageError

_WIDEST = 8  # times the width
_DROPPED = 3  # innermost layers of the way up

_normal = nn.initializers.normal(0.02)


def norm(h):
    """Instance norm, whose factors start as those of batch norm did."""
    return layers.InstanceNorm(scale_init=_around_one)(h)


def _around_one(key, shape, dtype=jnp.float32):
    return 1 + _normal(key, shape, dtype)


class Generator(nn.Module):
    """An encoder and a decoder of 4 x 4 convolutions of stride 2; tanh.

    Each layer of the decoder also sees the layer of the encoder that has its size.
    Channels are `width`, twice that, and so on up to 8 times. All but the outermost
    and, on the way down, the innermost layer are normalised; dropout is G's noise.

    depth: halvings; as many as the sides of the image allow if None: of 128 x 128, 7
    """

    shape: tuple[int, ...]
    width: Count = 64
    depth: Count | None = None
    dropout: Fraction = 0.5

    @nn.compact
    def __call__(self, x, *, train=False):
        depth = self._depth()
        if x.ndim != 4:
            raise UsageError(f"pix2pix translates images, not {x.shape[1:]}")
        _require_halves(x.shape[1:], depth)
        channels = [min(2**i, _WIDEST) * self.width for i in range(depth)]
        half = functools.partial(layers.Conv, kernel=4, stride=2, kernel_init=_normal)
        double = functools.partial(
            layers.ConvTranspose, kernel=4, stride=2, kernel_init=_normal
        )
        h, seen = half(channels[0])(x), []
        for i in range(1, depth):
            seen.append(h)
            h = nn.leaky_relu(h, 0.2)
            inner = i == depth - 1
            h = half(channels[i], use_bias=inner)(h)
            h = h if inner else norm(h)
        for i in reversed(range(1, depth)):
            h = norm(double(channels[i - 1], use_bias=False)(nn.relu(h)))
            if i >= depth - _DROPPED:
                h = nn.Dropout(self.dropout, deterministic=not train)(h)
            h = jnp.concatenate([h, seen.pop()], -1)
        return nn.tanh(double(self.shape[-1])(nn.relu(h)))

    def _depth(self):
        most = _halvings(self.shape)
        if self.depth is not None and self.depth > most:
            raise UsageError(
                f"depth={self.depth}, but images of {self.shape[0]} x {self.shape[1]} "
                f"pixels can be halved {most} times"
            )
        return self.depth or most


def _halvings(shape):
    """How often both sides of an image can be halved; UsageError if they cannot."""
    if len(shape) != 3 or shape[0] % 2 or shape[1] % 2:
        raise UsageError(
            "pix2pix translates images (height, width, channels) with even height and "
            f"width, not {tuple(shape)}"
        )
    both = math.gcd(*shape[:2])
    return (both & -both).bit_length() - 1


def _require_halves(shape, depth):
    if shape[0] % 2**depth or shape[1] % 2**depth:
        raise UsageError(
            f"pix2pix with {depth} halvings translates images whose height and width "
            f"divide by {2**depth}, not {shape[0]} x {shape[1]}"
        )


class Discriminator(nn.Module):
    """A PatchGAN: scores [n, h, w], each of a patch of the image and of its input.

    4 x 4 convolutions, `layers` of them of stride 2, leaky ReLU of slope 0.2, norms in
    all but the first and the last; `width` channels at first, up to 8 times as many.

    layers: 0 judges single pixels, 1 patches of 16 x 16, 3 of 70 x 70, 5 of 286 x 286
    """

    width: Count = 64
    layers: CountOrZero = 3

    @nn.compact
    def __call__(self, x, input=None, *, train=False):
        h = x if input is None else jnp.concatenate([input, x], -1)
        if h.ndim != 4:
            raise UsageError(f"pix2pix judges images, not examples of {x.shape[1:]}")
        smallest = min(h.shape[1:3]) >> self.layers
        if smallest < 3 and self.layers:
            raise UsageError(
                f"a PatchGAN of {self.layers} layers judges images from "
                f"{3 << self.layers} pixels, not {h.shape[1]} x {h.shape[2]}; "
                "--config.discriminator.layers"
            )
        kernel, padding = (4, 1) if self.layers else (1, 0)
        conv = functools.partial(
            layers.Conv, kernel=kernel, padding=padding, kernel_init=_normal
        )
        h = nn.leaky_relu(conv(self.width, stride=min(2, 1 + self.layers))(h), 0.2)
        for i in range(1, max(self.layers, 1) + 1):
            features = min(2**i, _WIDEST) * self.width
            stride = 2 if i < self.layers else 1
            h = norm(conv(features, stride=stride, use_bias=False)(h))
            h = nn.leaky_relu(h, 0.2)
        return conv(1)(h)[..., 0]
