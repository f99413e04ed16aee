"""Convolution whose input channels a style scales (Karras et al. 2020, section 2.2)."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gan_jax.layers.affine import Dense, kernel_of
from gan_jax.layers.convolution import Window, to_features, to_image
from gan_jax.layers.norms import spread
from gan_jax.layers.resampling import blur
from gan_jax.layers.weights import equalised


def modulated(x, kernel, style, demodulate=True, up=False):
    """Images [n, h, w, i] through `kernel` [k, k, i, o], times style [n, i] of each.

    The kernel of an example is style_i kernel_kio; demodulated, over the root of the
    sum of its squares for each output, eqs. 1 and 3, so that of independent inputs of
    variance 1 come outputs of variance 1.

    up: at twice the size, smoothly: k is 3
    """
    # A kernel for each example would be a convolution in as many groups, which a CPU is
    # slow at. The same comes of one kernel for all, of images scaled before and after
    # it, and that is the form in training in the authors' code, too.
    wide, style = kernel.astype(jnp.float32), style.astype(jnp.float32)
    y = (x * spread(style, x, 0, 3)).astype(x.dtype)
    image, kernel = x.shape[1:3], kernel.astype(x.dtype)
    if up:
        window = Window.over([2 * places + 1 for places in image], 3, 2, 0)
        y = to_image(y, jnp.swapaxes(kernel, 2, 3), window)
        y = blur(y, (1, 1), gain=4.0)
    else:
        y = to_features(y, kernel, Window.over(image, len(kernel), 1, "SAME"))
    if demodulate:
        squares = jnp.square(style) @ jnp.sum(jnp.square(wide), (0, 1))
        y = (y * spread(lax.rsqrt(squares + 1e-8), y, 0, 3)).astype(x.dtype)
    return y


class ModulatedConv(nn.Module):
    """`modulated`, of a learned kernel and of a style that is affine in w [n, dim].

    A style starts near 1. The learning rate is equalised.
    """

    features: int
    kernel: int = 3
    up: bool = False
    demodulate: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.normal(1.0)
    weight: Callable[[nn.Module, Any], Any] = equalised()
    unit_axis = -1  # of the kernel

    @nn.compact
    def __call__(self, x, w):
        ones = nn.initializers.ones
        style = Dense(x.shape[-1], bias_init=ones, weight=equalised())(w)
        kernel = kernel_of(self, (self.kernel, self.kernel, x.shape[-1], self.features))
        return modulated(x, kernel, style, self.demodulate, self.up)
