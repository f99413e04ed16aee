"""Matrices [n, 4, 4] of colours (red, green, blue, 1), and images seen through them.

The luma of a colour is its part along (1, 1, 1); what lies across is its chroma.
"""

import jax.numpy as jnp
import numpy as np

from gan_jax.errors import UsageError

_ALONG = np.full((3, 3), 1 / 3, np.float32)
_ACROSS = np.eye(3, dtype=np.float32) - _ALONG
# across and turned by a right angle
_AROUND = np.float32([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(np.float32(3))


def brightness(amount):
    """The same added to all channels."""
    offset = jnp.repeat(amount[:, None, None], 3, axis=1)
    return _matrix(jnp.repeat(jnp.eye(3)[None], len(amount), axis=0), offset)


def contrast(factor):
    """Colours times a factor."""
    return _linear(factor, factor, 0 * factor)


def luma(factor):
    """Luma times a factor, of -1 light for dark; chroma as it is."""
    one = jnp.ones_like(factor)
    return _linear(factor, one, 0 * one)


def hue(angle):
    """Chroma turned by an angle in radians; luma as it is."""
    return _linear(jnp.ones_like(angle), jnp.cos(angle), jnp.sin(angle))


def saturation(factor):
    """Chroma times a factor; luma as it is."""
    one = jnp.ones_like(factor)
    return _linear(one, factor, 0 * one)


def _linear(*factors):
    """What is along, across and around luma, times factors [n]."""
    parts = zip(factors, (_ALONG, _ACROSS, _AROUND), strict=True)
    return _matrix(sum(factor[:, None, None] * part[None] for factor, part in parts))


def _matrix(linear, offset=None):
    """[n, 4, 4] of a linear part [n, 3, 3] and an offset [n, 3, 1]."""
    offset = jnp.zeros_like(linear[:, :, :1]) if offset is None else offset
    last = jnp.zeros_like(linear[:, :1]), jnp.ones_like(offset[:, :1])
    return jnp.block([[linear, offset], list(last)])


def recoloured(x, C):
    """Images [n, h, w, c] with the colour of every pixel taken to C times it.

    Grey ones, c = 1, become the mean of the three channels that grey becomes. Raises
    UsageError for other images than of 1 or 3 channels.
    """
    linear, offset = C[:, :3, :3], C[:, :3, 3]
    if x.shape[-1] == 1:
        linear = jnp.mean(jnp.sum(linear, 2), 1)[:, None, None]
        offset = jnp.mean(offset, 1)[:, None]
    elif x.shape[-1] != 3:
        raise UsageError(
            f"colours are changed of images of 1 or 3 channels, not of {x.shape[-1]}; "
            "leave color out of augmentation.pipe"
        )
    return jnp.einsum("nhwc,ndc->nhwd", x, linear) + offset[:, None, None]
