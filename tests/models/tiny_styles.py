"""A generator with styles for the games that need one: linear, of a few units.

Its image is the sum of what each layer makes of its own style, and of noise.
"""

import math

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.layers.styles import Mapping, Noise

LAYERS = 4


class Generator(nn.Module):
    shape: tuple[int, ...]
    classes: int = 0

    def setup(self):
        self.mapping_network = Mapping(5, 2, classes=self.classes)
        self.parts = [layers.Dense(math.prod(self.shape)) for _ in range(LAYERS)]
        self.noise = Noise()

    def mapping(self, z, y=None, *, train=False):
        w = self.mapping_network(z, y)
        return jnp.repeat(w[:, None], LAYERS, axis=1)

    def synthesis(self, w, *, train=False):
        x = sum(part(w[:, i]) for i, part in enumerate(self.parts))
        return self.noise(x.reshape(-1, *self.shape))

    def __call__(self, z, y=None, *, train=False):
        return self.synthesis(self.mapping(z, y))
