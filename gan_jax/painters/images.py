"""Samples of images as a grid, and the grids that a game has beside it."""

import zlib

import jax
import numpy as np

from gan_jax import pictures
from gan_jax.games import sampler
from gan_jax.painters import Painter
from gan_jax.sampling import latents_in_rows


def make_painter(config, built, dataset, key) -> Painter:
    """The samples of `config.sample_grid` latents, in rows and columns.

    One class a row where the game has labels, or whatever the game shows in its place.
    """
    for picture in built.game.pictures:
        if picture.name == "samples":
            return _painter(picture, config, built, dataset, key)
    rows, columns = config.sample_grid
    z = latents_in_rows(built, key, rows, columns)
    generate = sampler(built.game)

    def sample(state):
        return generate(*state.sampler, z)

    def paint(samples):
        return pictures.grid(dataset.to_uint8(samples), rows, columns)

    return Painter(sample, paint)


def make_others(config, built, dataset, key) -> dict[str, Painter]:
    """What the game shows beside its samples, by name."""
    return {
        picture.name: _painter(picture, config, built, dataset, key)
        for picture in built.game.pictures
        if picture.name != "samples"
    }


def _painter(picture, config, built, dataset, key):
    """Of a game's picture, with held-out examples if it wants those."""
    rows, columns = config.sample_grid
    # a key apart from those that the samples are drawn by
    key = jax.random.fold_in(key, zlib.crc32(picture.name.encode()))
    some = _some(dataset, rows * columns, picture.held_out)
    inputs = picture.inputs(key, some, rows, columns)
    draw = jax.jit(picture.draw)

    def sample(state):
        return draw(*state.sampler, inputs)

    def paint(shown):
        return pictures.grid(dataset.to_uint8(shown), rows, len(shown) // rows)

    return Painter(sample, paint)


def _some(dataset, n, held_out):
    """A minibatch of n examples, evenly chosen, again and again where there are fewer.

    As training sees them but for what is drawn at random, such as mirrors.

    held_out: whether they are held-out ones, where there are some
    """
    held_out = held_out and dataset.validation is not None
    arrays = dataset.validation if held_out else dataset.arrays

    def of(columns):
        rows = np.linspace(0, len(columns["x"]) - 1, n).astype(int)
        parts = (name for name in columns if name != "other")
        return {name: np.asarray(columns[name][rows]) for name in parts}

    sets = [of(columns) for columns in dataset.sets(arrays)]
    few = sets[0] | ({"other": sets[1]} if dataset.other else {})
    rows = np.tile(np.arange(n, dtype=np.int32), len(sets))
    return jax.jit(dataset.view)(few, rows, None)
