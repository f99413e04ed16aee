"""Scikit-learn's 1,797 handwritten digits of 8x8 pixels: real data, no download."""

import numpy as np

from gan_jax.data.source import Source, select, split_name


def load(*, split: str = "train") -> Source:
    """The digits 0 to 9, [n, 8, 8, 1]; their 17 grey levels spread over 0..255."""
    split_name(split)
    from sklearn.datasets import load_digits  # imported here: it takes a second

    digits = load_digits()
    x = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    y = digits.target.astype(np.int32)
    return select(Source(x, y, tuple("0123456789")), split)
