"""What is known of GANs in closed form, as pure functions.

Distributions are arrays of values on an even grid: p and q are the densities of the
data and of the generator at its points, and dx is the spacing. A discrete distribution
is the case dx = 1, where the values are probabilities. Integrals are sums times dx, so
a grid has to reach as far as either density does.

Everything is differentiable jax.numpy and computes in the type of its arguments:
float32 unless JAX is told otherwise. Tails and small differences deserve float64:
`with jax.enable_x64(True):`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import rel_entr, xlog1py, xlogy

# --- distributions ---


def mixture(weights, means, stds):
    """The density of normal distributions with these weights: x -> p(x).

    The weights are taken relative to their sum.
    """
    total = sum(weights)
    parts = list(zip(weights, means, stds, strict=True))

    def density(x):
        return sum(
            w / total * jax.scipy.stats.norm.pdf(x, mean, std) for w, mean, std in parts
        )

    return density


def bars_and_stripes(side: int = 2):
    """The pictures [n, side * side] of 0 and 1 whose columns, or whose rows, are each
    of one colour: n = 2^(side + 1) - 2, a data set that can be listed (MacKay 2003).
    """
    lines = (jnp.arange(2**side)[:, None] >> jnp.arange(side)[None]) & 1
    columns = jnp.tile(lines, side)
    rows = jnp.repeat(lines, side, axis=1)
    # the empty and the full picture are both
    return jnp.concatenate([columns, rows[1:-1]])


# --- divergences ---


def kl(p, q, dx=1.0):
    """KL(p || q) in nats: infinite where q misses what p has, blind where p has nothing
    (Kullback and Leibler 1951).

    Far out q is too small for a number and 0, where p may still be one: p counts as
    nothing there if it is less than 1e-19 of its greatest value in float32.
    """
    tiny = jnp.finfo(jnp.result_type(p, q)).tiny
    lost = (q < tiny) & (p < tiny**0.5 * jnp.max(p))
    p, q = jnp.where(lost, 0, p), jnp.where(lost, 1, q)
    return jnp.sum(rel_entr(p, q)) * dx


def js(p, q, dx=1.0):
    """The Jensen-Shannon divergence in nats: symmetric, from 0 to log 2."""
    middle = (p + q) / 2
    # half of the smallest number is 0; so far out there is nothing to be counted
    seen = middle >= jnp.finfo(middle.dtype).tiny
    p, q = jnp.where(seen, p, 0), jnp.where(seen, q, 0)
    return (kl(p, middle, dx) + kl(q, middle, dx)) / 2


def bits(nats):
    """The same information counted in bits: log 2 nats are one."""
    return nats / jnp.log(2.0)


def pearson_chi2(p, q, dx=1.0):
    """Pearson's chi2(p || q), the integral of (p - q)^2 / p.

    As the papers of f-GAN and LSGAN write it: the first argument divides.
    """
    return jnp.sum(_ratio(jnp.square(p - q), p, at_zero=0.0)) * dx


def wasserstein1(p, q, dx=1.0):
    """The earth mover's distance: the integral of |CDF of p - CDF of q|.

    In units of x: grid points of a discrete distribution are 1 apart.
    """
    return jnp.sum(jnp.abs(jnp.cumsum((p - q) * dx))) * dx


def wasserstein1_of_samples(x, y):
    """The earth mover's distance between samples x [n] and y [m] of numbers."""
    points = jnp.sort(jnp.concatenate([x, y]))

    def cdf(sample):
        below = jnp.searchsorted(jnp.sort(sample), points[:-1], side="right")
        return below.astype(points.dtype) / len(sample)

    return jnp.sum(jnp.abs(cdf(x) - cdf(y)) * jnp.diff(points))


def _ratio(above, below, at_zero):
    """above / below, and `at_zero` where both vanish, with gradients that are finite"""
    tiny = jnp.finfo(jnp.result_type(above, below)).tiny
    nothing = (jnp.abs(above) < tiny) & (jnp.abs(below) < tiny)
    above, below = jnp.where(nothing, 0, above), jnp.where(nothing, 1, below)
    return jnp.where(nothing, at_zero, _quotient(above, below))


@jax.custom_jvp
def _quotient(above, below):
    """above / below; its derivative divides twice, where a square would underflow."""
    return above / below


@_quotient.defjvp
def _quotient_jvp(primals, tangents):
    (above, below), (above_dot, below_dot) = primals, tangents
    ratio = _quotient(above, below)
    return ratio, above_dot / below - ratio * (below_dot / below)


# --- the discriminator at its best, and what is left to the generator ---


def cross_entropy(output, target):
    """Error(D, target) of the GAN: -log D for the target 1, -log(1 - D) for 0."""
    return -xlogy(target, output) - xlog1py(1 - target, -output)


def half_square(output, target):
    """Error(D, target) of LSGAN: (D - target)^2 / 2."""
    return jnp.square(output - target) / 2


def discriminator_loss(error, p, q, d, dx=1.0):
    """Error(D(x), 1) + Error(D(G(z)), 0), each in expectation.

    d: what D says at the points of the grid. With `cross_entropy` the loss is -V(G, D),
    with `half_square` it is that of LSGAN for targets 1 and 0.
    """

    def expected(weight, target):  # an infinite error costs nothing where nothing is
        return weight * error(jnp.where(weight > 0, d, 0.5), target)

    return jnp.sum(expected(p, 1.0) + expected(q, 0.0)) * dx


def value(p, q, d, dx=1.0):
    """V(G, D) = E log D(x) + E log(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1).

    d: D's probabilities at the points of the grid. Far from the data D* rounds to 1
       and V to -infinity; `criterion` has no such trouble
    """
    return jnp.sum(xlogy(p, d) + xlog1py(q, -d)) * dx


def optimal_discriminator(p, q):
    """D* = p / (p + q), which maximises V for a fixed G (2014, proposition 1).

    1/2 where neither has anything: there any D is as good.
    """
    return _ratio(p, p + q, at_zero=0.5)


def criterion(p, q, dx=1.0):
    """C(G) = V(G, D*) = -log 4 + 2 JSD(p, q) (2014, theorem 1)."""
    return -jnp.log(4.0) + 2 * js(p, q, dx)


def least_squares_discriminator(p, q, *, real_target=1.0, fake_target=0.0):
    """LSGAN's D* = (b p + a q) / (p + q) (Mao et al. 2017, eq. 4)."""
    share = optimal_discriminator(p, q)
    return real_target * share + fake_target * (1 - share)


def least_squares_criterion(
    p, q, dx=1.0, *, real_target=1.0, fake_target=0.0, g_target=1.0
):
    """LSGAN's C(G) = E[(D*(x) - c)^2] / 2 + E[(D*(G(z)) - c)^2] / 2 (2017, eq. 5).

    1/4 + chi2(p + q || 2 q) / 8 for the targets b, a, c = 1, 0, 1, and
    chi2(p + q || 2 q) / 2 for 1, -1, 0. The first term, over the data, is the paper's
    for the analysis: it does not depend on G as long as D stands still, and the loss
    that G is trained with lacks it.
    """
    d = least_squares_discriminator(
        p, q, real_target=real_target, fake_target=fake_target
    )
    return jnp.sum((p + q) * half_square(d, g_target)) * dx


class Curve(NamedTuple):
    """G's loss at one sample, and its slopes by D(G(z)) and by D's logit."""

    loss: jax.Array
    by_output: jax.Array
    by_logit: jax.Array


def saturating(d) -> Curve:
    """log(1 - D), where d = D(G(z)): as d goes to 0, so does the slope by the logit."""
    return Curve(jnp.log1p(-d), -1 / (1 - d), -d)


def non_saturating(d) -> Curve:
    """-log D, where d = D(G(z)): the slope by the logit goes to -1 as d goes to 0."""
    return Curve(-jnp.log(d), -1 / d, d - 1)


def elbo(log_joint, q):
    """The evidence lower bound on log p(x): the sum over z of q (log p(x, z) - log q).

    log_joint: log p(x, z) [..., z]
    q:         any distribution over z, of the same shape; the bound is off by
               KL(q || p(z | x))
    """
    log_joint = jnp.where(q > 0, log_joint, 0)  # q may leave out what p excludes
    return jnp.sum(q * log_joint - xlogy(q, q), axis=-1)
