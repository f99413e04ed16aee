"""What is known of GANs in closed form, as pure functions.

Distributions are arrays of values on an even grid: p and q are the densities of the
data and of the generator at its points, and dx is the spacing. A discrete distribution
is the case dx = 1, where the values are probabilities. Integrals are sums times dx, so
a grid has to reach as far as either density does.

Everything is differentiable jax.numpy and computes in the type of its arguments:
float32 unless JAX is told otherwise. Tails and small differences deserve float64:
`with jax.enable_x64(True):`.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import rel_entr, xlog1py, xlogy

from gan_jax.games import Game
from gan_jax.losses import Loss

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
    """
    return jnp.sum(rel_entr(p, q)) * dx


def js(p, q, dx=1.0):
    """The Jensen-Shannon divergence in nats: symmetric, from 0 to log 2."""
    middle = (p + q) / 2
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
    nothing = (above == 0) & (below == 0)
    return jnp.where(nothing, at_zero, above / jnp.where(nothing, 1, below))


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
    return jnp.sum(p * error(d, 1.0) + q * error(d, 0.0)) * dx


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
    return jnp.sum(q * log_joint - xlogy(q, q), axis=-1)


# --- DiracGAN ---

DiracLoss = Literal["saturating", "non_saturating", "least_squares", "wasserstein"]
Turns = Literal["alternating", "simultaneous"]


def dirac_gan(loss: Loss, gamma: float = 0.0, theta=1.0, psi=1.0) -> Game:
    """The simplest GAN that may fail to converge (Mescheder et al. 2018, section 2).

    The data are zeros [n, 1], G makes theta of every latent, and
    D(x) = e + psi x, where e is the score at equilibrium: 0 unless the loss is
    `least_squares`. gamma weighs R1, gamma / 2 E |D'(x)|^2 over the data. It starts at
    (theta, psi); its equilibrium is (0, 0).
    """

    def score(d_params, d_stats, x):
        return loss.equilibrium + d_params["psi"] * x[:, 0]

    def generate(g_params, g_stats, z):
        return jnp.broadcast_to(g_params["theta"], z.shape)

    def scores(d_params, g_params, x):
        fake = generate(g_params, {}, latents(None, {"x": x}))
        return score(d_params, {}, x), score(d_params, {}, fake)

    def d_loss(params, stats, g, numbers, batch, key):
        slope = jax.grad(lambda x: jnp.sum(score(params, {}, x)))(batch["x"])
        penalty = gamma / 2 * jnp.mean(jnp.sum(jnp.square(slope), axis=-1))
        return loss.d(*scores(params, g.params, batch["x"])) + penalty, (stats, {})

    def g_loss(params, stats, d, numbers, batch, key):
        return loss.g(*scores(d.params, params, batch["x"])), (stats, {})

    def latents(key, batch):
        return jnp.zeros((len(batch["x"]), 1))

    def init(key, batch):
        start = {"psi": jnp.asarray(psi, float)}, {"theta": jnp.asarray(theta, float)}
        return (start[0], {}), (start[1], {})

    def rehearse(params, stats, z, key):
        return generate(params, stats, z), stats

    return Game(init, d_loss, g_loss, latents, generate, score, rehearse)


# d(D's loss) / ds and -d(G's loss) / ds, where s = psi theta is the score of the
# generated point above that of equilibrium
_PULLS = {
    "saturating": (jax.nn.sigmoid, jax.nn.sigmoid),
    "non_saturating": (jax.nn.sigmoid, lambda s: jax.nn.sigmoid(-s)),
    "least_squares": (lambda s: 0.5 + s, lambda s: 0.5 - s),  # targets 0, 1, 1
    "wasserstein": (jnp.ones_like, jnp.ones_like),
}


def dirac_field(loss: DiracLoss, theta, psi, gamma=0.0):
    """The vector field (theta', psi') of gradient descent of both players at once.

    For `loss` as in `losses`, with the keywords' defaults.
    """
    d_pull, g_pull = _PULLS[loss]
    s = jnp.asarray(psi * theta, float)
    return psi * g_pull(s), -theta * d_pull(s) - gamma * psi


def dirac_jacobian(loss: DiracLoss, gamma=0.0):
    """The Jacobian [2, 2] of the field by (theta, psi) at the equilibrium."""
    pull = 1.0 if loss == "wasserstein" else 0.5  # of either player
    return jnp.array([[0.0, pull], [-pull, -gamma]])


def dirac_eigenvalues(loss: DiracLoss, gamma=0.0):
    """Of that Jacobian: -gamma / 2 +- sqrt(gamma^2 / 4 - f'(0)^2), complex [2].

    f'(0) is 1 for `wasserstein` and 1/2 for the others. Without R1 they are imaginary:
    the players go round (Mescheder et al. 2018, sections 2 and 4).
    """
    pull = dirac_jacobian(loss)[0, 1]
    return _roots(trace=-gamma, determinant=pull**2)


def dirac_update_eigenvalues(
    loss: DiracLoss, step, gamma=0.0, turns: Turns = "alternating"
):
    """Of one update of both players near the equilibrium, complex [2].

    step: the learning rate of both

    It converges if both are shorter than 1. Without R1 simultaneous updates never do,
    and alternating ones, D first, keep the length 1 as long as step f'(0) < 2
    (Mescheder et al. 2018, section 2).
    """
    if turns == "simultaneous":
        return 1 + step * dirac_eigenvalues(loss, gamma)
    pull = step * dirac_jacobian(loss)[0, 1]
    kept = 1 - step * gamma
    return _roots(trace=1 + kept - pull**2, determinant=kept)


def _roots(trace, determinant):
    """The eigenvalues of a 2x2 matrix, complex [2]."""
    root = jnp.sqrt(jnp.asarray(trace**2 / 4 - determinant, complex))
    return trace / 2 + jnp.stack([root, -root])


def dirac_trajectory(
    loss: DiracLoss,
    start,
    step,
    steps: int,
    gamma=0.0,
    turns: Turns = "alternating",
):
    """(theta, psi) [steps + 1, 2] under gradient descent of both players from `start`.

    What `train_step` does with SGD on `dirac_gan`.
    """

    def update(point, _):
        theta, psi = point
        moved = psi + step * dirac_field(loss, theta, psi, gamma)[1]
        against = psi if turns == "simultaneous" else moved
        theta = theta + step * dirac_field(loss, theta, against, gamma)[0]
        return (theta, moved), jnp.stack(point)

    start = tuple(jnp.asarray(x, float) for x in start)
    last, path = jax.lax.scan(update, start, length=steps)
    return jnp.concatenate([path, jnp.stack(last)[None]])
