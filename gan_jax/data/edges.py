"""Images as their outlines: the second domain of CoGAN's digits and edges.

Coupled GANs (Liu and Tuzel 2016, arXiv:1606.07536). The authors' code,
github.com/mingyuliutw/CoGAN, makes the edges of MNIST as here, by a 3 x 3 dilation less
the image, of one half of the 60,000 digits; the first domain is the other half, so that
no digit comes with its own edges. Ranges of `split` that are apart do the same.
"""

from gan_jax.data import tfds
from gan_jax.data.inputs import outlines
from gan_jax.data.source import Source


def load(*, builder: str = "mnist", split: str = "train") -> Source:
    """The outlines of the images of a TFDS data set, uint8, with the images' labels.

    `builder` and `split` are those of the source `tfds`.
    """
    source = tfds.load(builder=builder, split=split)
    return source._replace(x=outlines(source.x))
