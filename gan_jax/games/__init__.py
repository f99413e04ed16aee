"""Games: what the players want, as pure functions of their parameters.

`gan` is the game of Goodfellow et al. (2014). Another kind of GAN is another function
that returns a `Game`, and the same training step plays it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.losses import Loss
from gan_jax.networks import Network


class Game(NamedTuple):
    """A two-player game as pure functions: all that the training step needs to know.

    Each loss is differentiated in its first argument alone: the opponent, a whole
    `Player`, is data. `numbers` are the values of `TrainState.hparams` at the step,
    `batch` is a dict of arrays [n, ...] with the examples under "x".

    init:     (key, batch) -> ((d_params, d_stats), (g_params, g_stats))
    d_loss:   (d_params, d_stats, g, numbers, batch, key) -> loss, (d_stats, metrics)
    g_loss:   (g_params, g_stats, d, numbers, batch, key) -> loss, (g_stats, metrics)
    latents:  (key, batch) -> z, one for every example of the batch
    generate: (g_params, g_stats, z) -> x, in the mode for sampling (running statistics)
    score:    (d_params, d_stats, x) -> raw scores [n]; a D with batch norm uses the
              statistics of x, as in training: real and generated x come apart
    rehearse: (g_params, g_stats, z, key) -> (x, g_stats), in the mode of training:
              batch statistics, and running ones that have moved
    """

    init: Callable
    d_loss: Callable
    g_loss: Callable
    latents: Callable
    generate: Callable
    score: Callable
    rehearse: Callable


def gan(G: Network, D: Network, loss: Loss, prior) -> Game:
    """The game between a generator and a discriminator; prior: (key, n) -> z."""

    def latents(key, batch):
        return prior(key, len(batch["x"]))

    def init(key, batch):
        z_key, d_key, g_key = jax.random.split(key, 3)
        return D.init(d_key, batch["x"]), G.init(g_key, latents(z_key, batch))

    def scores(d_params, d_stats, g_params, g_stats, x, key):
        # Both losses split the key alike. D sees real and fake in two passes, so that
        # its batch norm uses the statistics of one or the other, never of a mixture.
        z_key, g_key, real_key, fake_key = jax.random.split(key, 4)
        z = prior(z_key, len(x))
        fake, g_stats = G.apply(g_params, g_stats, z, key=g_key, train=True)
        d_real, d_stats = D.apply(d_params, d_stats, x, key=real_key, train=True)
        d_fake, d_stats = D.apply(d_params, d_stats, fake, key=fake_key, train=True)
        return d_real, d_fake, d_stats, g_stats

    def d_loss(params, stats, g, numbers, batch, key):
        x = batch["x"]
        d_real, d_fake, stats, _ = scores(params, stats, g.params, g.stats, x, key)
        metrics = {
            "real": jnp.mean(loss.output(d_real)),
            "fake": jnp.mean(loss.output(d_fake)),
            "real_accuracy": jnp.mean(d_real > loss.equilibrium),
            "fake_accuracy": jnp.mean(d_fake < loss.equilibrium),
        }
        return loss.d(d_real, d_fake), (stats, metrics)

    def g_loss(params, stats, d, numbers, batch, key):
        x = batch["x"]
        d_real, d_fake, _, stats = scores(d.params, d.stats, params, stats, x, key)
        return loss.g(d_real, d_fake), (stats, {})

    def generate(params, stats, z):
        return G.apply(params, stats, z)[0]

    def rehearse(params, stats, z, key):
        return G.apply(params, stats, z, key=key, train=True)

    def score(params, stats, x):
        # D's running statistics are those of real and fake minibatches mixed, by which
        # it never judged in training
        return D.apply(params, stats, x, key=jax.random.key(0), train=bool(stats))[0]

    return Game(init, d_loss, g_loss, latents, generate, score, rehearse)


def draw_latents(game: Game, key, n: int):
    """n latents without data at hand: a batch tells a game only how many it wants."""
    return game.latents(key, {"x": np.empty((n, 0))})
