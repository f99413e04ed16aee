"""BEGAN (Berthelot et al. 2017, arXiv:1703.10717): D is an autoencoder.

It is to reconstruct real examples well and made ones badly, by as much as k says, and k
is moved so that E[L(G(z))] = gamma E[L(x)], L the mean absolute error of a pixel.
"""

import jax
import jax.numpy as jnp

from gan_jax.config.ranges import NotNegative, Positive
from gan_jax.games import Game
from gan_jax.games.gan import noise_alone
from gan_jax.losses import wasserstein
from gan_jax.networks import Network


def game(
    G: Network,
    D: Network,
    prior,
    *,
    gamma: Positive = 0.5,
    k_rate: NotNegative = 1e-3,
) -> Game:
    """D: x -> (reconstruction [n, ..], code [n, d]); scores are -L.

    k is carried beside D's statistics, from 0 on.

    gamma:  diversity ratio; smaller ones make samples that are better and more alike
    k_rate: by which k moves at a step
    """

    latents = noise_alone(prior)

    def init(key, batch):
        z_key, d_key, g_key = jax.random.split(key, 3)
        d_params, d_stats = D.init(d_key, batch["x"])
        g = G.init(g_key, latents(z_key, batch))
        return (d_params, {"D": d_stats, "k": jnp.zeros(())}), g

    def errors(params, stats, x, key=None, train=False):
        (again, _), stats = D.apply(params, stats, x, key=key, train=train)
        return jnp.mean(jnp.abs(x - again), axis=tuple(range(1, x.ndim))), stats

    def look(d_params, d_stats, params, stats, batch, key):
        z_key, g_key, real_key, fake_key = jax.random.split(key, 4)
        z = latents(z_key, batch)
        fake, stats = G.apply(params, stats, z, key=g_key, train=True)
        real, d_stats = errors(d_params, d_stats, batch["x"], real_key, train=True)
        made, d_stats = errors(d_params, d_stats, fake, fake_key, train=True)
        return jnp.mean(real), jnp.mean(made), d_stats, stats

    def balance(numbers, real, fake):
        return numbers["game"]["gamma"] * real - fake

    def d_loss(params, stats, g, numbers, batch, key):
        seen = look(params, stats["D"], g.params, g.stats, batch, key)
        real, fake, own, _ = seen
        k, apart = stats["k"], balance(numbers, real, fake)
        moved = jnp.clip(k + numbers["game"]["k_rate"] * apart, 0.0, 1.0)
        metrics = {
            "real": -real,
            "fake": -fake,
            "k": k,
            "convergence": real + jnp.abs(apart),
        }
        stats = {"D": own, "k": jax.lax.stop_gradient(moved)}
        return real - k * fake, (stats, metrics)

    def g_loss(params, stats, d, numbers, batch, key):
        seen = look(d.params, d.stats["D"], params, stats, batch, key)
        _, fake, _, stats = seen
        return fake, (stats, {})

    def score(d, g, batch):
        return -errors(d.params, d.stats["D"], batch["x"])[0]

    def measure(d, g, numbers, batch, key):
        seen = look(d.params, d.stats["D"], g.params, g.stats, batch, key)
        real, fake, _, _ = seen
        return real + jnp.abs(balance(numbers, real, fake))

    return Game(
        # the scores are read as a critic's: only differences say something
        *(init, d_loss, g_loss, latents, G.apply, score, wasserstein()),
        measure=measure,
    )
