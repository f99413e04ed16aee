"""What is watched of a run while it trains: pictures, and losses on held-out data."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import pictures
from gan_jax.run import in_chunks

_SCATTER_POINTS = 500
_HELD_OUT_FAKES = 1000


def make_painter(config, built, dataset, key):
    """state -> picture [H, W, 3]: samples of latents that stay the same all through."""
    is_images = len(dataset.info["shape"]) == 3
    rows, columns_ = config.sample_grid
    n = rows * columns_ if is_images else _SCATTER_POINTS
    z = built.game.latents(key, {"x": np.empty((n, 0))})
    generate = jax.jit(built.game.generate)
    real = dataset.arrays["x"][:_SCATTER_POINTS]

    def paint(state):
        samples = dataset.to_uint8(generate(*state.sampler, z))
        if is_images:
            return pictures.grid(samples, rows, columns_)
        return pictures.scatter(samples, real)

    return paint


def make_held_out(built, dataset, key):
    """state -> the losses and D's outputs on held-out examples; None without any.

    Both players are in the mode for sampling, and the fakes are those of fixed latents.
    """
    if dataset.validation is None:
        return None
    loss = built.loss
    z = built.game.latents(key, {"x": np.empty((_HELD_OUT_FAKES, 0))})
    generate, score = jax.jit(built.game.generate), jax.jit(built.game.score)

    def held_out(state):
        d = functools.partial(score, state.d.params, state.d.stats)
        fakes = in_chunks(functools.partial(generate, state.g.params, state.g.stats), z)
        d_real, d_fake = in_chunks(d, dataset.validation), in_chunks(d, fakes)
        values = {
            "d_loss": loss.d(d_real, d_fake),
            "g_loss": loss.g(d_real, d_fake),
            "d_real": jnp.mean(loss.output(d_real)),
            "d_fake": jnp.mean(loss.output(d_fake)),
            "d_real_accuracy": np.mean(d_real > loss.equilibrium),
            "d_fake_accuracy": np.mean(d_fake < loss.equilibrium),
        }
        return {f"validation_{name}": float(value) for name, value in values.items()}

    return held_out
