"""Semi-supervised networks for MNIST (Salimans et al. 2016, arXiv:1606.03498).

As in `train_mnist_feature_matching.py` of github.com/openai/improved-gan, for examples
of any shape, which are vectors to them: z from U(0, 1)^100, pixels in [0, 1].

Weights are normalised: those of a unit have one length, whatever the parameters'. The
authors set lengths and biases by a pass over 500 images, so that every unit of the
discriminator starts with mean 0 and variance 1. Here the lengths are those that do so
on average, for pixels of MNIST's variance and for rectified normal inputs, each with
its noise; biases start at 0.
"""

import math

import jax
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Counts, NotNegative
from gan_jax.layers.weights import of_length

_PIXELS = 0.067  # the variance of a pixel of MNIST, on average
_RECTIFIED = 0.5 - 0.5 / math.pi  # and of max(0, N(0, 1))


class Generator(nn.Module):
    """Dense layers with batch norm, which learns a shift alone, and softplus; sigmoid.

    Weights start after Glorot, those of the last layer normalised to learned lengths.
    """

    shape: tuple[int, ...]
    widths: Counts = (500, 500)

    @nn.compact
    def __call__(self, z, *, train=False):
        glorot = nn.initializers.glorot_uniform()
        for width in self.widths:
            z = layers.Dense(width, use_bias=False, kernel_init=glorot)(z)
            z = nn.softplus(layers.BatchNorm(use_scale=False)(z, train))
        last = layers.Dense(
            math.prod(self.shape),
            kernel_init=glorot,
            weight=of_length(1.0, learned=True),
        )
        return nn.sigmoid(last(z)).reshape(-1, *self.shape)


class Discriminator(nn.Module):
    """Dense layers with ReLU: logits [n, classes] and features, the last hidden layer.

    In training normal noise is added to the input of every layer, of deviation
    `input_noise` to the first one's and `noise` to the others', the output layer's too;
    features [n, widths[-1]] are before theirs. Kernels start from N(0, 0.1).
    """

    classes: int
    widths: Counts = (1000, 500, 250, 250, 250)
    input_noise: NotNegative = 0.3
    noise: NotNegative = 0.5

    @nn.compact
    def __call__(self, x, *, train=False):
        kernel_init = nn.initializers.normal(0.1)

        def noisy(h, deviation):
            if not train:
                return h
            noise = jax.random.normal(self.make_rng("dropout"), h.shape, h.dtype)
            return h + deviation * noise

        h, deviation, variance = x.reshape(len(x), -1), self.input_noise, _PIXELS
        for width in self.widths:
            weight = of_length((variance + deviation**2) ** -0.5)
            dense = layers.Dense(width, kernel_init=kernel_init, weight=weight)
            h = nn.relu(dense(noisy(h, deviation)))
            deviation, variance = self.noise, _RECTIFIED
        weight = of_length((variance + deviation**2) ** -0.5, learned=True)
        head = layers.Head(
            "classes", self.classes, kernel_init=kernel_init, weight=weight
        )
        return head(noisy(h, deviation)), h
