"""Games: what the players want, as pure functions. A file for each kind of GAN.

Each file defines `game(...)`, which returns a `Game`. What it is made of it asks for by
the names of its parameters (see `config.resolve`): networks G and D, a loss, a prior, a
penalty, an augmentation, and facts of the data. Its keywords are those of
`config.game`, and the numbers among these are `numbers["game"]` at every step.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from gan_jax.losses import Loss


class Lazy(NamedTuple):
    """A turn of its own that a player takes every so many steps, after their turns.

    player: "d" or "g"
    loss:   as `Game.d_loss` or `Game.g_loss`
    every:  steps from one such turn to the next
    """

    player: str
    loss: Callable
    every: int


class Game(NamedTuple):
    """A two-player game as pure functions: all that the training step needs to know.

    Each loss is differentiated in its first argument alone: the opponent, a whole
    `Player`, is data. A player of several networks has dicts of them for params and
    stats. `numbers` are the values of `TrainState.hparams` at the step, `batch` is a
    dict of arrays [n, ...] with the examples under "x", labels under "y".

    init:     (key, batch) -> ((d_params, d_stats), (g_params, g_stats))
    d_loss:   (d_params, d_stats, g, numbers, batch, key) -> loss, (d_stats, metrics);
              where more is minimised than the loss that `loss` speaks of, metrics have
              that loss under "loss" and the rest under "penalty"
    g_loss:   (g_params, g_stats, d, numbers, batch, key) -> loss, (g_stats, metrics)
    latents:  (key, batch) -> z, what samples are made of, one for every example
    generate: (g_params, g_stats, z, key=None, train=False) -> (x, g_stats): for
              sampling, or as in training, by batch statistics and with statistics moved
    score:    (d, g, batch) -> raw scores [n] of batch["x"]; a D with batch norm uses
              the statistics of x, as in training: real and generated x come apart
    loss:     how scores are read
    encode:   (g, x) -> z, where a player goes the way from data to latents
    lazy:     turns that are taken every so many steps
    phases:   (first step, game), ..., the first of them at step 0: the same game in
              programs that need not ask how far it has come; none if it never asks
    """

    init: Callable
    d_loss: Callable
    g_loss: Callable
    latents: Callable
    generate: Callable
    score: Callable
    loss: Loss
    encode: Callable | None = None
    lazy: tuple[Lazy, ...] = ()
    phases: tuple[tuple[int, "Game"], ...] = ()


def sampling(game: Game) -> Callable:
    """The game's way to sample, compiled: (g_params, g_stats, z) -> x."""
    return jax.jit(lambda params, stats, z: game.generate(params, stats, z)[0])


def draw_latents(game: Game, key, n: int, **given):
    """n latents without data at hand: a batch tells a game how many it wants.

    given: what else the latents of this game are made of, such as y [n]
    """
    return game.latents(key, {"x": np.empty((n, 0)), **given})
