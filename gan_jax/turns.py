"""A turn: one update of one player, by its optimizer, against the other held still."""

import jax
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
