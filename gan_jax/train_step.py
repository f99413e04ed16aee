"""Algorithm 1 of Goodfellow et al. (2014), as one pure function.

    repeat k times:  D takes a step on its loss, on a fresh minibatch and fresh latents
    then:            G takes a step on its own, against the D that has just moved

`make_train_step` returns train_step(state, batch) -> (state, metrics). It is not jitted
and knows nothing of devices, data or logs: `jit` makes it fast, `scan` fuses many
steps, `vmap` trains a population, a sharding spreads it; all from outside. What the
players want is in `games`.
"""

import jax

from gan_jax.games import Game
from gan_jax.state import TrainState
from gan_jax.turns import make_turns


def algorithm_1(k, g_steps=1):
    """Whose turn it is, and on which of the k minibatches of a step: ("d", 0), ..."""
    return [("d", j) for j in range(k)] + [("g", k - 1)] * g_steps


def turn_keys(state: TrainState, n):
    """The keys of the n updates of a step: the run's key stays, the step folds it."""
    return jax.random.split(jax.random.fold_in(state.key, state.step), n)


def minibatch(batch, j):
    """The j-th of the k minibatches of a step."""
    return jax.tree.map(lambda leaf: leaf[j], batch)


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
                "extragradient" (k = g_steps = 1): both move from where they are by the
                gradients of where such an update would take them (Korpelevich 1976;
                with Adam, Gidel et al. 2019, Algorithm 4, whose moments see both)

    The k updates are unrolled into one program, since a loop costs convolutions dearly
    on CPU; where k is large, `make_turns` gives each update as a program of its own.
    """
    turns = make_turns(game, d_tx, g_tx, schedule)

    def alternating(state, batch):
        plan = algorithm_1(count(batch), g_steps)
        metrics = {}
        for key, (player, j) in zip(turn_keys(state, len(plan)), plan, strict=True):
            state, seen = turns[player](state, minibatch(batch, j), key)
            metrics |= seen
        return state, metrics

    def simultaneous(state, batch, d_base=None, g_base=None):
        if count(batch) != 1:
            raise ValueError(f"{update} updates share one minibatch: k = 1")
        (key,) = turn_keys(state, 1)
        d_moved, d_metrics = turns["d"](state, minibatch(batch, 0), key, d_base)
        g_moved, g_metrics = turns["g"](state, minibatch(batch, 0), key, g_base)
        return g_moved.replace(d=d_moved.d), d_metrics | g_metrics

    def extragradient(state, batch):
        ahead, _ = simultaneous(state, batch)
        ahead = ahead.replace(g_ema=state.g_ema)  # of where G has been
        return simultaneous(ahead, batch, state.d.params, state.g.params)

    updates = {
        "alternating": alternating,
        "simultaneous": simultaneous,
        "extragradient": extragradient,
    }
    if update not in updates or (update != "alternating" and g_steps != 1):
        raise ValueError(f"update={update!r} with g_steps={g_steps}")

    def train_step(state, batch):
        state, metrics = updates[update](state, batch)
        return state.replace(step=state.step + 1), metrics

    return train_step


def count(batch) -> int:
    """How many minibatches there are in the batch of a step."""
    return len(jax.tree.leaves(batch)[0])
