"""Styles: a mapping from latents to them, and noise (Karras et al. 2019, 2020).

A style w is what a generator's layers take in the place of z: of each layer its own, so
that several w can share one image.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.config.ranges import Count, Positive
from gan_jax.layers.activations import scaled_leaky_relu
from gan_jax.layers.affine import Dense
from gan_jax.layers.conditional import one_hot
from gan_jax.layers.norms import PixelNorm, spread
from gan_jax.layers.weights import equalised


class Mapping(nn.Module):
    """Latents z, labels y, or both -> w [n, features]: `depth` dense layers.

    z is normalised to a mean square of 1, and so is an embedding of y, joined to it
    (github.com/NVlabs/stylegan2-ada-pytorch). Each layer ends in `scaled_leaky_relu`.

    rate: of learning, beside that of the other layers; not of the embedding's
    """

    features: Count = 512
    depth: Count = 8
    rate: Positive = 0.01
    classes: int = 0

    @nn.compact
    def __call__(self, z=None, y=None):
        parts = [] if z is None else [PixelNorm()(z)]
        if y is not None:
            embed = Dense(self.features, weight=equalised(), name="embedding")
            parts.append(PixelNorm()(embed(one_hot(y, self.classes))))
        w = jnp.concatenate(parts, -1)
        for _ in range(self.depth):
            w = Dense(self.features, weight=equalised(rate=self.rate))(w)
            w = scaled_leaky_relu(w)
        return w


class Noise(nn.Module):
    """Images x [n, h, w, c] and noise of a learned strength, which starts at 0.

    Noise is normal, one number for all channels of a pixel. It is new at every call
    where the network is given a key, as in training; else it is one image for all
    examples and calls, another one for each layer of a network, so that a sample
    depends on its latents alone.

    by_channel: whether each channel has a strength (StyleGAN), or all one (StyleGAN2)
    """

    by_channel: bool = False

    @nn.compact
    def __call__(self, x):
        shape = x.shape[-1:] if self.by_channel else ()
        strength = self.param("strength", nn.initializers.zeros, shape)
        if self.has_rng("dropout"):
            noise = jax.random.normal(self.make_rng("dropout"), x.shape[:3])
            noise = spread(noise, x, 0, 1, 2)
        else:
            # a constant of the program, which then need not compile how it is drawn
            rng = np.random.default_rng(zlib.crc32("/".join(self.path).encode()))
            noise = rng.standard_normal(x.shape[1:3], np.float32)
            noise = spread(jnp.asarray(noise), x, 1, 2)
        strength = jnp.broadcast_to(strength.astype(jnp.float32), x.shape[-1:])
        return (x + spread(strength, x, -1) * noise).astype(x.dtype)
