"""BiGAN and ALI: G and an encoder E against a D that judges pairs of x and z.

Donahue et al. (2017, arXiv:1605.09782) and Dumoulin et al. (2017, arXiv:1606.00704), at
the same time: D tells (x, E(x)) of real x from (G(z), z). Where it cannot, E inverts G.
ALI's E is stochastic in training.
"""

import jax
import jax.numpy as jnp

from gan_jax.games import Game, Picture
from gan_jax.games.gan import noise_alone
from gan_jax.losses import Loss
from gan_jax.networks import Network, has_batch_norm


def game(G: Network, D: Network, E: Network, loss: Loss, prior) -> Game:
    """E: x -> (z, features); D: (x, z) -> scores. G and E are one player.

    Its parameters and statistics are {"G": .., "E": ..}.
    """

    latents = noise_alone(prior)

    def init(key, batch):
        z_key, d_key, g_key, e_key = jax.random.split(key, 4)
        z, x = latents(z_key, batch), batch["x"]
        (g, g_stats), (e, e_stats) = G.init(g_key, z), E.init(e_key, x)
        return D.init(d_key, x, z), ({"G": g, "E": e}, {"G": g_stats, "E": e_stats})

    def generate(params, stats, z, key=None, train=False):
        x, moved = G.apply(params["G"], stats["G"], z, key=key, train=train)
        return x, stats | {"G": moved}

    def encoded(params, stats, x, key=None, train=False):
        """(z, features), and the player's statistics."""
        codes, moved = E.apply(params["E"], stats["E"], x, key=key, train=train)
        return codes, stats | {"E": moved}

    def look(d_params, d_stats, params, stats, batch, key):
        z_key, g_key, e_key, real_key, fake_key = jax.random.split(key, 5)
        z, x = latents(z_key, batch), batch["x"]
        fake, stats = generate(params, stats, z, g_key, train=True)
        (code, _), stats = encoded(params, stats, x, e_key, train=True)
        d_real, d_stats = D.apply(d_params, d_stats, x, code, key=real_key, train=True)
        d_fake, d_stats = D.apply(d_params, d_stats, fake, z, key=fake_key, train=True)
        return d_real, d_fake, d_stats, stats

    def d_loss(params, stats, g, numbers, batch, key):
        seen = look(params, stats, g.params, g.stats, batch, key)
        d_real, d_fake, stats, _ = seen
        return loss.d(d_real, d_fake), (stats, loss.verdicts(d_real, d_fake))

    def g_loss(params, stats, d, numbers, batch, key):
        seen = look(d.params, d.stats, params, stats, batch, key)
        d_real, d_fake, _, stats = seen
        # E wants its pairs to be taken for those of G: the loss of G both ways round,
        # whose scores are negated so that high means that pairs are E's
        made, coded = loss.g(d_real, d_fake), loss.g(-d_fake, -d_real)
        return made + coded, (stats, {"loss": made, "encoder_loss": coded})

    def encode(g, x):
        return encoded(g.params, g.stats, x)[0][0]

    def features(g, x):
        return encoded(g.params, g.stats, x)[0][1]

    def score(d, g, batch):
        key, train = jax.random.key(0), has_batch_norm(d.stats)
        x = batch["x"]
        return D.apply(d.params, d.stats, x, encode(g, x), key=key, train=train)[0]

    def some_examples(key, batch, rows, columns):
        return batch["x"].reshape(rows, columns, *batch["x"].shape[1:])

    def beside_themselves(params, stats, x):
        """Rows of examples; below each of them one of what G makes of E's codes."""
        flat = x[: (len(x) + 1) // 2].reshape(-1, *x.shape[2:])
        (codes, _), _ = encoded(params, stats, flat)
        again, _ = generate(params, stats, codes)
        pairs = [part.reshape(-1, *x.shape[1:]) for part in (flat, again)]
        shown = jnp.stack(pairs, 1).reshape(-1, *x.shape[1:])[: len(x)]
        return shown.reshape(-1, *x.shape[2:])

    return Game(
        *(init, d_loss, g_loss, latents, generate, score, loss),
        encode=encode,
        features=features,
        pictures=(Picture("reconstructions", some_examples, beside_themselves),),
    )
