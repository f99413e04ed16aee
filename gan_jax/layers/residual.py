"""The residual block that WGAN-GP, SNGAN and those who followed them build from."""

import functools
import operator
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from flax import linen as nn

from gan_jax.errors import UsageError
from gan_jax.layers.affine import Conv
from gan_jax.layers.pooling import mean_pool
from gan_jax.layers.resampling import upsample
from gan_jax.layers.weights import plain

# Glorot's uniform law with the gain of ReLU, sqrt(2), and with gain 1
_relu_gain = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")
_glorot = nn.initializers.glorot_uniform()


def through(remat: bool) -> Callable:
    """(block, *inputs) -> block(*inputs), by which a network calls its blocks.

    remat: of each block keep the inputs alone for the gradient, and compute it anew in
           the backward pass (Chen et al. 2016, arXiv:1604.06174): memory for a third
           more operations. Values, gradients and parameters are the same. For
           accelerators: XLA on CPU finds that the two are alike, and keeps the first
    """

    def anew(block, *inputs):
        return nn.remat(type(block).__call__)(block, *inputs)

    return anew if remat else operator.call


class Residual(nn.Module):
    """x + two 3 x 3 convolutions, each after norm and ReLU (Gulrajani et al. 2017).

    The block doubles the size before the first convolution (nearest neighbour), or
    halves it after the second (2 x 2 mean), or keeps it. What changes size or channels
    has a 1 x 1 convolution in its shortcut.

    first: of a discriminator: the images themselves, no norm and ReLU before
    wide:  as many channels between the convolutions as after them, which is so anyway
           in a first block and in those that double the size
    norm:  h -> h normalised, its learned shift in place of the bias before it, or None
    kernel_init: of all kernels; None: Glorot's, with the gain of ReLU but for 1 x 1
    """

    features: int
    resample: Literal["up", "down"] | None = None
    first: bool = False
    wide: bool = False
    norm: Callable[[Any], Any] | None = None
    weight: Callable[[nn.Module, Any], Any] = plain
    kernel_init: nn.initializers.Initializer | None = None

    @nn.compact
    def __call__(self, x):
        conv = functools.partial(Conv, weight=self.weight)
        init = self.kernel_init or _relu_gain
        wide = self.wide or self.first or self.resample == "up"
        inner = self.features if wide else x.shape[-1]

        def activate(h):
            return nn.relu(h if self.norm is None else self.norm(h))

        h = x if self.first else activate(x)
        h = upsample(h) if self.resample == "up" else h
        h = conv(inner, 3, use_bias=self.norm is None, kernel_init=init)(h)
        h = conv(self.features, 3, kernel_init=init)(activate(h))
        h = mean_pool(h, 2, 2) if self.resample == "down" else h
        if self.resample is None and x.shape[-1] == self.features:
            return x + h
        # of a 1 x 1 convolution and a resampling the order is free: at the smaller size
        x = mean_pool(x, 2, 2) if self.resample == "down" else x
        x = conv(self.features, 1, kernel_init=self.kernel_init or _glorot)(x)
        return h + (upsample(x) if self.resample == "up" else x)


class Plan(NamedTuple):
    """Channels of a pair of networks after the projection and after each block.

    In widths. places: of the projection, a side; down: how many of D's blocks halve the
    size
    """

    places: int
    generator: tuple[int, ...]
    discriminator: tuple[int, ...]
    down: int


def plan_of(network: str, plans: dict[int, Plan], shape) -> Plan:
    """The plan for images (size, size, channels), of those by their size.

    Raises UsageError for other images.
    """
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] not in plans:
        *most, last = map(str, plans)
        raise UsageError(
            f"{network} takes square images of {', '.join(most)} or {last} pixels, "
            f"shape (size, size, channels), not {tuple(shape)}"
        )
    return plans[shape[0]]
