"""What is watched of a run while it trains: pictures, and losses on held-out data."""

import jax
import numpy as np

from gan_jax import pictures
from gan_jax.games import draw_latents

_SCATTER_POINTS = 500


def make_painter(config, built, dataset, key):
    """state -> picture [H, W, 3]: samples of latents that stay the same all through."""
    is_images = len(dataset.info["shape"]) == 3
    rows, columns_ = config.sample_grid
    n = rows * columns_ if is_images else _SCATTER_POINTS
    z = draw_latents(built.game, key, n)
    generate = jax.jit(built.game.generate)
    shown = np.linspace(0, dataset.size - 1, min(dataset.size, _SCATTER_POINTS))
    real = dataset.arrays["x"][shown.astype(int)]

    def paint(state):
        samples = dataset.to_uint8(generate(*state.sampler, z))
        if is_images:
            return pictures.grid(samples, rows, columns_)
        return pictures.scatter(samples, real)

    return paint


def make_held_out(config, built, dataset, key):
    """state -> both losses and D's metrics on held-out data; None without any.

    They are the losses of training, batch norm and dropout as there, averaged over the
    held-out minibatches with the same latents each time: what differs from the training
    curves is the data alone.
    """
    if dataset.validation is None:
        return None
    size = len(dataset.validation["x"])
    n = min(config.batch_size, size)
    arrays = jax.device_put(dataset.validation)

    @jax.jit
    def on_minibatch(state, arrays, indices, key):
        view_key, game_key = jax.random.split(key)
        batch = dataset.view(arrays, indices, view_key)
        d, g, numbers = state.d, state.g, built.schedule(state.hparams, state.step)
        d_loss, (_, d_metrics) = built.game.d_loss(
            d.params, d.stats, g, numbers, batch, game_key
        )
        g_loss, (_, g_metrics) = built.game.g_loss(
            g.params, g.stats, d, numbers, batch, game_key
        )
        players = {"d": d_metrics | {"loss": d_loss}, "g": g_metrics | {"loss": g_loss}}
        return {
            f"validation_{player}_{name}": value
            for player, metrics in players.items()
            for name, value in metrics.items()
        }

    def held_out(state):
        minibatches = [
            on_minibatch(
                state,
                arrays,
                np.arange(j * n, (j + 1) * n, dtype=np.int32),
                jax.random.fold_in(key, j),
            )
            for j in range(size // n)
        ]
        values = jax.device_get(minibatches)
        return {
            name: float(np.mean([metrics[name] for metrics in values]))
            for name in values[0]
        }

    return held_out
