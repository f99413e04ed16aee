"""What the games of StyleGANs share: how styles are made, mixed, and truncated.

Their G is two networks in one module: `mapping`, of what latents are made of, to styles
w [n, layers, dim], the same for all layers; and `synthesis`, of w to images.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.games import Picture
from gan_jax.networks import Network


class Styles(NamedTuple):
    """G seen as mapping and synthesis. Its statistics are {"network", "w_mean"}.

    The second is the running mean [dim] of w, to which samples are truncated; the first
    is the network's own. Latents are what a game draws, or {"w": w}, which only
    `synthesis` sees. `how` is whatever else the synthesis takes.

    G:      the network
    inputs: latents -> the inputs of the mapping
    """

    G: Network
    inputs: Callable

    def init(self, key, z):
        """(params, stats) of G for latents like z."""
        params, own = self.G.init(key, *self.inputs(z))
        w, _ = jax.eval_shape(self.mapping, params, {"network": own}, z)
        return params, {"network": own, "w_mean": jnp.zeros(w.shape[-1])}

    def mapping(self, params, stats, z, train=False):
        """(w [n, layers, dim], stats); the mean of w stays where it is."""
        inputs = self.inputs(z)
        own = stats["network"]
        w, own = self.G.apply(params, own, *inputs, train=train, method="mapping")
        return w, stats | {"network": own}

    def synthesis(self, params, stats, w, key=None, train=False, **how):
        """(x, stats)"""
        how |= {"key": key, "train": train, "method": "synthesis"}
        x, own = self.G.apply(params, stats["network"], w, **how)
        return x, stats | {"network": own}

    def generate(self, params, stats, z, key=None, train=False, **how):
        """(x, stats) of latents, or of styles in their place: as `Game.generate`."""
        if isinstance(z, dict) and "w" in z:
            return self.synthesis(params, stats, z["w"], key, train, **how)
        w, stats = self.mapping(params, stats, z, train)
        return self.synthesis(params, stats, w, key, train, **how)

    def mixed(self, params, stats, z, other, key, probability):
        """(w, stats) in training: of some examples the later styles are of `other`.

        The running mean of w has moved; see `running_mean`.
        """
        w, stats = self.mapping(params, stats, z, train=True)
        mean = running_mean(stats["w_mean"], w[:, 0])
        later, stats = self.mapping(params, stats, other, train=True)
        return mix(w, later, key, probability), stats | {"w_mean": mean}

    def truncate(self, params, stats, z, psi, layers: int | None = None):
        """Styles {"w"} of latents: psi of the way from the mean to their own ones.

        Karras et al. (2019), appendix B.

        layers: the first so many of an image's styles; None for all of them
        """
        w, _ = self.mapping(params, stats, z)
        first = jnp.arange(w.shape[1]) < (w.shape[1] if layers is None else layers)
        psi = jnp.where(first, psi, 1.0)[None, :, None]
        return {"w": psi * w + (1 - psi) * stats["w_mean"][None, None]}


def running_mean(mean, w, decay: float = 0.995):
    """The mean of styles w [n, dim] among earlier ones; 0.995 in the authors' code."""
    new = jax.lax.stop_gradient(jnp.mean(w, 0))
    return decay * mean + (1 - decay) * new


def mix(w, other, key, probability):
    """w [n, layers, dim] with the styles of `other` from a layer on (mixing).

    With the probability given, the crossover is even in 1, .., layers - 1, for each
    example by itself (the authors draw one a minibatch); else there is none. Karras et
    al. (2019), section 3.1.
    """
    n, layers, _ = w.shape
    crossover_key, coin_key = jax.random.split(key)
    crossover = jax.random.randint(crossover_key, (n, 1, 1), 1, layers)
    mixes = jax.random.uniform(coin_key, (n, 1, 1)) < probability
    crossover = jnp.where(mixes, crossover, layers)
    return jnp.where(jnp.arange(layers)[None, :, None] < crossover, w, other)


def style_mixing(styles: Styles, latents: Callable) -> Picture:
    """A picture of parents and their crossings.

    From its left column a row has the coarse styles, those of the first half of the
    layers; from its top row a column has the fine ones. In the corner is the mean w.
    """

    def inputs(key, batch, rows, columns):
        parents = jax.tree.map(lambda leaf: leaf[: rows + columns - 2], batch)
        z = latents(key, parents)
        left = jax.tree.map(lambda leaf: leaf[: rows - 1], z)
        return {"left": left, "top": jax.tree.map(lambda leaf: leaf[rows - 1 :], z)}

    def draw(params, stats, z):
        left, _ = styles.mapping(params, stats, z["left"])
        top, _ = styles.mapping(params, stats, z["top"])
        w = jnp.zeros((len(left) + 1, len(top) + 1, *left.shape[1:]), left.dtype)
        middle = left.shape[1] // 2
        w = w.at[1:, 1:, :middle].set(left[:, None, :middle])
        w = w.at[1:, 1:, middle:].set(top[None, :, middle:])
        w = w.at[1:, 0].set(left).at[0, 1:].set(top).at[0, 0].set(stats["w_mean"])
        w = w.reshape(-1, *left.shape[1:])
        return styles.synthesis(params, stats, w)[0]

    return Picture("style_mixing", inputs, draw)
