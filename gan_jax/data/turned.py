"""Images turned by 90 degrees and inverted: a second set whose true way back is known.

For CycleGAN, which is never told: where it makes the upright image of a turned one, or
of which, can be measured.
"""

import numpy as np

from gan_jax.data import tfds
from gan_jax.data.source import Source


def load(*, builder: str = "mnist", split: str = "train") -> Source:
    """The images of a TFDS data set, counter-clockwise by 90 degrees, dark for bright.

    Each with what it was made of, as `input`. `builder` and `split` are those of the
    source `tfds`.
    """
    source = tfds.load(builder=builder, split=split)
    turned = np.ascontiguousarray(255 - np.rot90(source.x, axes=(1, 2)))
    return source._replace(x=turned, input=source.x)
