"""CoGAN (Liu and Tuzel 2016, arXiv:1606.07536): pairs of two domains, never shown any.

Two GANs, whose generators share all but their last layers and whose discriminators all
but their first. A latent stands for a pair that agrees in what is shared.
"""

import jax
import jax.numpy as jnp

from gan_jax.games import Game, Picture
from gan_jax.losses import Loss
from gan_jax.networks import Network, has_batch_norm


def game(G: Network, D: Network, loss: Loss, prior) -> Game:
    """G: z -> (x, other x); D: (x, other x) -> (scores, other scores).

    Latents are {z, domain [n]}; `generate` makes the example of domain 0, that of
    `config.data`, or of domain 1, that of `config.other`.
    """

    def latents(key, batch):
        n = len(batch["x"])
        return {"z": prior(key, n), "domain": jnp.zeros(n, jnp.int32)}

    def init(key, batch):
        z_key, d_key, g_key = jax.random.split(key, 3)
        z = latents(z_key, batch)["z"]
        return D.init(d_key, batch["x"], batch["other"]["x"]), G.init(g_key, z)

    def generate(params, stats, z, key=None, train=False):
        (x, other), stats = G.apply(params, stats, z["z"], key=key, train=train)
        first = (z["domain"] == 0).reshape(-1, *[1] * (x.ndim - 1))
        return jnp.where(first, x, other), stats

    def look(d_params, d_stats, params, stats, batch, key):
        z_key, g_key, real_key, fake_key = jax.random.split(key, 4)
        z = latents(z_key, batch)["z"]
        made, stats = G.apply(params, stats, z, key=g_key, train=True)
        real = batch["x"], batch["other"]["x"]
        d_real, d_stats = D.apply(d_params, d_stats, *real, key=real_key, train=True)
        d_fake, d_stats = D.apply(d_params, d_stats, *made, key=fake_key, train=True)
        return d_real, d_fake, d_stats, stats

    def d_loss(params, stats, g, numbers, batch, key):
        seen = look(params, stats, g.params, g.stats, batch, key)
        d_real, d_fake, stats, _ = seen
        values = [loss.d(r, f) for r, f in zip(d_real, d_fake, strict=True)]
        metrics = loss.verdicts(d_real[0], d_fake[0])
        metrics |= {"loss": values[0], "other_loss": values[1]}
        return sum(values), (stats, metrics)

    def g_loss(params, stats, d, numbers, batch, key):
        seen = look(d.params, d.stats, params, stats, batch, key)
        d_real, d_fake, _, stats = seen
        values = [loss.g(r, f) for r, f in zip(d_real, d_fake, strict=True)]
        return sum(values), (stats, {"loss": values[0], "other_loss": values[1]})

    def score(d, g, batch):
        key, train = jax.random.key(0), has_batch_norm(d.stats)
        x = batch["x"]
        (scores, _), _ = D.apply(d.params, d.stats, x, x, key=key, train=train)
        return scores

    def pairs(key, batch, rows, columns):
        """Rows of domain 0, and below each of them one of domain 1."""
        z = latents(key, {"x": jnp.zeros((-(-rows // 2) * columns, 0))})["z"]
        z = z.reshape(-1, 1, columns, z.shape[-1])
        z = jnp.repeat(z, 2, axis=1).reshape(-1, z.shape[-1])[: rows * columns]
        return {"z": z, "domain": jnp.repeat(jnp.arange(rows) % 2, columns)}

    def draw(params, stats, z):
        return generate(params, stats, z)[0]

    return Game(
        *(init, d_loss, g_loss, latents, generate, score, loss),
        given=("other",),
        pictures=(Picture("samples", pairs, draw),),
    )
