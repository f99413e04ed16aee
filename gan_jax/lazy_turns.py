"""Turns that a player takes every so many steps (`games.Lazy`), after a step's own.

As in StyleGAN2, whose penalties are updates of their own (Karras et al. 2020, section
3.1): what they cost is paid every 4th or 16th step.
"""

import jax

from gan_jax.games import Game
from gan_jax.train_step import minibatch, turn_keys
from gan_jax.turns import play


def make_lazy_turns(game: Game, d_tx, g_tx, schedule, taken: int):
    """[(every, turn)]; turn: (state, minibatch) -> (state, metrics), after the step.

    taken: how many turns a step has at the most, whose keys are the step's first ones
    """

    def make(i, lazy):
        player, opponent = lazy.player, {"d": "g", "g": "d"}[lazy.player]
        tx = {"d": d_tx, "g": g_tx}[player]

        def turn(state, batch):
            before = state.replace(step=state.step - 1)  # the step that is now over
            key = turn_keys(before, taken + len(game.lazy))[taken + i]
            numbers = schedule(before.hparams, before.step)
            players = getattr(state, player), getattr(state, opponent)
            name = f"{player}_lazy"
            moved, metrics = play(name, tx, lazy.loss, *players, numbers, batch, key)
            return state.replace(**{player: moved}), metrics

        return lazy.every, turn

    return [make(i, lazy) for i, lazy in enumerate(game.lazy)]


def with_lazy_turns(train_step, turns):
    """`train_step`, and after it each turn whose time it is, all in one program.

    Their metrics are left out: a program says the same of every step.
    """
    if not turns:
        return train_step

    def step(state, batch):
        state, metrics = train_step(state, batch)
        for every, turn in turns:
            state = jax.lax.cond(
                state.step % every == 0,
                lambda state, batch, turn=turn: turn(state, batch)[0],
                lambda state, batch: state,
                state,
                minibatch(batch, -1),
            )
        return state, metrics

    return step
