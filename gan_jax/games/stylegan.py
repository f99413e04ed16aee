"""StyleGAN, the first: G grows, and is told of latents by styles (Karras et al. 2019).

With `loss.name="non_saturating"` and `penalty.name="r1"` as it was published for FFHQ.
"""

import functools

import jax

from gan_jax.augmentations import Augmentation
from gan_jax.config.ranges import Count, CountOrZero, Counts, Probability
from gan_jax.games import Game
from gan_jax.games.adversarial import adversarial, alone
from gan_jax.games.gan import noise_alone
from gan_jax.games.growing import Growth, Rates, growing, grown
from gan_jax.games.styles import Styles, style_mixing
from gan_jax.losses import Loss
from gan_jax.networks import Network


def game(
    G: Network,
    D: Network,
    loss: Loss,
    prior,
    shape,
    batch_size,
    penalty=None,
    augmentation: Augmentation | None = None,
    *,
    first: Count = 8,
    fade: Count = 600_000,
    stay: Count = 600_000,
    batches: Counts = (),
    rates: Rates = (),
    mixing: Probability = 0.9,
    truncated: CountOrZero = 8,
) -> Game:
    """G has the methods `mapping` and `synthesis`, see `games.styles`; it grows.

    As in the authors' code the average of G forgets by examples: config.ema_decay is of
    the largest minibatch of a level, and the root of it is of half as many.

    first, fade, stay, batches, rates: as in `pggan`
    mixing:    how likely an example has styles of two latents, among the layers of the
               level
    truncated: the first so many styles of an image are what samples are truncated by
    """
    growth = Growth.of(shape, batch_size, first, fade, stay, batches, rates)

    latents = noise_alone(prior)

    def at(level, fading=None):
        styles = Styles(grown(G, level, fading), alone)

        def make(numbers, params, stats, z, key):
            z_key, mix_key, g_key = jax.random.split(key, 3)
            how = prior(z_key, len(z)), mix_key, numbers["game"]["mixing"]
            w, stats = styles.mixed(params, stats, z, *how)
            return styles.synthesis(params, stats, w, g_key, train=True)

        return adversarial(
            Network(styles.init, styles.generate),
            grown(D, level, fading),
            *(loss, latents, penalty, augmentation),
            make=make,
            truncate=functools.partial(styles.truncate, layers=truncated),
            pictures=(style_mixing(styles, latents),),
        )

    return growing(at, growth, by_examples=True)
