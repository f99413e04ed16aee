"""An EBGAN for MNIST (Zhao et al. 2017, arXiv:1609.03126): an autoencoder in D.

The authors' code is not public; these are the networks of `EBGAN.py` of
github.com/hwalsuklee/tensorflow-generative-model-collections, pixels in [0, 1]. The
generator is InfoGAN's. Weights start from N(0, 0.02), cut off at two standard
deviations in convolutions. There is no bias before a batch norm, which has its own.
"""

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError
from gan_jax.models.infogan import Generator

__all__ = ["Discriminator", "Generator"]

_normal = nn.initializers.normal(0.02)
_truncated = nn.initializers.truncated_normal(0.02)


class Discriminator(nn.Module):
    """An autoencoder: reconstructions [n, *shape] and the codes [n, code] they are of.

    A convolution of stride 2 with ReLU and a dense layer, then a dense layer with batch
    norm and ReLU and a transposed convolution; sigmoid. `width` channels at half the
    size.
    """

    width: Count = 64
    code: Count = 32

    @nn.compact
    def __call__(self, x, *, train=False):
        if x.ndim != 4 or any(n % 2 for n in x.shape[1:3]):
            raise UsageError(
                "ebgan judges images (height, width, channels) with height and width "
                f"divisible by 2, not examples of shape {x.shape[1:]}"
            )
        half = layers.Conv(self.width, 4, 2, kernel_init=_truncated)
        h = nn.relu(half(x))
        code = layers.Dense(self.code, kernel_init=_normal)(h.reshape(len(h), -1))
        units = h[0].size
        again = layers.Dense(units, use_bias=False, kernel_init=_normal)(code)
        again = nn.relu(layers.BatchNorm()(again, train)).reshape(h.shape)
        double = layers.ConvTranspose(x.shape[-1], 4, 2, kernel_init=_normal)
        return nn.sigmoid(double(again)), code
