"""What DiffAugment draws (Zhao et al. 2020, arXiv:2006.10738), always and for all.

Its functions and settings are those of mit-han-lab/data-efficient-gans. Each takes two
even draws [2, n] from [0, 1) and images [n, h, w, c].
"""

import jax
import jax.numpy as jnp

from gan_jax.transforms import plain


def augmented(key, x, parts):
    """Images [n, h, w, c] after these parts of `PARTS`, in their order."""
    changes = [change for part in parts for change in PARTS[part]]
    # at once, since each generator in a program takes long to compile
    even = jax.random.uniform(key, (len(changes), 2, len(x)))
    for change, draws in zip(changes, even, strict=True):
        x = change(draws, x)
    return x


def brightness(even, x):
    """Up to 1/2 more or less."""
    return plain.brightness(x, even[0] - 0.5)


def saturation(even, x):
    """Between none and twice what it was."""
    return plain.saturation(x, 2 * even[0])


def contrast(even, x):
    """Between half and three halves of what it was."""
    return plain.contrast(x, even[0] + 0.5)


def translation(even, x):
    """By up to an eighth of the image along each axis, as the nearest integer."""
    rows, columns = most = tuple((size + 4) // 8 for size in x.shape[1:3])
    down = _integer(even[0], 2 * rows + 1) - rows
    right = _integer(even[1], 2 * columns + 1) - columns
    return plain.translation(x, down, right, most)


def cutout(even, x):
    """Half of the image along each axis, less where that reaches beyond its edges."""
    size = tuple((size + 1) // 2 for size in x.shape[1:3])
    top, left = (
        _integer(draw, whole + 1 - part % 2) - part // 2
        for draw, whole, part in zip(even, x.shape[1:3], size, strict=True)
    )
    return plain.cutout(x, top, left, size)


PARTS = {
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
}


def _integer(even, n):
    """From 0 to n - 1."""
    return jnp.floor(even * n).astype(jnp.int32)
