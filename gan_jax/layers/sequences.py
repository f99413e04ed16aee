"""Convolution along a line: of text, of signals, x [n, length, channels].

It is lax's own, with derivatives of every order, forward mode too. Without strides none
of these is slower on CPU than the matrix products of what the kernel covers would be.
Strides would make a gradient penalty several times slower than need be; `in_pairs` and
`out_of_pairs` are there in their place.
"""

from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn
from jax import lax

from gan_jax.layers.affine import add_bias, bias_of, kernel_of
from gan_jax.layers.weights import plain


class Conv1d(nn.Module):
    """`nn.Conv` along a line: kernel [kernel, inputs, features], padding "SAME"."""

    features: int
    kernel: int
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    weight: Callable[[nn.Module, Any], Any] = plain
    unit_axis = -1

    @nn.compact
    def __call__(self, x):
        y = lax.conv_general_dilated(
            x,
            kernel_of(self, (self.kernel, x.shape[-1], self.features)),
            window_strides=(1,),
            padding="SAME",
            dimension_numbers=("NWC", "WIO", "NWC"),
            # of the moment: derivatives are traced later, when another one may hold
            precision=jax.config.jax_default_matmul_precision,
        )
        return add_bias(y, bias_of(self, y.shape[-1:])) if self.use_bias else y


def in_pairs(x):
    """Half the length and twice the channels: neighbours [n, 2 l, c] -> [n, l, 2 c].

    A convolution of k places that follows is one of 2 k places and stride 2.
    """
    return x.reshape(len(x), x.shape[1] // 2, 2 * x.shape[2])


def out_of_pairs(x):
    """Its way back, [n, l, 2 c] -> [n, 2 l, c]: after a convolution, its transpose."""
    return x.reshape(len(x), 2 * x.shape[1], x.shape[2] // 2)
