"""WGAN-GP's networks for text (Gulrajani et al. 2017, section 5.3).

Those of `gan_language.py` of igul222/improved_wgan_training, whose defaults these are:
z of 128 numbers, characters one-hot, no normalisation. All convolutions are along the
line; in between, the places are as many as the characters of an example.

Weights are uniform: of convolutions with variance 4 / (fan_in + fan_out), of dense
layers after Glorot.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.errors import UsageError

_uniform = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")
_glorot = nn.initializers.glorot_uniform()


class Block(nn.Module):
    """x + 0.3 times two convolutions of 5 places, each after ReLU."""

    @nn.compact
    def __call__(self, x):
        h = x
        for _ in range(2):
            h = layers.Conv1d(x.shape[-1], 5, kernel_init=_uniform)(nn.relu(h))
        return x + 0.3 * h


class Generator(nn.Module):
    """A projection to all places, residual blocks, at each place a softmax.

    What comes out are probabilities [n, length, characters], not characters: that is
    what the critic sees beside one-hot rows, and what gradients go through.
    """

    shape: tuple[int, ...]
    width: Count = 512
    blocks: Count = 5

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.shape) != 2:
            raise UsageError(
                f"wgan_gp_text makes text (length, characters), not {self.shape}"
            )
        length, characters = self.shape
        h = layers.Dense(length * self.width, kernel_init=_glorot)(z)
        h = h.reshape(len(z), length, self.width)
        for _ in range(self.blocks):
            h = Block()(h)
        h = layers.Conv1d(characters, 1, kernel_init=_uniform)(h)
        return jax.nn.softmax(h.astype(jnp.float32))


class Discriminator(nn.Module):
    """The generator's mirror: residual blocks, a dense layer over all places; a score.

    It takes one-hot rows and probabilities alike, [n, length, characters].
    """

    width: Count = 512
    blocks: Count = 5

    @nn.compact
    def __call__(self, x, *, train=False):
        if x.ndim != 3:
            raise UsageError(
                f"wgan_gp_text judges text, not examples of shape {x.shape[1:]}"
            )
        x = layers.Conv1d(self.width, 1, kernel_init=_uniform)(x)
        for _ in range(self.blocks):
            x = Block()(x)
        return layers.Dense(1, kernel_init=_glorot)(x.reshape(len(x), -1))[:, 0]
