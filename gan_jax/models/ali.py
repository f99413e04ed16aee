"""ALI's networks for CIFAR-10 (Dumoulin et al. 2017, arXiv:1606.00704, appendix A).

As in `ali_cifar10.py` of github.com/IshmaelBelghazi/ALI, for images of 32 pixels: z of
64 numbers from N(0, 1), pixels in [0, 1]. Convolutions have no padding, and see all of
the image at the end: 32, 28, 13, 10, 4, 1 pixels a side. Weights start from N(0, 0.01).
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Fraction
from gan_jax.errors import UsageError

IMAGE = 32
# kernel, stride, channels in widths, from the image on
_TRUNK = (5, 1, 1), (4, 2, 2), (4, 1, 4), (4, 2, 8), (4, 1, 16)
_PIECES = 2  # of maxout

_normal = nn.initializers.normal(0.01)
_conv = functools.partial(layers.Conv, padding=0, use_bias=False, kernel_init=_normal)
_dense = functools.partial(layers.Dense, kernel_init=_normal)


def _check(shape):
    if len(shape) != 3 or shape[:2] != (IMAGE, IMAGE):
        raise UsageError(
            f"ali takes images of shape ({IMAGE}, {IMAGE}, channels), not "
            f"{tuple(shape)}"
        )


def _activate(h, train):
    h = layers.BatchNorm(epsilon=1e-4, momentum=0.95)(h, train)
    return nn.leaky_relu(h, 0.1)


class Generator(nn.Module):
    """Transposed convolutions with batch norm and leaky ReLU, a 1 x 1 one; sigmoid.

    `width` is the channel count next to the image. The last biases are one for every
    pixel of every channel, and start, with `marginal_bias`, at the logit of `mean`, the
    mean of the scaled training data [*shape].
    """

    shape: tuple[int, ...]
    width: Count = 32
    marginal_bias: bool = True
    mean: Any = None

    @nn.compact
    def __call__(self, z, *, train=False):
        _check(self.shape)
        h = z[:, None, None]
        for (kernel, stride, _), times in zip(
            reversed(_TRUNK), (8, 4, 2, 1, 1), strict=True
        ):
            double = layers.ConvTranspose(
                *(times * self.width, kernel, stride, 0),
                use_bias=False,
                kernel_init=_normal,
            )
            h = _activate(double(h), train)
        h = _activate(_conv(self.width, 1)(h), train)
        x = _conv(self.shape[-1], 1)(h)
        marginal = self.marginal_bias and self.is_initializing()  # apply has no mean
        start = layers.output_bias(marginal, "sigmoid", self.mean)
        return nn.sigmoid(layers.add_bias(x, self.param("bias", start, self.shape)))


class Encoder(nn.Module):
    """Convolutions with batch norm and leaky ReLU: z and features.

    The last layer says the mean and the logarithm of the deviation of a normal law of
    z [n, latent_dim], which is drawn from it in training, where there is a key for
    dropout; otherwise z is the mean. The features [n, 16 * width] are the layer before.
    """

    latent_dim: int
    width: Count = 32

    @nn.compact
    def __call__(self, x, *, train=False):
        _check(x.shape[1:])
        for kernel, stride, times in (*_TRUNK, (1, 1, 16)):
            x = _activate(_conv(times * self.width, kernel, stride)(x), train)
        features = x.reshape(len(x), -1)
        mean, log_sigma = jnp.split(_dense(2 * self.latent_dim)(features), 2, -1)
        if not (train and self.has_rng("dropout")):
            return mean, features
        noise = jax.random.normal(self.make_rng("dropout"), mean.shape, mean.dtype)
        return mean + jnp.exp(log_sigma) * noise, features


class Discriminator(nn.Module):
    """Maxout convolutions of x, maxout layers of z, then of both; one score.

    Dropout acts on the input of every layer, the output layer's too: on x and z with
    rate `input_dropout`, on the others with rate `dropout`.
    """

    width: Count = 32
    input_dropout: Fraction = 0.2
    dropout: Fraction = 0.5

    @nn.compact
    def __call__(self, x, z, *, train=False):
        _check(x.shape[1:])

        def drop(h, rate):
            return nn.Dropout(rate, deterministic=not train)(h)

        def dense(h, times, use_bias=False):
            h = _dense(_PIECES * times * self.width, use_bias=use_bias)(h)
            return layers.maxout(h, _PIECES)

        x, z = drop(x, self.input_dropout), drop(z, self.input_dropout)
        for i, (kernel, stride, times) in enumerate(_TRUNK):
            x = drop(x, self.dropout) if i > 0 else x
            # of these convolutions the first one alone has a bias
            x = _conv(_PIECES * times * self.width, kernel, stride, use_bias=i == 0)(x)
            x = layers.maxout(x, _PIECES)
        z = dense(drop(dense(z, 16), self.dropout), 16)
        h = jnp.concatenate([x.reshape(len(x), -1), z], -1)
        for _ in range(2):
            h = dense(drop(h, self.dropout), 32, use_bias=True)
        return _dense(1)(drop(h, self.dropout))[:, 0]
