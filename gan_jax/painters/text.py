"""Samples of text, a line each, as a text and as a picture of it."""

from gan_jax import pictures
from gan_jax.data.text import decode, on_one_line
from gan_jax.games import sampler
from gan_jax.painters import Painter
from gan_jax.sampling import latents_in_rows


def make_painter(config, built, dataset, key) -> Painter:
    """As many samples as `config.sample_grid` has places, one below the other."""
    z = latents_in_rows(built, key, *config.sample_grid)
    generate = sampler(built.game)
    length, _ = dataset.info["shape"]

    def sample(state):
        return generate(*state.sampler, z)

    def lines(samples):
        codes = dataset.to_uint8(samples)
        return on_one_line(decode(codes, dataset.info["alphabet"]))

    return Painter(
        sample,
        paint=lambda samples: pictures.page(lines(samples), length),
        write=lambda samples: "\n".join(lines(samples)) + "\n",
    )
