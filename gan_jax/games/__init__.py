"""Games: what the players want, as pure functions. A file for each kind of GAN.

Each file defines `game(...)`, which returns a `Game`. What it is made of it asks for by
the names of its parameters (see `config.resolve`): networks G and D, a loss, a prior, a
penalty, an augmentation, and facts of the data. Its keywords are those of
`config.game`, and the numbers among these are `numbers["game"]` at every step. What
most games share is in `adversarial`.
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


class Picture(NamedTuple):
    """A grid of what G makes, all through a run of the same inputs.

    name:     of its file; "samples" stands in the place of the usual grid
    inputs:   (key, batch, rows, columns) -> what stays the same; `batch` has as many
              examples as the grid has places
    draw:     (g_params, g_stats, inputs) -> x [rows * k, ...], row by row, where k is
              about as many as there are columns
    held_out: whether of examples that are not trained on, where there are some
    """

    name: str
    inputs: Callable
    draw: Callable
    held_out: bool = True


class Game(NamedTuple):
    """A two-player game as pure functions: all that the training step needs to know.

    Each loss is differentiated in its first argument alone: the opponent, a whole
    `Player`, is data. A player of several networks has dicts of them for params and
    stats. `numbers` are the values of `TrainState.hparams` at the step, `batch` is a
    dict of arrays [n, ...] with the examples under "x", labels under "y", images that
    they are translated from under "input", and under "other" a minibatch of a second
    set, likewise a dict. Latents are an array, or a dict of them, such as z and the
    labels y that samples are to have.

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
    numbers:  (numbers) -> numbers, what the game makes of those of a step, such as
              learning rates of its own
    changes:  steps from which on it is other parameters that learn: the optimizers of
              both players begin anew
    given:    what of a batch it plays with beside x: "y", "input", "other", "other.y";
              with "y" the latents have labels, too
    classify: (d, x) -> logits [n, classes], where D learns the data's labels
    cluster:  (d, x) -> logits [n, k], where it learns categories without names
    features: (g, x) -> [n, d], what a player that encodes has learned to see in x
    measure:  (d, g, numbers, batch, key) -> how far from convergence, where the game
              has a measure of that; less is better
    translate: (g_params, g_stats, x, key) -> x, where G makes images of images; its
              latents are {"input": x}, none that could be drawn without data
    translate_back: the same the other way, where a player goes it
    truncate: (g_params, g_stats, z, psi) -> latents that `generate` takes, nearer to
              what is typical: at psi 1 as they were, at 0 all the same; where the game
              has a way of its own, else `Prior.truncate` is that of its z
    pictures: drawn beside the samples, or in their place
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
    numbers: Callable | None = None
    changes: tuple[int, ...] = ()
    given: tuple[str, ...] = ()
    classify: Callable | None = None
    cluster: Callable | None = None
    features: Callable | None = None
    measure: Callable | None = None
    translate: Callable | None = None
    translate_back: Callable | None = None
    truncate: Callable | None = None
    pictures: tuple[Picture, ...] = ()


def sampler(game: Game) -> Callable:
    """The game's way to sample, compiled: (g_params, g_stats, z) -> x."""
    return jax.jit(lambda params, stats, z: game.generate(params, stats, z)[0])


def draw_latents(game: Game, key, n: int, **given):
    """n latents without data at hand: a batch tells a game how many it wants.

    given: what else the latents of this game are made of, such as y [n]
    """
    return game.latents(key, {"x": np.empty((n, 0)), **given})
