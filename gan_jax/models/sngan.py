"""SNGAN's convolutional networks (Miyato et al. 2018, arXiv:1802.05957, table 3).

For 32, 48 or 64 pixels, or other multiples of 8: z of 128 numbers, pixels in [-1, 1].
Weights start from N(0, 0.02).
"""

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError

_DEPTH = 3  # layers that double or halve the size

_normal = nn.initializers.normal(0.02)


def _check(shape):
    if len(shape) != 3 or any(n % 2**_DEPTH for n in shape[:2]):
        raise UsageError(
            "sngan takes images (height, width, channels) with height and width "
            f"divisible by {2**_DEPTH}, such as 32, 48 or 64, not {tuple(shape)}"
        )


class Generator(nn.Module):
    """A projection to 8 * width channels, three layers that double the size, tanh.

    Batch norm and ReLU after each; the last convolution keeps the size. `width` is the
    channel count before it.
    """

    shape: tuple[int, ...]
    width: Count = 64

    @nn.compact
    def __call__(self, z, *, train=False):
        _check(self.shape)
        places = [n // 2**_DEPTH for n in self.shape[:2]]
        features = 2**_DEPTH * self.width

        def activate(h):
            return nn.relu(layers.BatchNorm()(h, train))

        # batch norm takes away a bias of a channel, but not one of a place
        project = layers.Dense(places[0] * places[1] * features, kernel_init=_normal)
        h = activate(project(z).reshape(len(z), *places, features))
        for _ in range(_DEPTH):
            features //= 2
            double = layers.ConvTranspose(
                features, 4, 2, use_bias=False, kernel_init=_normal
            )
            h = activate(double(h))
        return nn.tanh(layers.Conv(self.shape[-1], 3, kernel_init=_normal)(h))


class Discriminator(nn.Module):
    """Convolutions of 3 x 3 and, to half the size and more channels, 4 x 4; one score.

    From `width` to 8 * width channels, leaky ReLU of slope 0.1 after each; `weight` is
    that of every layer.
    """

    width: Count = 64
    weight: layers.WeightName = "spectral"

    @nn.compact
    def __call__(self, x, *, train=False):
        _check(x.shape[1:])
        weight = layers.weight(self.weight)

        def conv(x, features, kernel, stride):
            x = layers.Conv(
                features, kernel, stride, kernel_init=_normal, weight=weight
            )(x)
            return nn.leaky_relu(x, 0.1)

        features = self.width
        x = conv(x, features, 3, 1)
        for _ in range(_DEPTH):
            features *= 2
            x = conv(x, features, 4, 2)
            x = conv(x, features, 3, 1)
        x = x.reshape(len(x), -1)
        return layers.Dense(1, kernel_init=_normal, weight=weight)(x)[:, 0]
