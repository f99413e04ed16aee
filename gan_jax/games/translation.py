"""What games share whose G makes images of images."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np


def in_threes(*parts: Callable) -> Callable:
    """The `inputs` of a `Picture` that shows three images of each example in a row.

    parts: batch -> x [n, h, w, c]; the inputs are a tuple of them, [rows, examples a
           row, h, w, c]
    """

    def inputs(key, batch, rows, columns):
        in_a_row = max(1, columns // 3)
        chosen = np.linspace(0, rows * columns - 1, rows * in_a_row).astype(int)
        some = (part(batch)[chosen] for part in parts)
        return tuple(x.reshape(rows, in_a_row, *x.shape[1:]) for x in some)

    return inputs


def on_grid(function: Callable, x):
    """function(images [n, h, w, c]), of images in rows: [rows, examples, h, w, c]."""
    made = function(x.reshape(-1, *x.shape[2:]))
    return made.reshape(*x.shape[:2], *made.shape[1:])


def side_by_side(*images, channels: int):
    """The images [rows, n, h, w, c] of each example beside each other, row by row.

    Greys among colours are drawn as such, colours among greys by their mean.
    """

    def alike(x):
        if x.shape[-1] == channels:
            return x
        return jnp.mean(x, -1, keepdims=True).repeat(channels, -1)

    stacked = jnp.stack([alike(x) for x in images], 2)
    return stacked.reshape(-1, *stacked.shape[3:])
