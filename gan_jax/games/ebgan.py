"""EBGAN (Zhao et al. 2017, arXiv:1609.03126): D is an autoencoder, its error an energy.

    D:  E(x) + max(0, margin - E(G(z)))
    G:  E(G(z)) + pull_away * the mean squared cosine between codes of a minibatch

The second term (their section 2.4) keeps G's examples apart.
"""

import jax
import jax.numpy as jnp

from gan_jax.augmentations import Augmentation
from gan_jax.config.ranges import NotNegative, Positive
from gan_jax.games import Game
from gan_jax.games.adversarial import adversarial
from gan_jax.games.gan import noise_alone
from gan_jax.losses import Loss
from gan_jax.networks import Network


def game(
    G: Network,
    D: Network,
    prior,
    penalty=None,
    augmentation: Augmentation | None = None,
    *,
    margin: Positive = 0.3,
    pull_away: NotNegative = 0.1,
) -> Game:
    """D: x -> (reconstruction [n, ..], code [n, d]); scores are -E.

    The energy E is the root of the summed squares of what a reconstruction misses, over
    the square root of the numbers in an example: a root mean square, 0.5 say.

    margin:    up to which D cares about the energy of made examples: above that of real
               ones, and in reach of made ones
    pull_away: weight of the second term; 0.1 in the paper
    """

    def judge(params, stats, x, *, key=None, train=False):
        (again, code), stats = D.apply(params, stats, x, key=key, train=train)
        axes = tuple(range(1, x.ndim))
        return (-_root_mean_square(x - again, axes), code), stats

    latents = noise_alone(prior)

    def within_margin(numbers, seen):
        scores, _ = seen.fake
        term = jnp.mean(jax.nn.relu(numbers["game"]["margin"] + scores))
        return term, {"loss": jnp.mean(-seen.real[0]) + term}

    def apart(numbers, seen):
        _, codes = seen.fake
        term = alikeness(codes)
        return numbers["game"]["pull_away"] * term, {"pull_away": term}

    energy = Loss(
        d=lambda d_real, d_fake: jnp.mean(-d_real),  # the margin's part comes beside it
        g=lambda d_real, d_fake: jnp.mean(-d_fake),
        equilibrium=None,
        logits=False,
    )
    return adversarial(
        *(G, Network(D.init, judge), energy, latents, penalty, augmentation),
        d_also=within_margin,
        g_also=apart,
    )


def _root_mean_square(x, axes):
    # the root has no slope at 0
    return jnp.sqrt(jnp.mean(jnp.square(x), axes) + 1e-12)


def alikeness(codes):
    """The mean squared cosine between different codes [n, d], from 0 to 1."""
    n = len(codes)
    norms = jnp.sqrt(jnp.sum(jnp.square(codes), -1, keepdims=True) + 1e-12)
    cosines = (codes / norms) @ (codes / norms).T
    return (jnp.sum(jnp.square(cosines)) - n) / (n * (n - 1))
