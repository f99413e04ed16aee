"""DCGAN (Radford, Metz and Chintala, 2016, arXiv:1511.06434) for 16 to 128 pixels.

Each of the five guidelines of its section 3 is a keyword, on by default:

    strided              strides instead of pooling and upsampling
    batch_norm           in both networks, but for G's output and D's input
    fully_convolutional  no hidden dense layers
    relu                 ReLU in G with a tanh output
    leaky                leaky ReLU in D

`norm` and `weight` name other normalisers and weights (`gan_jax/layers/`); without
`batch_norm` there is no normaliser at all.

Weights start from N(0, 0.02), as in its section 4. Its kernels are 5 x 5; 4 x 4, the
default here, is what most have used since: with stride 2 every pixel is covered alike.
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError

SIZES = (16, 32, 64, 128)

_normal = nn.initializers.normal(0.02)


def _channels(shape, width):
    """Channels from the image's neighbour to the 4 x 4 layer, doubling: 64, 128, .."""
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] not in SIZES:
        raise UsageError(
            f"dcgan takes square images of {', '.join(map(str, SIZES))} pixels, shape "
            f"(size, size, channels), not {tuple(shape)}"
        )
    return [width * 2**i for i in range(SIZES.index(shape[0]) + 2)]


class Generator(nn.Module):
    """A projection to 4 x 4, then layers that double the size and halve the channels.

    `width` is the channel count next to the image. Without `strided` layers, nearest
    neighbour upsampling and convolutions; without `fully_convolutional`, a hidden
    dense layer of 16 * width units first; without `relu`, sigmoids and a linear
    output, as in the convolutional generator of 2014.
    """

    shape: tuple[int, ...]
    width: Count = 64
    kernel: Count = 4
    strided: bool = True
    batch_norm: bool = True
    fully_convolutional: bool = True
    relu: bool = True
    norm: layers.NormName = "batch"
    weight: layers.WeightName = "plain"

    @nn.compact
    def __call__(self, z, *, train=False):
        channels = _channels(self.shape, self.width)
        norm = self.norm if self.batch_norm else "none"
        bias = not layers.shifts(norm)
        shared = {"kernel_init": _normal, "weight": layers.weight(self.weight)}
        dense = functools.partial(layers.Dense, use_bias=bias, **shared)

        def activate(h):
            h = layers.normalise(norm, h, train)
            return nn.relu(h) if self.relu else nn.sigmoid(h)

        def double(h, features, bias):
            if self.strided:
                layer, stride = layers.ConvTranspose, 2
            else:
                layer, stride = layers.Conv, 1
                h = h.repeat(2, axis=1).repeat(2, axis=2)
            return layer(features, self.kernel, stride, use_bias=bias, **shared)(h)

        if not self.fully_convolutional:
            z = activate(dense(16 * self.width)(z))
        h = dense(4 * 4 * channels[-1])(z).reshape(len(z), 4, 4, channels[-1])
        h = activate(h)
        for features in reversed(channels[:-1]):
            h = activate(double(h, features, bias))
        x = double(h, self.shape[-1], True)
        return nn.tanh(x) if self.relu else x


class Discriminator(nn.Module):
    """The generator's mirror: layers that halve the size and double the channels.

    Without `strided` layers, convolutions and 2 x 2 max pooling; without
    `fully_convolutional`, a hidden dense layer of 16 * width units before the score;
    without `leaky`, plain ReLU.
    """

    width: Count = 64
    kernel: Count = 4
    strided: bool = True
    batch_norm: bool = True
    fully_convolutional: bool = True
    leaky: bool = True
    norm: layers.NormName = "batch"
    weight: layers.WeightName = "plain"

    @nn.compact
    def __call__(self, x, *, train=False):
        norm = self.norm if self.batch_norm else "none"
        shared = {"kernel_init": _normal, "weight": layers.weight(self.weight)}

        def activate(x, norm):
            x = layers.normalise(norm, x, train)
            return nn.leaky_relu(x, 0.2) if self.leaky else nn.relu(x)

        stride = 2 if self.strided else 1
        for i, features in enumerate(_channels(x.shape[1:], self.width)):
            here = norm if i > 0 else "none"
            bias = not layers.shifts(here)
            x = layers.Conv(features, self.kernel, stride, use_bias=bias, **shared)(x)
            x = activate(x, here)
            if not self.strided:
                x = layers.max_pool(x, 2, 2)
        x = x.reshape(len(x), -1)
        if not self.fully_convolutional:
            bias = not layers.shifts(norm)
            x = layers.Dense(16 * self.width, use_bias=bias, **shared)(x)
            x = activate(x, norm)
        return layers.Dense(1, **shared)(x)[:, 0]
