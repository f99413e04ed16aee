"""Mixtures of sines, drawn anew for every minibatch: signals whose law is known."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config.ranges import Count, Length, Seed, Size
from gan_jax.data.source import Source, select, split_name
from gan_jax.errors import UsageError

_SPLITS = ("train", "test")


def load(
    *,
    split: str = "train",
    length: Size = 64,
    waves: Count = 2,
    slowest: Length = 1.0,
    fastest: Length = 4.0,
    size: Size = 10_000,
    seed: Seed = 0,
) -> Source:
    """Signals [size, length, 1], each the mean of so many sines; all within [-1, 1].

    slowest, fastest: periods in a signal; each sine has a number evenly drawn between
            them, and a phase and an amplitude from U(1/2, 1) of its own
    size:   of the sample drawn by `seed`, which is for pictures and for metrics;
            minibatches are new draws. The split "test" is another sample
    """
    name = split_name(split, _SPLITS)
    if fastest < slowest:
        raise UsageError(
            f"data sines: fastest={fastest:g} is less than slowest={slowest:g}"
        )

    def signals(xp, u):
        """Of u [..., 3 waves] from U(0, 1)."""
        phase, periods, amplitude = xp.split(u, 3, axis=-1)
        periods = slowest + (fastest - slowest) * periods
        time = xp.arange(length, dtype=u.dtype) / length
        time = xp.expand_dims(time, (*range(u.ndim - 1), u.ndim))
        turns = phase[..., None, :] + time * periods[..., None, :]
        x = (0.5 + amplitude[..., None, :] / 2) * xp.sin(2 * np.pi * turns)
        return xp.mean(x, axis=-1, keepdims=True)

    def fresh(arrays, key, shape):
        return signals(jnp, jax.random.uniform(key, (*shape, 3 * waves)))

    rng = np.random.default_rng([seed, _SPLITS.index(name)])
    x = signals(np, rng.random((size, 3 * waves))).astype(np.float32)
    return select(Source(x, fresh=fresh), split)
