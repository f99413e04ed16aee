"""A turn: one update of one player, by its optimizer, against the other held still."""

import jax
import jax.numpy as jnp
import optax

from gan_jax.games import Game
from gan_jax.state import Player, averaged


def play(
    name, tx, loss, player: Player, opponent: Player, numbers, batch, key, base=None
):
    """One optimizer step of `player` on its loss, against an opponent held still.

    base: the parameters that move, where they are not those of the gradient
    """
    (value, (stats, metrics)), grads = jax.value_and_grad(loss, has_aux=True)(
        player.params, player.stats, opponent, numbers, batch, key
    )
    grads = known_together(grads)
    base = player.params if base is None else base
    updates, opt_state = tx(numbers).update(grads, player.opt_state, base)
    params = optax.apply_updates(base, updates)
    metrics = {"loss": value} | metrics
    metrics |= {
        "grad_norm": optax.tree.norm(grads),
        "update_norm": optax.tree.norm(updates),
    }
    metrics = {f"{name}_{metric}": value for metric, value in metrics.items()}
    return Player(params, stats, opt_state), metrics


def known_together(grads):
    """The same gradients, none of which is known before all are.

    Then nothing has to read parameters any more when they are updated, and the new ones
    can be written over the old ones. XLA on CPU would copy all of them first, a tenth
    of the time of some steps, and takes no notice of `jax.lax.optimization_barrier`.
    """
    if jax.default_backend() != "cpu":
        return grads
    lost = is_lost(grads)
    return jax.tree.map(lambda x: jnp.where(lost, jnp.nan, x), grads)


def is_lost(grads):
    """Whether gradients are no numbers any more, judged by the first of each array."""
    return jnp.isnan(sum(x.ravel()[0] for x in jax.tree.leaves(grads)))


def make_turns(game: Game, d_tx, g_tx, schedule):
    """Of each player, (state, minibatch, key) -> (state, metrics), one update."""

    def d_turn(state, batch, key, base=None):
        numbers = schedule(state.hparams, state.step)
        players = state.d, state.g
        d, metrics = play("d", d_tx, game.d_loss, *players, numbers, batch, key, base)
        return state.replace(d=d), metrics

    def g_turn(state, batch, key, base=None):
        numbers = schedule(state.hparams, state.step)
        players = state.g, state.d
        g, metrics = play("g", g_tx, game.g_loss, *players, numbers, batch, key, base)
        g_ema = state.g_ema
        if g_ema is not None:
            g_ema = averaged(g_ema, (g.params, g.stats), numbers["ema_decay"])
        return state.replace(g=g, g_ema=g_ema), metrics

    return {"d": d_turn, "g": g_turn}
