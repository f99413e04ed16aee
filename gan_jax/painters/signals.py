"""Samples of signals as a grid of curves."""

from gan_jax import pictures
from gan_jax.games import sampler
from gan_jax.painters import Painter
from gan_jax.sampling import latents_in_rows


def make_painter(config, built, dataset, key) -> Painter:
    """The samples of `config.sample_grid` latents, all drawn to the scale of the data.

    One class a row where the game has labels.
    """
    rows, columns = config.sample_grid
    z = latents_in_rows(built, key, rows, columns)
    generate = sampler(built.game)
    data = dataset.arrays["x"]
    limits = float(data.min()), float(data.max())

    def sample(state):
        return generate(*state.sampler, z)

    def paint(samples):
        return pictures.curves(dataset.to_uint8(samples), rows, columns, limits)

    return Painter(sample, paint)
