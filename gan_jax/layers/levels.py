"""Images that grow: levels of detail, each of twice the size of the one before.

Level i has 4 * 2^i pixels a side. A network that grows makes, or sees, images of its
full size all the time, at low levels with pixels repeated; how far it has come is a
real number: at 2.3 three tenths of level 3 have faded in over level 2 (Karras et al.
2018, arXiv:1710.10196, section 2 and figure 2).
"""

import jax.numpy as jnp

from gan_jax.errors import UsageError
from gan_jax.layers.pooling import mean_pool
from gan_jax.layers.resampling import upsample


def level_of(shape) -> int:
    """The level of images (size, size, channels).

    Raises UsageError unless they are square and of 4, 8, 16, .. pixels.
    """
    size = shape[0]
    if len(shape) != 3 or shape[1] != size or size < 4 or size & (size - 1):
        raise UsageError(
            "what grows are square images of 4, 8, 16, 32, .. pixels, shape (size, "
            f"size, channels), not {tuple(shape)}; data.size or data.pad may help"
        )
    return size.bit_length() - 3


def mix(low, high, level, i):
    """Images or features at a level, of those of level i - 1 and of level i.

    Exactly `low` up to level i - 1, exactly `high` from level i on.
    """
    share = jnp.clip(jnp.asarray(level - (i - 1), jnp.float32), 0.0, 1.0)
    return ((1 - share) * low + share * high).astype(high.dtype)


def shrunk(x, times):
    """Images of half the size, so many times: means of 2 x 2 pixels.

    Repeated pixels come out as they were, to the bit.
    """
    for _ in range(times):
        x = mean_pool(x, 2, 2)
    return x


def enlarged(x, times):
    """Images of twice the size, so many times: every pixel becomes 2 x 2."""
    for _ in range(times):
        x = upsample(x)
    return x


def seen_at(x, level, i):
    """Images [n, h, w, c] with no more detail than at a level between i - 1 and i.

    As real images are shown in training: faded like made ones, and of their own size.
    """
    times = level_of(x.shape[1:]) - i
    high = shrunk(x, times)
    low = enlarged(shrunk(high, 1), 1) if i else high
    return enlarged(mix(low, high, level, i), times)
