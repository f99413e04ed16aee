"""Convolution in groups: each group of output channels sees its group of inputs.

As in `convolution.py`, a convolution is one trilinear form of image, kernel and
features, and three functions closed under reverse-mode differentiation compute it and
its derivatives. On CPU each is a few plain convolutions, one a group, or, where groups
are many, one for some neighbours with zeros between them: XLA's own form, the best for
other devices, is twenty times slower there in the derivatives of a gradient penalty.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.layers import convolution
from gan_jax.layers.affine import add_bias, bias_of, kernel_of
from gan_jax.layers.convolution import Window
from gan_jax.layers.weights import plain

_MOST_PIECES = 4


def _convolve(x, w, window, groups):
    return lax.conv_general_dilated(
        x,
        w,
        (window.stride,) * 2,
        window.padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        precision=window.precision,
    )


def _pieces(groups):
    """The number of plain convolutions, of as many groups each."""
    return max(n for n in range(1, _MOST_PIECES + 1) if groups % n == 0)


def _dense(w, groups):
    """The kernel [kh, kw, i, o] of groups as that of pieces: zeros between groups."""
    pieces = _pieces(groups)
    each = groups // pieces
    by_group = w.reshape(*w.shape[:2], 1, w.shape[2], pieces, each, -1)
    own = jnp.eye(each, dtype=w.dtype).reshape(1, 1, each, 1, 1, each, 1)
    return (by_group * own).reshape(*w.shape[:2], -1, w.shape[-1])


def _blocks(w, groups):
    """The transpose of `_dense`: the kernel of groups out of that of pieces."""
    pieces = _pieces(groups)
    each = groups // pieces
    by_group = w.reshape(*w.shape[:2], each, w.shape[2] // each, pieces, each, -1)
    own = jnp.einsum("hwgipgo->hwipgo", by_group)
    return own.reshape(*own.shape[:3], w.shape[-1])


def _by_piece(form, a, b, window, groups):
    """A function of `convolution.py` of each piece, of channels in the last axis."""
    parts = zip(*(jnp.split(x, _pieces(groups), -1) for x in (a, b)), strict=True)
    return jnp.concatenate([form(*part, window) for part in parts], -1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def to_features(x, w, window, groups):
    """Images [n, h, w, i], kernel [kh, kw, i / groups, o] -> features [.., o]."""
    whole = functools.partial(_convolve, window=window, groups=groups)

    def pieces(x, w):
        w = _dense(w, groups)
        return _by_piece(convolution.to_features, x, w, window, groups)

    return lax.platform_dependent(x, w, cpu=pieces, default=whole)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def to_image(y, w, window, groups):
    """Transposed convolution: features and kernel, as above -> images [n, h, w, i]."""

    def whole(y, w):
        shape = (len(y), *window.image, w.shape[2] * groups)
        x = jax.ShapeDtypeStruct(shape, y.dtype)
        convolve = functools.partial(_convolve, w=w, window=window, groups=groups)
        return jax.linear_transpose(convolve, x)(y)[0]

    def pieces(y, w):
        w = _dense(w, groups)
        return _by_piece(convolution.to_image, y, w, window, groups)

    return lax.platform_dependent(y, w, cpu=pieces, default=whole)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def to_kernel(x, y, window, groups):
    """The kernel's gradient: images and features, as above -> [kh, kw, i, o]."""

    def whole(x, y):
        shape = (window.kernel,) * 2 + (x.shape[-1] // groups, y.shape[-1])
        w = jax.ShapeDtypeStruct(shape, x.dtype)
        convolve = functools.partial(_convolve, x, window=window, groups=groups)
        return jax.linear_transpose(convolve, w)(y)[0]

    def pieces(x, y):
        w = _by_piece(convolution.to_kernel, x, y, window, groups)
        return _blocks(w, groups)

    return lax.platform_dependent(x, y, cpu=pieces, default=whole)


to_features.defvjp(
    lambda x, w, *how: (to_features(x, w, *how), (x, w)),
    lambda window, groups, xw, y: (
        to_image(y, xw[1], window, groups),
        to_kernel(xw[0], y, window, groups),
    ),
)
to_image.defvjp(
    lambda y, w, *how: (to_image(y, w, *how), (y, w)),
    lambda window, groups, yw, x: (
        to_features(x, yw[1], window, groups),
        to_kernel(x, yw[0], window, groups),
    ),
)
to_kernel.defvjp(
    lambda x, y, *how: (to_kernel(x, y, *how), (x, y)),
    lambda window, groups, xy, w: (
        to_image(xy[1], w, window, groups),
        to_features(xy[0], w, window, groups),
    ),
)


class GroupedConv(nn.Module):
    """`layers.Conv` in `groups`: `nn.Conv` with feature_group_count.

    Raises UsageError where inputs or features do not divide into the groups.
    """

    features: int
    kernel: int
    groups: int
    stride: int = 1
    padding: int | str = "SAME"
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    weight: Callable[[nn.Module, Any], Any] = plain
    unit_axis = -1  # of the kernel

    @nn.compact
    def __call__(self, x):
        channels = x.shape[-1]
        if channels % self.groups or self.features % self.groups:
            raise UsageError(
                f"a convolution of {channels} channels to {self.features} does not "
                f"divide into {self.groups} groups"
            )
        window = Window.over(x.shape[1:3], self.kernel, self.stride, self.padding)
        shape = (self.kernel, self.kernel, channels // self.groups, self.features)
        y = to_features(x, kernel_of(self, shape), window, self.groups)
        return add_bias(y, bias_of(self, y.shape[-1:])) if self.use_bias else y
