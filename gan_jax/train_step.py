"""Algorithm 1 of Goodfellow et al. (2014), as one pure function.

    repeat k times:  D takes a step on its loss, on a fresh minibatch and fresh latents
    then:            G takes a step on its own, against the D that has just moved

`make_train_step` returns train_step(state, batch) -> (state, metrics). It is not jitted
and knows nothing of devices, data or logs: `jit` makes it fast, `scan` fuses many
steps, `vmap` trains a population, a sharding spreads it; all from outside. What the
players want is in `games`.
"""

import jax
import optax

from gan_jax.games import Game
from gan_jax.state import Player, TrainState


def play(name, tx, loss, player: Player, opponent: Player, numbers, batch, key):
    """One optimizer step of `player` on its loss, against an opponent held still."""
    (value, (stats, metrics)), grads = jax.value_and_grad(loss, has_aux=True)(
        player.params, player.stats, opponent, numbers, batch, key
    )
    updates, opt_state = tx(numbers).update(grads, player.opt_state, player.params)
    params = optax.apply_updates(player.params, updates)
    metrics |= {
        "loss": value,
        "grad_norm": optax.tree.norm(grads),
        "update_norm": optax.tree.norm(updates),
    }
    metrics = {f"{name}_{metric}": value for metric, value in metrics.items()}
    return Player(params, stats, opt_state), metrics


def turn_keys(state: TrainState, n):
    """The keys of the n updates of a step: the run's key stays, the step folds it."""
    return jax.random.split(jax.random.fold_in(state.key, state.step), n)


def minibatch(batch, j):
    """The j-th of the k minibatches of a step."""
    return jax.tree.map(lambda leaf: leaf[j], batch)


def make_turns(game: Game, d_tx, g_tx, schedule):
    """d_turn, g_turn: (state, minibatch, key) -> (state, metrics), one update each."""

    def d_turn(state, batch, key):
        numbers = schedule(state.hparams, state.step)
        players = state.d, state.g
        d, metrics = play("d", d_tx, game.d_loss, *players, numbers, batch, key)
        return state.replace(d=d), metrics

    def g_turn(state, batch, key):
        numbers = schedule(state.hparams, state.step)
        players = state.g, state.d
        g, metrics = play("g", g_tx, game.g_loss, *players, numbers, batch, key)
        g_ema = state.g_ema
        if g_ema is not None:
            weight = 1 - numbers["ema_decay"]
            g_ema = optax.incremental_update((g.params, g.stats), g_ema, weight)
        return state.replace(g=g, g_ema=g_ema), metrics

    return d_turn, g_turn


def make_train_step(
    game: Game,
    d_tx,
    g_tx,
    schedule=lambda hparams, step: hparams,
    update="alternating",
    g_steps=1,
):
    """train_step(state, batch) -> (state, metrics); leaves of `batch` are [k, n, ...].

    d_tx, g_tx: numbers -> optax.GradientTransformation
    schedule:   (hparams, step) -> the numbers of that step
    update:     "alternating" as above, `g_steps` updates of G on the last minibatch
                "simultaneous" as the code of 2014 (k = g_steps = 1): both players move
                from the same parameters, minibatch, latents and dropout masks

    The k updates are unrolled into one program, since a loop costs convolutions dearly
    on CPU; where k is large, `make_turns` gives each update as a program of its own.
    """
    d_turn, g_turn = make_turns(game, d_tx, g_tx, schedule)

    def alternating(state, batch):
        k = len(batch["x"])
        keys = turn_keys(state, k + g_steps)
        for j in range(k):
            state, d_metrics = d_turn(state, minibatch(batch, j), keys[j])
        for key in keys[k:]:
            state, g_metrics = g_turn(state, minibatch(batch, -1), key)
        return state.replace(step=state.step + 1), d_metrics | g_metrics

    def simultaneous(state, batch):
        if len(batch["x"]) != 1:
            raise ValueError("simultaneous updates share one minibatch: k = 1")
        (key,) = turn_keys(state, 1)
        d_moved, d_metrics = d_turn(state, minibatch(batch, 0), key)
        g_moved, g_metrics = g_turn(state, minibatch(batch, 0), key)
        state = g_moved.replace(d=d_moved.d, step=state.step + 1)
        return state, d_metrics | g_metrics

    steps = {"alternating": alternating, "simultaneous": simultaneous}
    if update not in steps or (update == "simultaneous" and g_steps != 1):
        raise ValueError(f"update={update!r} with g_steps={g_steps}")
    return steps[update]
