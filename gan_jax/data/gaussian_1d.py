"""Numbers from a mixture of normal distributions, drawn anew for every minibatch.

The setting of the theory: expectations over the data, not over a sample of them.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config.ranges import Range, Seed, Size
from gan_jax.data.source import Source, select, split_name
from gan_jax.errors import UsageError

Means = Annotated[
    tuple[float, ...],
    Range(lambda x: 0 <= max(map(abs, x), default=-1) <= 1e6, "must be in +-1e6"),
]
Spreads = Annotated[
    tuple[float, ...],
    Range(lambda x: x and 0 <= min(x) <= max(x) <= 1e6, "must be in [0, 1e6]"),
]
Weights = Annotated[
    tuple[float, ...],
    Range(lambda x: min(x, default=0) > 0, "each must be positive"),
]
_SPLITS = ("train", "test")


def load(
    *,
    split: str = "train",
    means: Means = (0.0,),
    stds: Spreads = (1.0,),
    weights: Weights = (1.0,),
    size: Size = 50_000,
    seed: Seed = 0,
) -> Source:
    """Numbers [size, 1] from the mixture of normal distributions with these means.

    stds:    their standard deviations, or one for all
    weights: relative to their sum, or one for all
    size:    of the sample drawn by `seed`, which is for pictures and fits a scaling;
             minibatches are new draws. The split "test" is another sample
    """
    name = split_name(split, _SPLITS)
    means = np.float64(means)
    stds, shares = _each(means, "stds", stds), _each(means, "weights", weights)
    shares = shares / shares.sum()

    def fresh(arrays, key, shape):
        mode_key, normal_key = jax.random.split(key)
        log_shares = jnp.log(jnp.asarray(shares, jnp.float32))
        mode = jax.random.categorical(mode_key, log_shares, shape=shape)
        z = jax.random.normal(normal_key, shape)
        mean, std = (jnp.asarray(v, jnp.float32)[mode] for v in (means, stds))
        return (mean + std * z)[..., None]

    rng = np.random.default_rng([seed, _SPLITS.index(name)])
    mode = rng.choice(len(means), size, p=shares)
    x = means[mode] + stds[mode] * rng.standard_normal(size)
    return select(Source(x[:, None].astype(np.float32), fresh=fresh), split)


def _each(means, name, values):
    """A number for each of the means."""
    if len(values) not in (1, len(means)):
        raise UsageError(
            f"data gaussian_1d has {len(means)} means and {len(values)} {name}; "
            "accepted: as many, or one for all"
        )
    return np.broadcast_to(np.float64(values), means.shape)
