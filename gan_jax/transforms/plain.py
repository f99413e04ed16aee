"""Changes of images [n, h, w, c] by amounts [n]."""

import jax
import jax.numpy as jnp


def brightness(x, amount):
    """The same added to all numbers of an image."""
    return x + _each(amount)


def saturation(x, factor):
    """Channels moved away from their mean at each pixel; by factor 0 all are grey."""
    return _about(jnp.mean(x, -1, keepdims=True), x, factor)


def contrast(x, factor):
    """All numbers moved away from their mean; by factor 0 there is nothing to see."""
    return _about(jnp.mean(x, (1, 2, 3), keepdims=True), x, factor)


def _about(mean, x, factor):
    return (x - mean) * _each(factor) + mean


def _each(amount):
    return amount[:, None, None, None]


def translation(x, down, right, most):
    """Moved by whole pixels; zeros come in.

    down, right: integers [n]
    most:        (rows, columns) that none of them is beyond
    """
    rows, columns = most
    wide = jnp.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))

    def window(image, down, right):
        start = rows - down, columns - right, 0
        return jax.lax.dynamic_slice(image, start, x.shape[1:])

    return jax.vmap(window)(wide, down, right)


def cutout(x, top, left, size):
    """Zeros in the rows from `top` [n] and the columns from `left` [n] on.

    size: (rows, columns); what of them lies outside of the image is cut off
    """
    rows = _within(x.shape[1], top, size[0])[:, :, None]
    columns = _within(x.shape[2], left, size[1])[:, None]
    return jnp.where((rows & columns)[..., None], 0.0, x)


def _within(places, start, size):
    """[n, places]: which of them are less than `size` after `start`."""
    after = jnp.arange(places)[None] - start[:, None]
    return (after >= 0) & (after < size)
