"""Pooling of images, in forms that are fast on CPU in derivatives, too."""

import jax.numpy as jnp
from jax import lax

from gan_jax.layers.activations import maximum


def _pool(x, size, stride, combine):
    """Combines the pixels of each window, first in its rows, then in its columns."""
    for axis in (2, 1):
        last = x.shape[axis] - size  # where the last window may start
        x = combine(
            lax.slice_in_dim(x, i, last - last % stride + i + 1, stride, axis)
            for i in range(size)
        )
    return x


def max_pool(x, size, stride, ceil=False):
    """Max pooling of images [n, h, w, c].

    Windows stay inside the image, or, with `ceil`, the last ones reach beyond it when
    pixels would be left over, as in cuda-convnet. Of equal pixels the first in reading
    order gets the gradient, as in `nn.max_pool`.
    """
    if ceil:
        beyond = [(0, -(pixels - size) % stride) for pixels in x.shape[1:3]]
        x = jnp.pad(x, ((0, 0), *beyond, (0, 0)), constant_values=-jnp.inf)
    return _pool(x, size, stride, maximum)


def mean_pool(x, size, stride):
    """Mean pooling of images [n, h, w, c]; windows stay inside the image."""
    return _pool(x, size, stride, sum) / size**2
