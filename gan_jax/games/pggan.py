"""PGGAN: both networks grow, from a few pixels to all (Karras et al. 2018).

With `loss.name="wasserstein"` and `penalty.name="wgan_gp_drift"` as it was published.
"""

from gan_jax.augmentations import Augmentation
from gan_jax.config.ranges import Count, Counts
from gan_jax.games import Game
from gan_jax.games.adversarial import adversarial
from gan_jax.games.gan import noise_alone
from gan_jax.games.growing import Growth, Rates, growing, grown
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
    first: Count = 4,
    fade: Count = 600_000,
    stay: Count = 600_000,
    batches: Counts = (),
    rates: Rates = (),
) -> Game:
    """G: (z, level, fading) -> images and D: (x, level, fading) -> scores.

    Images have the size of the data all the time, at low levels with pixels repeated,
    and so has what a penalty is of, as in the authors' code: distances between images
    do not depend on the level.

    first:   pixels of the first level, a power of two from 4 on
    fade:    examples that D sees, in one update a step, while a level fades in
    stay:    and before the next one does
    batches: of each level from the first on, how many examples of a minibatch it is
             played with; the last is that of all further levels, () the batch size.
             At high levels fewer fit, or serve; the rest of a minibatch is passed over
    rates:   factors of both learning rates, likewise
    """
    growth = Growth.of(shape, batch_size, first, fade, stay, batches, rates)

    latents = noise_alone(prior)

    def at(level, fading=None):
        G_, D_ = (grown(network, level, fading) for network in (G, D))
        return adversarial(G_, D_, loss, latents, penalty, augmentation)

    return growing(at, growth)
