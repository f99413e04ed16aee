"""The Inception-v3 network by which FID and Inception scores are defined, in flax.

It is the graph that Google published on 2015-12-05 (Szegedy et al. 2016,
arXiv:1512.00567), which Heusel et al. (2017, arXiv:1706.08500) and Salimans et al.
(2016, arXiv:1606.03498) use. It differs from the Inception-v3 of common libraries:

    averages in the branches with pooling leave out the padding,
    the last of these branches, in Mixed_7c, takes the maximum instead,
    there are 1,008 classes, of which ImageNet's are 1,000.

The weights are not part of this package: see `convert_inception`. Layers are called as
in PyTorch's ports, so that the names of their weights are the same.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers

SIZE = 299
CLASSES = 1008


class Unit(nn.Module):
    """A convolution without bias, batch norm by running statistics, and ReLU."""

    features: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(
            self.features,
            self.kernel,
            self.stride,
            padding=self.padding,
            use_bias=False,
            name="conv",
        )(x)
        return nn.relu(layers.BatchNorm(epsilon=1e-3, name="bn")(x, train=False))


def _chain(x, name, *units):
    """Units one after the other, called name_1, name_2, .."""
    for i, unit in enumerate(units, 1):
        x = Unit(*unit, name=f"{name}_{i}")(x)
    return x


def _fork(x, name):
    """Two units beside each other, wide and tall."""
    wide = Unit(384, (1, 3), name=f"{name}a")(x)
    tall = Unit(384, (3, 1), name=f"{name}b")(x)
    return jnp.concatenate([wide, tall], -1)


def _mean(x):
    return nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)


def _halve(x):
    return nn.max_pool(x, (3, 3), (2, 2), "VALID")


class InceptionA(nn.Module):
    """35 x 35: kernels of 1, 5 and twice 3, and `pooled` channels of means."""

    pooled: int

    @nn.compact
    def __call__(self, x):
        three = (96, (3, 3))
        branches = (
            Unit(64, name="branch1x1")(x),
            _chain(x, "branch5x5", (48,), (64, (5, 5))),
            _chain(x, "branch3x3dbl", (64,), three, three),
            Unit(self.pooled, name="branch_pool")(_mean(x)),
        )
        return jnp.concatenate(branches, -1)


class InceptionB(nn.Module):
    """35 x 35 -> 17 x 17."""

    @nn.compact
    def __call__(self, x):
        half = ((3, 3), 2, "VALID")
        branches = (
            Unit(384, *half, name="branch3x3")(x),
            _chain(x, "branch3x3dbl", (64,), (96, (3, 3)), (96, *half)),
            _halve(x),
        )
        return jnp.concatenate(branches, -1)


class InceptionC(nn.Module):
    """17 x 17: kernels of 7, as pairs of a row and a column; `inner` channels."""

    inner: int

    @nn.compact
    def __call__(self, x):
        row, column = (1, 7), (7, 1)
        c = self.inner
        pairs = (c, column), (c, row), (c, column), (192, row)
        branches = (
            Unit(192, name="branch1x1")(x),
            _chain(x, "branch7x7", (c,), (c, row), (192, column)),
            _chain(x, "branch7x7dbl", (c,), *pairs),
            Unit(192, name="branch_pool")(_mean(x)),
        )
        return jnp.concatenate(branches, -1)


class InceptionD(nn.Module):
    """17 x 17 -> 8 x 8."""

    @nn.compact
    def __call__(self, x):
        half = ((3, 3), 2, "VALID")
        seven = (192, (1, 7)), (192, (7, 1))
        branches = (
            _chain(x, "branch3x3", (192,), (320, *half)),
            _chain(x, "branch7x7x3", (192,), *seven, (192, *half)),
            _halve(x),
        )
        return jnp.concatenate(branches, -1)


class InceptionE(nn.Module):
    """8 x 8: kernels of 3 as a row beside a column; means, or with `maximum` maxima."""

    maximum: bool = False

    @nn.compact
    def __call__(self, x):
        pooled = nn.max_pool(x, (3, 3), (1, 1), "SAME") if self.maximum else _mean(x)
        branches = (
            Unit(320, name="branch1x1")(x),
            _fork(_chain(x, "branch3x3", (384,)), "branch3x3_2"),
            _fork(_chain(x, "branch3x3dbl", (448,), (384, (3, 3))), "branch3x3dbl_3"),
            Unit(192, name="branch_pool")(pooled),
        )
        return jnp.concatenate(branches, -1)


def resize(x):
    """Images [n, h, w, c] of any size, 0 to 255, as float32 [n, 299, 299, c].

    Bilinear between the centres of pixels, and nothing is averaged when an image
    shrinks: as in pytorch-fid, PyTorch's port of FID. (The original interpolates
    between corners, and maps to [-1, 1) by x / 128 - 1.)
    """
    shape = (len(x), SIZE, SIZE, x.shape[-1])
    return jax.image.resize(x.astype(jnp.float32), shape, "bilinear", antialias=False)


class Inception(nn.Module):
    """uint8 images [n, h, w, 3] -> features [n, 2048], logits [n, 1008].

    Images are resized, then in [-1, 1]. The logits lack the last layer's bias, as they
    do in Inception scores.
    """

    @nn.compact
    def __call__(self, x, *, train=False):
        x = resize(x) / 127.5 - 1
        x = Unit(32, (3, 3), 2, "VALID", name="Conv2d_1a_3x3")(x)
        x = Unit(32, (3, 3), 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = Unit(64, (3, 3), name="Conv2d_2b_3x3")(x)
        x = _halve(x)
        x = Unit(80, name="Conv2d_3b_1x1")(x)
        x = Unit(192, (3, 3), 1, "VALID", name="Conv2d_4a_3x3")(x)
        x = _halve(x)
        x = InceptionA(32, name="Mixed_5b")(x)
        x = InceptionA(64, name="Mixed_5c")(x)
        x = InceptionA(64, name="Mixed_5d")(x)
        x = InceptionB(name="Mixed_6a")(x)
        x = InceptionC(128, name="Mixed_6b")(x)
        x = InceptionC(160, name="Mixed_6c")(x)
        x = InceptionC(160, name="Mixed_6d")(x)
        x = InceptionC(192, name="Mixed_6e")(x)
        x = InceptionD(name="Mixed_7a")(x)
        x = InceptionE(name="Mixed_7b")(x)
        x = InceptionE(maximum=True, name="Mixed_7c")(x)
        features = x.mean((1, 2))
        return features, layers.Dense(CLASSES, use_bias=False, name="fc")(features)
