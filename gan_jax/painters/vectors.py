"""The first two coordinates of samples, over those of the data."""

import numpy as np

from gan_jax import pictures
from gan_jax.games import sampler
from gan_jax.painters import Painter
from gan_jax.sampling import latents_for

_POINTS = 500


def make_painter(config, built, dataset, key) -> Painter:
    """A scatter plot of 500 samples over as many examples."""
    z = latents_for(built, key, _POINTS)
    generate = sampler(built.game)
    shown = np.linspace(0, dataset.size - 1, min(dataset.size, _POINTS))
    real = dataset.arrays["x"][shown.astype(int)]

    def sample(state):
        return generate(*state.sampler, z)

    def paint(samples):
        return pictures.scatter(dataset.to_uint8(samples), real)

    return Painter(sample, paint)
