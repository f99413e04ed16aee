"""What a player has learned to tell of held-out examples."""

import functools

import jax
import numpy as np

from gan_jax.metrics.classification import errors
from gan_jax.metrics.clusters import best_agreement
from gan_jax.watches import Watch

_CHUNK = 1_000  # examples that a network sees at a time


def make_classification(config, built, dataset) -> Watch | None:
    """D's errors on held-out examples, where it learns their labels; else None."""

    def read(logits, y):
        wrong = errors(logits, y)
        return {"errors": wrong, "error_rate": wrong / len(y)}

    watched = config, built, dataset
    return _make(*watched, built.game.classify, read, {"error_rate": 0.0})


def make_clusters(config, built, dataset) -> Watch | None:
    """How well D's categories agree with the labels of held-out examples, never shown.

    None where the game has no categories, or the examples no labels.
    """

    def read(logits, y):
        clusters, k = logits.argmax(axis=1), max(logits.shape[1], y.max() + 1)
        return {"agreement": best_agreement(clusters, y, k)}

    watched = config, built, dataset
    return _make(*watched, built.game.cluster, read, {"agreement": 1.0})


def _make(config, built, dataset, function, read, perfect):
    """A watch of what a function of the game, if it has it, says of D; else None.

    function: (d, x) -> logits
    read:     (logits, labels) -> metrics
    """
    if function is None or (real := _labelled(built, dataset)) is None:
        return None
    x, y = real
    compute = functools.partial(_in_chunks, jax.jit(function), x)

    def read_joined(logits):
        return read(np.concatenate(jax.device_get(logits)), y)

    return Watch(config.validate_every, compute, read_joined, perfect)


def _labelled(built, dataset):
    """Held-out examples as the networks see them, in chunks, and their labels."""
    held_out = dataset.validation
    if held_out is None or "y" not in held_out:
        return None
    rows = np.arange(len(held_out["x"]))
    chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    fitted = dataset.info["fitted"]
    x = [built.scaling.apply(held_out["x"][chunk], fitted) for chunk in chunks]
    return x, np.asarray(held_out["y"])


def _in_chunks(function, chunks, state):
    return [function(state.d, x) for x in chunks]
