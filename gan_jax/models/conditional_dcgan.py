"""A conditional DCGAN for MNIST (`mnist/train_cond_dcgan.py` of Newmu/dcgan_code).

By the authors of DCGAN (Radford et al. 2016, arXiv:1511.06434): every layer of both
networks sees the label, as further inputs or further channels. z from U(-1, 1)^100,
pixels in [0, 1]. Weights start from N(0, 0.02); there are no biases, and batch norm
learns no scale and no shift.
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError

_KERNEL = 5

_normal = nn.initializers.normal(0.02)
_dense = functools.partial(layers.Dense, use_bias=False, kernel_init=_normal)


def _check(shape):
    if len(shape) != 3 or shape[0] % 4 or shape[1] % 4:
        raise UsageError(
            "conditional_dcgan takes images (height, width, channels) with height and "
            f"width divisible by 4, not {tuple(shape)}"
        )


def _norm(h, train):
    return layers.BatchNorm(use_scale=False, use_bias=False)(h, train)


class Generator(nn.Module):
    """Two dense layers, two transposed convolutions; batch norm, ReLU; sigmoid.

    `width` is the channel count next to the image: 64 makes dense layers of 16 * 64
    and of h/4 * w/4 * 2 * 64 units.
    """

    shape: tuple[int, ...]
    classes: int
    width: Count = 64

    @nn.compact
    def __call__(self, z, y, *, train=False):
        _check(self.shape)
        height, width, channels = self.shape
        join = functools.partial(layers.join, y=y, classes=self.classes)
        double = functools.partial(
            layers.ConvTranspose,
            kernel=_KERNEL,
            stride=2,
            use_bias=False,
            kernel_init=_normal,
        )

        def activate(h):
            return nn.relu(_norm(h, train))

        h = activate(_dense(16 * self.width)(join(z)))
        h = activate(_dense(height // 4 * (width // 4) * 2 * self.width)(join(h)))
        h = h.reshape(len(z), height // 4, width // 4, -1)
        h = activate(double(self.width)(join(h)))
        return nn.sigmoid(double(channels)(join(h)))


class Discriminator(nn.Module):
    """Two convolutions of stride 2, a dense layer, leaky ReLU of slope 0.2; one score.

    `width` is the channel count of the first convolution; the second has twice, the
    dense layer 16 times as many. Batch norm in the second and the third layer.
    """

    classes: int
    width: Count = 64

    @nn.compact
    def __call__(self, x, y, *, train=False):
        _check(x.shape[1:])
        join = functools.partial(layers.join, y=y, classes=self.classes)
        half = functools.partial(
            layers.Conv, kernel=_KERNEL, stride=2, use_bias=False, kernel_init=_normal
        )

        def activate(h):
            return nn.leaky_relu(h, 0.2)

        h = activate(half(self.width)(join(x)))
        h = activate(_norm(half(2 * self.width)(join(h)), train))
        h = _dense(16 * self.width)(join(h.reshape(len(h), -1)))
        h = activate(_norm(h, train))
        return _dense(1)(join(h))[:, 0]
