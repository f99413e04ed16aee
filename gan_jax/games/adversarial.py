"""What most games share: G makes examples of latents, D scores real and made ones."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.augmentations import Augmentation
from gan_jax.games import Game
from gan_jax.losses import Loss
from gan_jax.networks import Network, has_batch_norm, same_update


class Seen(NamedTuple):
    """What D says of a minibatch and of as many made examples.

    real, fake:  as it says it
    made:        those examples
    z, batch:    what they were made of, and what is real
    """

    real: Any
    fake: Any
    made: Any
    z: Any
    batch: dict


def score_of(said):
    """The scores [n] in what D says: these alone, or the first of several outputs."""
    return said[0] if isinstance(said, tuple) else said


def of_examples(scores):
    """Scores [n]: of scores of patches, [n, h, w], the mean over each example's."""
    return scores if scores.ndim == 1 else jnp.mean(scores.reshape(len(scores), -1), -1)


def alone(z) -> tuple:
    """A network's inputs where there is one."""
    return (z,)


def nothing(batch) -> tuple:
    """What D is told beside examples, where it is nothing."""
    return ()


def adversarial(
    G: Network,
    D: Network,
    loss: Loss,
    latents: Callable,
    penalty: Callable | None = None,
    augmentation: Augmentation | None = None,
    *,
    inputs: Callable = alone,
    told: Callable = nothing,
    make: Callable | None = None,
    d_also: Callable | None = None,
    g_also: Callable | None = None,
    **fields,
) -> Game:
    """The game between a generator and a discriminator that may say more than a score.

    latents:      (key, batch) -> z
    penalty:      numbers -> (critic, real, fake, key) -> scalar, added to D's loss
    augmentation: what D sees real and generated examples through
    inputs:       z -> the inputs of G
    told:         batch -> the inputs of D beside examples, the same for real and made
    make:         (numbers, g_params, g_stats, z, key) -> (x, g_stats), how G makes
                  examples in training, if not as `generate` does
    d_also, g_also: (numbers, `Seen`) -> (scalar, metrics), added to a player's loss
    fields:       further ones of the `Game`
    """
    view = augmentation or Augmentation()

    def init(key, batch):
        z_key, d_key, g_key = jax.random.split(key, 3)
        d_params, d_stats = D.init(d_key, batch["x"], *told(batch))
        made_of = inputs(latents(z_key, batch))
        return (d_params, view.carried(d_stats)), G.init(g_key, *made_of)

    def generate(params, stats, z, key=None, train=False):
        return G.apply(params, stats, *inputs(z), key=key, train=train)

    def by_generating(numbers, params, stats, z, key):
        return generate(params, stats, z, key, train=True)

    make = make or by_generating

    def look(d_params, d_stats, g_params, g_stats, numbers, batch, key):
        # Both losses split the key alike. D sees real and fake in two passes, so that
        # its batch norm uses the statistics of one or the other, never of a mixture.
        keys = jax.random.split(key, 7)
        z_key, g_key, real_key, fake_key, penalty_key, *view_keys = keys
        z, more = latents(z_key, batch), told(batch)
        fake, g_stats = make(numbers, g_params, g_stats, z, g_key)

        def judge(stats, x, view_key, key):
            x = view.apply(d_stats, x, view_key, numbers)
            return D.apply(d_params, stats, x, *more, key=key, train=True)

        def critic(x):
            return score_of(judge(d_stats, x, view_keys[0], penalty_key)[0])

        real_said, moved = judge(d_stats, batch["x"], view_keys[0], real_key)
        moved = same_update(d_stats, moved)
        fake_said, moved = judge(moved, fake, view_keys[1], fake_key)

        def penalized():
            return penalty(numbers)(critic, batch["x"], fake, penalty_key)

        return Seen(real_said, fake_said, fake, z, batch), moved, g_stats, penalized

    def d_loss(params, stats, g, numbers, batch, key):
        players = params, stats, g.params, g.stats
        seen, stats, _, penalized = look(*players, numbers, batch, key)
        d_real, d_fake = score_of(seen.real), score_of(seen.fake)
        stats, metrics = view.update(stats, d_real - (loss.equilibrium or 0), numbers)
        metrics = loss.verdicts(d_real, d_fake) | metrics
        value = bare = loss.d(d_real, d_fake)
        if d_also is not None:
            more, said = d_also(numbers, seen)
            value, metrics = value + more, metrics | {"loss": bare} | said
        if penalty is not None:
            extra = penalized()
            value = value + extra
            metrics |= {"loss": bare, "penalty": extra}
        return value, (stats, metrics)

    def g_loss(params, stats, d, numbers, batch, key):
        players = d.params, d.stats, params, stats
        seen, _, stats, _ = look(*players, numbers, batch, key)
        value = loss.g(score_of(seen.real), score_of(seen.fake))
        if g_also is None:
            return value, (stats, {})
        more, said = g_also(numbers, seen)
        return value + more, (stats, {"loss": value} | said)

    def score(d, g, batch):
        # D's running statistics are those of real and fake minibatches mixed, by which
        # it never judged in training
        key, train = jax.random.key(0), has_batch_norm(d.stats)
        said, _ = D.apply(
            d.params, d.stats, batch["x"], *told(batch), key=key, train=train
        )
        return of_examples(score_of(said))

    return Game(init, d_loss, g_loss, latents, generate, score, loss, **fields)
