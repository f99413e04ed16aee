"""The objectives of the two players, as functions of D's raw scores.

Conventions: scores are raw (no sigmoid inside D) and high means real; both losses are
minimised; every expectation is a mean over the minibatch. Each factory's keywords are
the keywords of `config.loss`.
"""

import typing
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

Terms = Literal["sum", "mean"]


class Loss(NamedTuple):
    """What each player minimises.

    d:           (d_real, d_fake) -> scalar, the discriminator's loss
    g:           (d_real, d_fake) -> scalar, the generator's loss
    equilibrium: the score that the best D gives to everything once p_g = p_data
    logits:      whether a score is the logit of the probability that x is real
    """

    d: Callable
    g: Callable
    equilibrium: float
    logits: bool

    def output(self, scores):
        """What D says: the probability of real where scores are logits, else scores."""
        return jax.nn.sigmoid(scores) if self.logits else scores


def _combine(real_term, fake_term, terms: Terms):
    if terms not in typing.get_args(Terms):
        raise ValueError(f"terms={terms!r}; accepted: sum, mean")
    total = real_term + fake_term
    return total if terms == "sum" else 0.5 * total


def _cross_entropy(d_real, d_fake, terms: Terms):
    # -log D(x) - log(1 - D(G(z))); softplus neither overflows nor loses its gradient
    real_term = jnp.mean(jax.nn.softplus(-d_real))
    fake_term = jnp.mean(jax.nn.softplus(d_fake))
    return _combine(real_term, fake_term, terms)


def saturating(*, terms: Terms = "sum") -> Loss:
    """The minimax game of Goodfellow et al. (2014): G minimises log(1 - D(G(z))).

    G's gradient vanishes where D is sure that a sample is fake.

    terms: whether D's loss is the sum of its real and its fake term, as in the paper,
           or their mean, as in the paper's code; it sets D's effective learning rate.
    """
    return Loss(
        d=lambda d_real, d_fake: _cross_entropy(d_real, d_fake, terms),
        g=lambda d_real, d_fake: -jnp.mean(jax.nn.softplus(d_fake)),
        equilibrium=0.0,
        logits=True,
    )


def non_saturating(*, terms: Terms = "sum") -> Loss:
    """G minimises -log D(G(z)) (Goodfellow et al. 2014, section 3).

    The same fixed point as `saturating`, with strong gradients where D is sure.

    terms: as in `saturating`.
    """
    return Loss(
        d=lambda d_real, d_fake: _cross_entropy(d_real, d_fake, terms),
        g=lambda d_real, d_fake: jnp.mean(jax.nn.softplus(-d_fake)),
        equilibrium=0.0,
        logits=True,
    )


def least_squares(
    *,
    real_target: float = 1.0,
    fake_target: float = 0.0,
    g_target: float = 1.0,
    terms: Terms = "sum",
) -> Loss:
    """LSGAN (Mao et al. 2017, eq. 2): half the squared distance to a target.

    real_target, fake_target, g_target are the paper's b, a, c; (1, 0, 1) is its
    "0-1 coding", and (1, -1, 0) minimises Pearson's chi-squared divergence.

    terms: the sum is the paper's; the mean halves D's loss once more.
    """

    def half_square(scores, target):
        return 0.5 * jnp.mean(jnp.square(scores - target))

    def d(d_real, d_fake):
        real_term = half_square(d_real, real_target)
        fake_term = half_square(d_fake, fake_target)
        return _combine(real_term, fake_term, terms)

    return Loss(
        d=d,
        g=lambda d_real, d_fake: half_square(d_fake, g_target),
        equilibrium=(real_target + fake_target) / 2,
        logits=False,
    )
