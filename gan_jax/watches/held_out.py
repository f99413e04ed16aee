"""Both losses on data that a run does not train on."""

import functools

import jax
import numpy as np

from gan_jax.watches import Watch


def make_held_out(config, built, dataset, key) -> Watch | None:
    """Both losses and D's metrics on held-out data; None without any.

    They are the losses of training, batch norm and dropout as there, averaged over the
    held-out minibatches with the same latents each time: what differs from the training
    curves is the data alone.
    """
    if dataset.validation is None:
        return None
    arrays = dataset.validation
    sets = dataset.sets(arrays)
    size = min(len(each["x"]) for each in sets)
    unit = config.pack * config.accumulate
    n = min(config.batch_size, size) // unit * unit
    arrays = jax.device_put(arrays)

    on_minibatch = _on_minibatch(built.game, built.schedule, dataset.view)

    def compute(state):
        return [
            on_minibatch(
                state,
                arrays,
                np.tile(np.arange(j * n, (j + 1) * n, dtype=np.int32), len(sets)),
                jax.random.fold_in(key, j),
            )
            for j in range(size // n)
        ]

    def read(values):
        values = jax.device_get(values)
        return {
            name: float(np.mean([metrics[name] for metrics in values]))
            for name in values[0]
        }

    return Watch(config.validate_every, compute, read)


@functools.lru_cache(maxsize=4)
def _on_minibatch(game, schedule, view):
    """The program behind it, the same for all members of a population."""

    @jax.jit
    def on_minibatch(state, arrays, indices, key):
        view_key, game_key = jax.random.split(key)
        batch = view(arrays, indices, view_key)
        d, g, numbers = state.d, state.g, schedule(state.hparams, state.step)
        d_loss, (_, d_metrics) = game.d_loss(
            d.params, d.stats, g, numbers, batch, game_key
        )
        g_loss, (_, g_metrics) = game.g_loss(
            g.params, g.stats, d, numbers, batch, game_key
        )
        # as in training, the bare loss where more than that is minimised
        players = {"d": {"loss": d_loss} | d_metrics, "g": {"loss": g_loss} | g_metrics}
        return {
            f"validation_{player}_{name}": value
            for player, metrics in players.items()
            for name, value in metrics.items()
        }

    return on_minibatch
