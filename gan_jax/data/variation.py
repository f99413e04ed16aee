"""Images moved at random, as training sees them: pure functions of [..., h, w, c]."""

import jax
import jax.numpy as jnp
import numpy as np


def mirror(x, mirrored):
    """Images of which some, mirrored [...], are turned left to right."""
    return jnp.where(mirrored[..., None, None, None], x[..., ::-1, :], x)


def jitter(x, pixels: int, key):
    """Images enlarged by `pixels` of their shorter side, and cut to size again.

    Enlarged by linear interpolation, cut at a place of its own in each image, evenly
    drawn; the same places for all images that come with this key.
    """
    height, width, channels = x.shape[-3:]
    shorter = min(height, width)
    larger = [side + round(side * pixels / shorter) for side in (height, width)]
    flat = x.reshape(-1, height, width, channels).astype(jnp.float32)
    flat = jax.image.resize(flat, (len(flat), *larger, channels), "linear")
    keys, room = jax.random.split(key), np.subtract(larger, (height, width))
    tops, lefts = (
        jax.random.randint(key, (len(flat),), 0, most + 1)
        for key, most in zip(keys, room, strict=True)
    )

    def cut(image, top, left):
        return jax.lax.dynamic_slice(image, (top, left, 0), (height, width, channels))

    return jax.vmap(cut)(flat, tops, lefts).reshape(x.shape)
