"""The DiracGAN: two numbers that show when training converges, in closed form.

The simplest GAN that may fail to converge (Mescheder et al. 2018, section 2). The data
are zeros, G makes theta of every latent, and D(x) = e + psi x, where e is the loss's
score at equilibrium, or 0 where it has none. The equilibrium is (0, 0).
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from gan_jax.games import Game
from gan_jax.losses import Loss

# as in `losses`, with the keywords' defaults; the last five are divergences of `f_gan`,
# whose "gan" is `saturating`
DiracLoss = Literal[
    "saturating",
    "non_saturating",
    "least_squares",
    "wasserstein",
    "hinge",
    "relativistic",
    "relativistic_average",
    "kl",
    "reverse_kl",
    "squared_hellinger",
    "pearson",
    "jensen_shannon",
]
Turns = Literal["alternating", "simultaneous"]


def game(loss: Loss, gamma: float = 0.0, theta=1.0, psi=1.0) -> Game:
    """The game, on data zeros [n, 1], that starts at (theta, psi).

    gamma weighs R1, gamma / 2 E |D'(x)|^2 over the data.
    """

    rest = loss.equilibrium or 0.0  # any number will do where scores have no zero

    def score_of(params, x):
        return rest + params["psi"] * x[:, 0]

    def score(d, g, batch):
        return score_of(d.params, batch["x"])

    def generate(params, stats, z, key=None, train=False):
        return jnp.broadcast_to(params["theta"], z.shape), stats

    def scores(d_params, g_params, x):
        fake, _ = generate(g_params, {}, latents(None, {"x": x}))
        return score_of(d_params, x), score_of(d_params, fake)

    def d_loss(params, stats, g, numbers, batch, key):
        value = loss.d(*scores(params, g.params, batch["x"]))
        if not gamma:
            return value, (stats, {})
        slope = jax.grad(lambda x: jnp.sum(score_of(params, x)))(batch["x"])
        penalty = gamma / 2 * jnp.mean(jnp.sum(jnp.square(slope), axis=-1))
        return value + penalty, (stats, {"loss": value, "penalty": penalty})

    def g_loss(params, stats, d, numbers, batch, key):
        return loss.g(*scores(d.params, params, batch["x"])), (stats, {})

    def latents(key, batch):
        return jnp.zeros((len(batch["x"]), 1))

    def init(key, batch):
        start = {"psi": jnp.asarray(psi, float)}, {"theta": jnp.asarray(theta, float)}
        return (start[0], {}), (start[1], {})

    return Game(init, d_loss, g_loss, latents, generate, score, loss)


def _one(s):
    return jnp.ones_like(s)


def _fooled(s):
    return jax.nn.sigmoid(-s)


# d(D's loss) / ds and -d(G's loss) / ds, where s = psi theta is the score of the
# generated point above that of equilibrium
_PULLS: dict[str, tuple[Callable, Callable]] = {
    "saturating": (jax.nn.sigmoid, jax.nn.sigmoid),
    "non_saturating": (jax.nn.sigmoid, _fooled),
    "least_squares": (lambda s: 0.5 + s, lambda s: 0.5 - s),  # targets 0, 1, 1
    "wasserstein": (_one, _one),
    "hinge": (lambda s: jnp.where(s > -1, 1.0, 0.0), _one),
    "relativistic": (jax.nn.sigmoid, _fooled),
    "relativistic_average": (
        lambda s: 2 * jax.nn.sigmoid(s),
        lambda s: 2 * _fooled(s),
    ),
    "kl": (jnp.exp, jnp.exp),
    "reverse_kl": (_one, _one),
    "squared_hellinger": (jnp.exp, jnp.exp),
    "pearson": (lambda s: 1 + s / 2, lambda s: 1 + s / 2),
    "jensen_shannon": (jax.nn.sigmoid, jax.nn.sigmoid),
}


def field(loss: DiracLoss, theta, psi, gamma=0.0, weight=0.0):
    """The vector field (theta', psi') of gradient descent of both players at once.

    gamma:  of R1, whose pull on psi is -gamma psi
    weight: of WGAN-GP with target 1, weight (|psi| - 1)^2 wherever it looks
    """
    d_pull, g_pull = _PULLS[loss]
    s = jnp.asarray(psi * theta, float)
    to_slope_one = 2 * weight * (jnp.sign(psi) - psi)
    return psi * g_pull(s), -theta * d_pull(s) - gamma * psi + to_slope_one


def jacobian(loss: DiracLoss, gamma=0.0):
    """The Jacobian [2, 2] of the field by (theta, psi) at the equilibrium.

    Without WGAN-GP, whose pull jumps there.
    """
    d_pull, g_pull = (pull(jnp.asarray(0.0, float)) for pull in _PULLS[loss])
    return jnp.array([[0.0, g_pull], [-d_pull, -gamma]])


def eigenvalues(loss: DiracLoss, gamma=0.0):
    """Of that Jacobian: -gamma / 2 +- sqrt(gamma^2 / 4 - f'(0)^2), complex [2].

    f'(0), either player's pull there, is 1/2 for the cross-entropies of one score or of
    a pair and for `least_squares`, and 1 for the others. Without R1 they are imaginary:
    the players go round (Mescheder et al. 2018, sections 2 and 4).
    """
    pull = jacobian(loss)[0, 1]
    return _roots(trace=-gamma, determinant=pull**2)


def update_eigenvalues(loss: DiracLoss, step, gamma=0.0, turns: Turns = "alternating"):
    """Of one update of both players near the equilibrium, complex [2].

    step: the learning rate of both

    It converges if both are shorter than 1. Without R1 simultaneous updates never do,
    and alternating ones, D first, keep the length 1 as long as step f'(0) < 2
    (Mescheder et al. 2018, section 2).
    """
    if turns == "simultaneous":
        return 1 + step * eigenvalues(loss, gamma)
    pull = step * jacobian(loss)[0, 1]
    kept = 1 - step * gamma
    return _roots(trace=1 + kept - pull**2, determinant=kept)


def _roots(trace, determinant):
    """The eigenvalues of a 2x2 matrix, complex [2]."""
    root = jnp.sqrt(jnp.asarray(trace**2 / 4 - determinant, complex))
    return trace / 2 + jnp.stack([root, -root])


def trajectory(
    loss: DiracLoss,
    start,
    step,
    steps: int,
    gamma=0.0,
    turns: Turns = "alternating",
    weight=0.0,
):
    """(theta, psi) [steps + 1, 2] under gradient descent of both players from `start`.

    What `train_step` does with SGD on `game`.
    """

    def update(point, _):
        theta, psi = point
        moved = psi + step * field(loss, theta, psi, gamma, weight)[1]
        against = psi if turns == "simultaneous" else moved
        theta = theta + step * field(loss, theta, against)[0]
        return (theta, moved), jnp.stack(point)

    start = tuple(jnp.asarray(x, float) for x in start)
    last, path = jax.lax.scan(update, start, length=steps)
    return jnp.concatenate([path, jnp.stack(last)[None]])
