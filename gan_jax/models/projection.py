"""A small pair with a projection discriminator (Miyato and Koyama 2018).

arXiv:1802.05637, in the convolutions of SNGAN: conditional batch norm in the generator,
spectral norm in every layer of the discriminator. For MNIST and other images whose
sides divide by 4, pixels in [-1, 1]. Weights start from N(0, 0.02).
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, CountOrZero
from gan_jax.errors import UsageError

_normal = nn.initializers.normal(0.02)


def _check(shape):
    if len(shape) != 3 or shape[0] % 4 or shape[1] % 4:
        raise UsageError(
            "projection takes images (height, width, channels) with height and width "
            f"divisible by 4, not {tuple(shape)}"
        )


class Generator(nn.Module):
    """A dense layer, two transposed convolutions; conditional batch norm, ReLU; tanh.

    `width` is the channel count at half of the image's size; the dense layer makes
    h/4 * w/4 places of twice as many.
    `deep`: each convolution that doubles the size comes before one that keeps it, as
    those that halve it do in D; half of `width` channels next to the image
    """

    shape: tuple[int, ...]
    classes: int
    width: Count = 64
    deep: bool = False

    @nn.compact
    def __call__(self, z, y, *, train=False):
        _check(self.shape)
        height, width, channels = self.shape
        places = height // 4, width // 4
        double = functools.partial(
            layers.ConvTranspose, kernel=4, stride=2, kernel_init=_normal
        )

        def activate(h):
            return nn.relu(layers.ConditionalBatchNorm(self.classes)(h, y, train))

        # batch norm takes away a bias of a channel, but not one of a place
        units = places[0] * places[1] * 2 * self.width
        h = layers.Dense(units, kernel_init=_normal)(z).reshape(len(z), *places, -1)
        h = double(self.width, use_bias=False)(activate(h))
        if not self.deep:
            return nn.tanh(double(channels)(activate(h)))
        keep = functools.partial(layers.Conv, kernel=3, kernel_init=_normal)
        h = keep(self.width, use_bias=False)(activate(h))
        h = double(max(1, self.width // 2), use_bias=False)(activate(h))
        return nn.tanh(keep(channels)(activate(h)))


class Discriminator(nn.Module):
    """Convolutions that halve the size, each before one that keeps it; a projection.

    `width` channels, then twice as many; leaky ReLU of slope 0.1.
    `weight` is that of every layer, the vectors of the classes among them.
    `group`: images of which D is told how much they differ (Karras et al. 2018); 1: not
    `units`: of a layer that reads all places; 0: what is read is the sum over them
    """

    classes: int
    width: Count = 64
    weight: layers.WeightName = "spectral"
    group: Count = 1
    units: CountOrZero = 0

    @nn.compact
    def __call__(self, x, y, *, train=False):
        _check(x.shape[1:])
        how = {"kernel_init": _normal, "weight": layers.weight(self.weight)}
        for features in (self.width, 2 * self.width):
            x = nn.leaky_relu(layers.Conv(features, 4, 2, **how)(x), 0.1)
            x = nn.leaky_relu(layers.Conv(features, 3, **how)(x), 0.1)
        if self.group > 1:
            x = layers.MinibatchStd(self.group)(x)
        if self.units:
            dense = layers.Dense(self.units, **how)
            h = nn.leaky_relu(dense(x.reshape(len(x), -1)), 0.1)
        else:
            h = x.sum(axis=(1, 2))
        return layers.Head("projection", self.classes, **how)(h, y)
