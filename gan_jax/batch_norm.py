"""Statistics of batch norm measured anew, after training."""

import functools

import jax
import jax.numpy as jnp

from gan_jax.games import Game, draw_latents
from gan_jax.networks import map_batch_norm


def recalibrated(
    game: Game, params, stats, batch_size: int, batches: int = 100, latents=None
):
    """G's statistics averaged over fresh minibatches of latents, with its parameters.

    Running averages lag behind the parameters, and an average of parameters (ema) has
    statistics of its own; these are of exactly these parameters. Every minibatch counts
    alike ("standing statistics", Brock et al. 2019). Other statistics stay as they are.

    latents: (key, n) -> z, where they are not what a game draws by itself: with labels
             as samples have them, or truncated, which changes the statistics
    """

    latents = latents or functools.partial(draw_latents, game)

    @jax.jit
    def add(total, i):
        key = jax.random.fold_in(jax.random.key(0), i)
        z_key, g_key = jax.random.split(key)
        z = latents(z_key, batch_size)
        # A pass moves the averages to m old + (1 - m) new, whatever each layer's m is:
        # from 0 and from 1 they come to (1 - m) new and m + (1 - m) new.
        from_zero, from_one = (
            game.generate(params, map_batch_norm(fill, stats), z, g_key, train=True)[1]
            for fill in (jnp.zeros_like, jnp.ones_like)
        )

        def plus(total, a, b):
            return total + a / (1 - (b - a))

        return map_batch_norm(plus, total, from_zero, from_one)

    total = map_batch_norm(jnp.zeros_like, stats)
    for i in range(batches):
        total = add(total, i)
    return map_batch_norm(lambda leaf: leaf / batches, total)
