"""The game of Goodfellow et al. (2014), with any loss, penalty and augmentation."""

import jax

from gan_jax.augmentations import Augmentation
from gan_jax.games import Game
from gan_jax.losses import Loss
from gan_jax.networks import Network, has_batch_norm, same_update


def game(
    G: Network,
    D: Network,
    loss: Loss,
    prior,
    penalty=None,
    augmentation: Augmentation | None = None,
) -> Game:
    """The game between a generator and a discriminator.

    prior:        (key, n) -> z
    penalty:      numbers -> (critic, real, fake, key) -> scalar, added to D's loss
    augmentation: what D sees real and generated examples through
    """
    view = augmentation or Augmentation()

    def latents(key, batch):
        return prior(key, len(batch["x"]))

    def init(key, batch):
        z_key, d_key, g_key = jax.random.split(key, 3)
        d_params, d_stats = D.init(d_key, batch["x"])
        return (d_params, view.carried(d_stats)), G.init(g_key, latents(z_key, batch))

    def generate(params, stats, z, key=None, train=False):
        return G.apply(params, stats, z, key=key, train=train)

    def scores(d_params, d_stats, g_params, g_stats, batch, key):
        # Both losses split the key alike. D sees real and fake in two passes, so that
        # its batch norm uses the statistics of one or the other, never of a mixture.
        keys = jax.random.split(key, 7)
        z_key, g_key, real_key, fake_key, penalty_key, *view_keys = keys
        z = latents(z_key, batch)
        fake, g_stats = generate(g_params, g_stats, z, g_key, train=True)

        def judge(stats, x, view_key, key):
            x = view.apply(d_stats, x, view_key)
            return D.apply(d_params, stats, x, key=key, train=True)

        def critic(x):
            return judge(d_stats, x, view_keys[0], penalty_key)[0]

        d_real, moved = judge(d_stats, batch["x"], view_keys[0], real_key)
        moved = same_update(d_stats, moved)
        d_fake, moved = judge(moved, fake, view_keys[1], fake_key)

        def penalized(numbers):
            return penalty(numbers)(critic, batch["x"], fake, penalty_key)

        return d_real, d_fake, moved, g_stats, penalized

    def d_loss(params, stats, g, numbers, batch, key):
        d_real, d_fake, stats, _, penalized = scores(
            params, stats, g.params, g.stats, batch, key
        )
        stats, metrics = view.update(stats, d_real, numbers)
        metrics = loss.verdicts(d_real, d_fake) | metrics
        value = loss.d(d_real, d_fake)
        if penalty is None:
            return value, (stats, metrics)
        extra = penalized(numbers)
        return value + extra, (stats, metrics | {"loss": value, "penalty": extra})

    def g_loss(params, stats, d, numbers, batch, key):
        d_real, d_fake, _, stats, _ = scores(
            d.params, d.stats, params, stats, batch, key
        )
        return loss.g(d_real, d_fake), (stats, {})

    def score(d, g, batch):
        # D's running statistics are those of real and fake minibatches mixed, by which
        # it never judged in training
        key, train = jax.random.key(0), has_batch_norm(d.stats)
        return D.apply(d.params, d.stats, batch["x"], key=key, train=train)[0]

    return Game(init, d_loss, g_loss, latents, generate, score, loss)
