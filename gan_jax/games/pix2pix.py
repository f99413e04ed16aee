"""pix2pix (Isola et al. 2017, arXiv:1611.07004): images from images, by pairs of them.

G's noise is dropout, when it is sampled from as in training.
"""

import jax
import jax.numpy as jnp

from gan_jax.config.ranges import NotNegative
from gan_jax.games import Game, Picture
from gan_jax.games.adversarial import adversarial
from gan_jax.games.translation import in_threes, on_grid, side_by_side
from gan_jax.losses import Loss
from gan_jax.networks import Network


def game(G: Network, D: Network, loss: Loss, *, l1: NotNegative = 100.0) -> Game:
    """G: input -> x; D: (x, input) -> scores, of x or of its patches [n, h, w].

    l1: weight of the mean distance of G's pixels from those of x
    """

    def latents(key, batch):
        return {"input": batch["input"]}

    def g_also(numbers, seen):
        far = jnp.mean(jnp.abs(seen.made - seen.batch["x"]))
        return numbers["game"]["l1"] * far, {"l1": far}

    def translate(params, stats, x, key):
        def one(x):
            return G.apply(params, stats, x[None], key=key, train=True)[0][0]

        return jax.vmap(one)(x)  # each with the same noise, whichever others there are

    def generate(params, stats, z, key=None, train=False):
        if train:
            return G.apply(params, stats, z["input"], key=key, train=True)
        key = jax.random.key(0) if key is None else key
        return translate(params, stats, z["input"], key), stats

    def draw(params, stats, shown):
        x, given = shown
        made = on_grid(lambda x: translate(params, stats, x, jax.random.key(0)), given)
        return side_by_side(given, made, x, channels=x.shape[-1])

    pairs = in_threes(lambda batch: batch["x"], lambda batch: batch["input"])
    played = adversarial(
        *(G, D, loss, latents),
        inputs=lambda z: (z["input"],),
        told=lambda batch: (batch["input"],),
        g_also=g_also,
        given=("input",),
        translate=translate,
        pictures=(
            Picture("samples", pairs, draw),
            Picture("training", pairs, draw, held_out=False),
        ),
    )
    return played._replace(generate=generate)
