"""Images [n, h, w, c] blurred, at twice and at half the size, without parameters.

All are linear: gradients of every order come from jax.
"""

import jax.numpy as jnp
from jax import lax


def upsample(x):
    """Twice the size by nearest neighbour: each pixel becomes 2 x 2."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def _neighbours(x, axis):
    """The pixels before and after each along `axis`; zeros beyond the edges."""
    size = x.shape[axis]
    pads = [(1, 1) if i == axis else (0, 0) for i in range(x.ndim)]
    padded = jnp.pad(x, pads)
    return (lax.slice_in_dim(padded, i, i + size, axis=axis) for i in (0, 2))


def upsample_smooth(x):
    """Twice the size by the filter [1, 3, 3, 1] / 4 along each axis.

    A pixel becomes two, which lie a quarter on either side of it and are interpolated;
    beyond the edges are zeros (R3GAN's `InterpolativeUpsampler` of [1, 2, 1]).
    """
    for axis in (1, 2):
        before, after = _neighbours(x, axis)
        pairs = jnp.stack([3 * x + before, 3 * x + after], axis + 1) / 4
        x = pairs.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])
    return x


def downsample_smooth(x):
    """Half the size, for even sizes, by the filter [1, 3, 3, 1] / 8 along each axis.

    A quarter of the transpose of `upsample_smooth`.
    """
    for axis in (1, 2):
        pairs = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
        first, second = (
            lax.index_in_dim(pairs, i, axis + 1, keepdims=False) for i in (0, 1)
        )
        before, _ = _neighbours(second, axis)
        _, after = _neighbours(first, axis)
        x = (3 * (first + second) + before + after) / 8
    return x


def blur(x, padding, gain=1.0):
    """The filter [1, 3, 3, 1] / 8 along each axis, times `gain` in all.

    Of n pixels and as many zeros beyond either edge as `padding` says, (before, after),
    it leaves n + before + after - 3. It comes after a convolution that doubles the size
    and before one that halves it: with that convolution's stride these are
    `upsample_smooth` and `downsample_smooth` beside it, but for a quarter of the
    products (`upfirdn2d` in github.com/NVlabs/stylegan2).
    """
    for axis in (1, 2):
        pads = [padding if i == axis else (0, 0) for i in range(x.ndim)]
        x = jnp.pad(x, pads)
        size = x.shape[axis] - 3
        a, b, c, d = (lax.slice_in_dim(x, i, i + size, axis=axis) for i in range(4))
        x = (a + d + 3 * (b + c)) * (gain**0.5 / 8)
    return x


def smooth(x):
    """The same size, by the filter [1, 2, 1] / 4 along each axis; zeros beyond it."""
    for axis in (1, 2):
        before, after = _neighbours(x, axis)
        x = (before + 2 * x + after) / 4
    return x
