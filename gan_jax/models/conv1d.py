"""A small convolutional pair for signals [length, channels], after DCGAN.

Convolutions of kernel 6 and stride 2 halve the length in D, their transposes double it
in G, both along the line (as three places of pairs, see `layers/sequences.py`).
"""

import functools
from typing import Literal

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, NotNegative
from gan_jax.errors import UsageError

_Norm = Literal["none", "batch", "layer"]


def _places(shape, depth):
    """The length at the far end from the signal."""
    if len(shape) != 2 or shape[0] % 2**depth:
        raise UsageError(
            f"conv1d of depth {depth} takes signals (length, channels) of a length "
            f"divisible by {2**depth}, not {tuple(shape)}"
        )
    return shape[0] // 2**depth


class Generator(nn.Module):
    """A dense layer, then `depth` layers that double the length; ReLU, `norm` before.

    `width` is the channel count next to the signal, and twice as much with each layer
    farther from it; `output` is the last layer's activation.
    """

    shape: tuple[int, ...]
    width: Count = 16
    depth: Count = 3
    norm: _Norm = "batch"
    output: Literal["tanh", "linear"] = "tanh"

    @nn.compact
    def __call__(self, z, *, train=False):
        places = _places(self.shape, self.depth)
        bias = not layers.shifts(self.norm)

        def activate(h):
            return nn.relu(layers.normalise(self.norm, h, train))

        features = 2 ** (self.depth - 1) * self.width
        h = layers.Dense(places * features, use_bias=bias)(z)
        h = activate(h).reshape(len(z), places, features)
        for _ in range(self.depth - 1):
            features //= 2
            h = layers.out_of_pairs(layers.Conv1d(2 * features, 3, use_bias=bias)(h))
            h = activate(h)
        x = layers.out_of_pairs(layers.Conv1d(2 * self.shape[-1], 3)(h))
        return layers.activation(self.output)(x)


class Discriminator(nn.Module):
    """`depth` layers that halve the length, from `width` channels up; one score.

    Leaky ReLU, `norm` before it but in the first layer.
    """

    width: Count = 16
    depth: Count = 3
    slope: NotNegative = 0.2
    norm: _Norm = "none"
    weight: layers.WeightName = "plain"

    @nn.compact
    def __call__(self, x, *, train=False):
        _places(x.shape[1:], self.depth)
        made_of = layers.weight(self.weight)
        conv = functools.partial(layers.Conv1d, kernel=3, weight=made_of)
        for i in range(self.depth):
            norm = self.norm if i > 0 else "none"
            bias = not layers.shifts(norm)
            x = conv(2**i * self.width, use_bias=bias)(layers.in_pairs(x))
            x = nn.leaky_relu(layers.normalise(norm, x, train), self.slope)
        return layers.Dense(1, weight=made_of)(x.reshape(len(x), -1))[:, 0]
