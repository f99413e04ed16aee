"""Samples of images as a grid."""

from gan_jax import pictures
from gan_jax.games import draw_latents, sampling
from gan_jax.painters import Painter


def make_painter(config, built, dataset, key) -> Painter:
    """The samples of `config.sample_grid` latents, in rows and columns."""
    rows, columns = config.sample_grid
    z = draw_latents(built.game, key, rows * columns)
    generate = sampling(built.game)

    def sample(state):
        return generate(*state.sampler, z)

    def paint(samples):
        return pictures.grid(dataset.to_uint8(samples), rows, columns)

    return Painter(sample, paint)
