"""Networks of a few units for every game: what they are given and say, and little else.

`says` is what D says: a score, of x alone or with what comes beside it, or more than a
score. With batch norm, dropout and labels, since these are what may go wrong.
"""

import math

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers


class Generator(nn.Module):
    shape: tuple[int, ...]
    classes: int = 0
    pairs: bool = False

    @nn.compact
    def __call__(self, z, y=None, *, train=False):
        z = z.reshape(len(z), -1)
        h = z if y is None else layers.join(z, y, self.classes)
        h = nn.relu(layers.BatchNorm()(layers.Dense(6)(h), train))
        made = [
            nn.sigmoid(layers.Dense(math.prod(self.shape))(h)).reshape(-1, *self.shape)
            for _ in range(1 + self.pairs)
        ]
        return tuple(made) if self.pairs else made[0]


class Encoder(nn.Module):
    latent_dim: int

    @nn.compact
    def __call__(self, x, *, train=False):
        h = nn.relu(layers.Dense(6)(x.reshape(len(x), -1)))
        return layers.Dense(self.latent_dim)(h), h


class Discriminator(nn.Module):
    classes: int = 0
    categories: int = 0
    continuous: int = 0
    says: str = "score"

    @nn.compact
    def __call__(self, x, beside=None, *, train=False):
        first = layers.Dense(6)

        def features(x):
            h = nn.relu(first(x.reshape(len(x), -1)))
            return nn.Dropout(0.1, deterministic=not train)(h)

        if self.says == "both scores":
            last = layers.Dense(1)
            return last(features(x))[:, 0], last(features(beside))[:, 0]
        h = features(x)
        if self.says == "reconstruction":
            return layers.Dense(math.prod(x.shape[1:]))(h).reshape(x.shape), h
        if self.says == "classes":
            return layers.Dense(self.classes)(h), h
        if beside is not None:
            labels = beside.ndim == 1
            beside = layers.one_hot(beside, self.classes) if labels else beside
            beside = beside.reshape(len(beside), -1)
            h = jnp.concatenate([h, beside], -1)
        score = layers.Dense(1)(h)[:, 0]
        match self.says:
            case "score and classes":
                return score, layers.Dense(self.classes)(h)
            case "score and codes":
                return score, layers.Dense(self.categories + self.continuous)(h)
        return score
