"""Dense layers and convolutions, each a kernel and a bias.

A layer's `weight` says what its kernel is made of: a function (layer, parameter) ->
kernel of `weights.py`. It may know better than the layer where the parameter starts
(`kernel_init`), and by how much a bias's changes count (`bias_rate`).
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from gan_jax.layers.convolution import Window, to_features, to_image
from gan_jax.layers.weights import plain


def kernel_of(layer: nn.Module, shape):
    """The kernel of `shape` of a layer that has a `weight` and a `kernel_init`."""
    start = getattr(layer.weight, "kernel_init", layer.kernel_init)
    return layer.weight(layer, layer.param("kernel", start, shape))


def bias_of(layer: nn.Module, shape, init=nn.initializers.zeros):
    """The bias of `shape` of a layer that has a `weight`; `init` is of the bias."""
    rate = getattr(layer.weight, "bias_rate", 1.0)
    return rate * layer.param("bias", lambda *how: init(*how) / rate, shape)


def add_bias(y, bias):
    """y + bias in the type of y, by way of float32: so is the bias's gradient summed.

    y is [n, ..]; a bias of fewer axes is one for each of y's last ones.
    """
    bias = jnp.expand_dims(bias.astype(jnp.float32), range(y.ndim - bias.ndim))
    return (y + bias).astype(y.dtype)


class Dense(nn.Module):
    """`nn.Dense`."""

    features: int
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros
    weight: Callable[[nn.Module, Any], Any] = plain
    unit_axis = -1  # of the kernel

    @nn.compact
    def __call__(self, x):
        y = x @ kernel_of(self, (x.shape[-1], self.features))
        if self.use_bias:
            y = add_bias(y, bias_of(self, y.shape[-1:], self.bias_init))
        return y


class Conv(nn.Module):
    """`nn.Conv` with a square kernel; `padding` is "SAME" or a number of zeros."""

    features: int
    kernel: int
    stride: int = 1
    padding: int | str = "SAME"
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    weight: Callable[[nn.Module, Any], Any] = plain
    unit_axis = -1

    @nn.compact
    def __call__(self, x):
        window = Window.over(x.shape[1:3], self.kernel, self.stride, self.padding)
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        y = to_features(x, kernel_of(self, shape).astype(x.dtype), window)
        return add_bias(y, bias_of(self, y.shape[-1:])) if self.use_bias else y


class ConvTranspose(nn.Module):
    """`nn.ConvTranspose(transpose_kernel=True)` with a square kernel.

    The kernel [kh, kw, outputs, inputs] is that of the convolution it is the transpose
    of. Padding "SAME" multiplies height and width by the stride; p zeros make them
    stride * (size - 1) + kernel - 2 p + output_padding, which says what of several
    sizes the convolution came from. A bias is tied, one a channel, or `untied`, one for
    every pixel of every channel.
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int | str = "SAME"
    output_padding: int = 0
    use_bias: bool = True
    untied: bool = False
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal(-1, -2)
    weight: Callable[[nn.Module, Any], Any] = plain
    unit_axis = -2

    @nn.compact
    def __call__(self, y):
        same = self.padding == "SAME"
        extra = 0 if same else self.kernel - 2 * self.padding - self.stride
        extra += self.output_padding
        image = [self.stride * places + extra for places in y.shape[1:3]]
        window = Window.over(image, self.kernel, self.stride, self.padding)
        shape = (self.kernel, self.kernel, self.features, y.shape[-1])
        x = to_image(y, kernel_of(self, shape), window)
        if self.use_bias:
            x = add_bias(x, bias_of(self, x.shape[1 if self.untied else -1 :]))
        return x
