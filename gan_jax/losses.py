"""The objectives of the two players, as functions of D's raw scores.

Conventions: scores are raw (no sigmoid inside D) and high means real; both losses are
minimised; every expectation is a mean over the minibatch. Each factory's keywords are
the keywords of `config.loss`.
"""

import math
import typing
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.errors import UsageError

Terms = Literal["sum", "mean"]
Divergence = Literal[
    "kl", "reverse_kl", "squared_hellinger", "pearson", "jensen_shannon", "gan"
]
Aim = Literal["minimax", "non_saturating"]


class Loss(NamedTuple):
    """What each player minimises.

    d:           (d_real, d_fake) -> scalar, the discriminator's loss
    g:           (d_real, d_fake) -> scalar, the generator's loss
    equilibrium: the score that the best D gives to everything once p_g = p_data; None
                 where a constant added to all scores changes nothing
    logits:      whether a score is the logit of the probability that x is real
    """

    d: Callable
    g: Callable
    equilibrium: float | None
    logits: bool

    def output(self, scores):
        """What D says: the probability of real where scores are logits, else scores."""
        return jax.nn.sigmoid(scores) if self.logits else scores

    @property
    def rest(self) -> float | None:
        """What D says at equilibrium; None where that is not known."""
        if self.equilibrium is None:
            return None
        return float(self.output(jnp.float32(self.equilibrium)))

    @property
    def losses_at_rest(self) -> tuple[float | None, float | None]:
        """What D's and G's losses are at equilibrium, each None where not known.

        Where scores are known up to a constant, a loss is if the constant changes
        nothing.
        """
        known = self.equilibrium is not None
        scores = [jnp.float32([s]) for s in ([self.equilibrium] if known else [0, 1])]
        values = [{float(f(s, s)) for s in scores} for f in (self.d, self.g)]
        d, g = (found.pop() if len(found) == 1 else None for found in values)
        return d, g

    def verdicts(self, d_real, d_fake) -> dict:
        """D's mean outputs, and how often it is on the right side of the equilibrium.

        Without one the line is drawn midway between the two mean scores.
        """
        middle = self.equilibrium
        if middle is None:
            middle = (jnp.mean(d_real) + jnp.mean(d_fake)) / 2
        return {
            "real": jnp.mean(self.output(d_real)),
            "fake": jnp.mean(self.output(d_fake)),
            "real_accuracy": jnp.mean(d_real > middle),
            "fake_accuracy": jnp.mean(d_fake < middle),
        }


def _check(name, value, kind):
    accepted = typing.get_args(kind)
    if value not in accepted:
        raise UsageError(f"{name}={value!r}; accepted: {', '.join(accepted)}")


def _combine(real_term, fake_term, terms: Terms):
    _check("terms", terms, Terms)
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


def _mean_score(d_real, d_fake):
    return -jnp.mean(d_fake)


def wasserstein() -> Loss:
    """WGAN (Arjovsky et al. 2017, eq. 2): the difference of the two mean scores.

    With the best D among those of slope at most 1, -d is the Wasserstein-1 distance;
    it takes a constraint or a penalty to keep D among them.
    """

    def d(d_real, d_fake):
        return jnp.mean(d_fake) - jnp.mean(d_real)

    return Loss(d, _mean_score, equilibrium=None, logits=False)


def hinge() -> Loss:
    """The hinge loss (Lim and Ye 2017; Miyato et al. 2018).

    D learns from real scores below 1 and fake ones above -1, its values at the best;
    once p_g = p_data any score between is as good, and 0 stands for them.
    """

    def d(d_real, d_fake):
        return jnp.mean(jax.nn.relu(1 - d_real)) + jnp.mean(jax.nn.relu(1 + d_fake))

    return Loss(d, _mean_score, equilibrium=0.0, logits=False)


def relativistic() -> Loss:
    """RpGAN (Jolicoeur-Martineau 2018; R3GAN, Huang et al. 2024, eq. 2).

    Of the i-th real and the i-th fake example D says which is real, with the difference
    of their scores for a logit; G wants it mistaken.
    """

    def d(d_real, d_fake):
        return jnp.mean(jax.nn.softplus(d_fake - d_real))

    return _both_ways(d)


def relativistic_average() -> Loss:
    """RaGAN (Jolicoeur-Martineau 2018), with the cross-entropy.

    The logit of x is its score above the mean score of the other kind's minibatch. G
    wants both kinds mistaken, and so has a gradient from the real scores, too.
    """

    def d(d_real, d_fake):
        real_term = jnp.mean(jax.nn.softplus(jnp.mean(d_fake) - d_real))
        fake_term = jnp.mean(jax.nn.softplus(d_fake - jnp.mean(d_real)))
        return real_term + fake_term

    return _both_ways(d)


def _both_ways(d):
    """G wants the opposite kind above; both players see differences of scores alone."""
    return Loss(d, lambda real, fake: d(fake, real), equilibrium=None, logits=False)


def f_gan(*, divergence: Divergence, g: Aim = "minimax") -> Loss:
    """f-GAN (Nowozin et al. 2016): D bounds an f-divergence of data p and samples q.

    With T = g_f(score), g_f its "output activation", D maximises E_p T - E_q f*(T); at
    most, where T = f'(p / q), this is the integral of q f(p / q).

    divergence: kl, reverse_kl      KL(p || q), KL(q || p)
                squared_hellinger   the integral of (sqrt p - sqrt q)^2
                pearson             that of (p - q)^2 / q (the paper prints / p)
                jensen_shannon, gan 2 JS(p, q), and the same - log 4: `saturating`
    g:          G minimises the bound, or maximises E_q T (section 3.2); pearson's bound
                drives it down from scores below -2, which no p / q has

    The first three have exponentials of scores, which follow their tangent from exp(30)
    on: losses and gradients, squared ones too, fit float32 and keep their signs.
    """
    _check("divergence", divergence, Divergence)
    _check("g", g, Aim)
    real, fake, equilibrium, logits = _F_GAN[divergence]
    wanted = fake if g == "minimax" else real
    return Loss(
        d=lambda d_real, d_fake: jnp.mean(fake(d_fake)) - jnp.mean(real(d_real)),
        g=lambda d_real, d_fake: -jnp.mean(wanted(d_fake)),
        equilibrium=equilibrium,
        logits=logits,
    )


def _exp(v, straight=30.0):
    """exp(v), and its tangent at `straight` from there on."""
    return jnp.exp(jnp.minimum(v, straight)) * (1 + jnp.maximum(v - straight, 0))


# g_f(v), f*(g_f(v)), the v where g_f(v) = f'(1), whether the best v is log(p / q)
_F_GAN = {
    "kl": (lambda v: v, lambda v: _exp(v - 1), 1.0, False),
    "reverse_kl": (lambda v: -_exp(-v), lambda v: v - 1, 0.0, True),
    "squared_hellinger": (lambda v: 1 - _exp(-v), lambda v: _exp(v) - 1, 0.0, False),
    "pearson": (lambda v: v, lambda v: jnp.square(v) / 4 + v, 0.0, False),
    "jensen_shannon": (
        lambda v: math.log(2) - jax.nn.softplus(-v),
        lambda v: jax.nn.softplus(v) - math.log(2),
        0.0,
        True,
    ),
    "gan": (lambda v: -jax.nn.softplus(-v), jax.nn.softplus, 0.0, True),
}
