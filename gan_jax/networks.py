"""A linen module seen as pure functions with explicit state.

The one place that knows how flax spells dropout keys and batch-norm modes.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax


class Network(NamedTuple):
    """init:  (key, *inputs) -> (params, stats)
    apply: (params, stats, *inputs, key=None, train=False) -> (output, stats)

    `stats` holds every variable that is not optimised. With train=True batch norm uses
    the minibatch's own statistics, and the stats returned have moved; with train=False
    it uses the running ones, and the stats come back as they were. `key` is needed only
    by networks that draw numbers in training (dropout).
    """

    init: Callable
    apply: Callable


def network(module: nn.Module) -> Network:
    """`module`, whose __call__ takes (*inputs, train), as a `Network`."""

    def init(key, *inputs):
        stats = dict(module.init(key, *inputs, train=False))
        return stats.pop("params"), stats

    def apply(params, stats, *inputs, key: jax.Array | None = None, train=False):
        variables = {"params": params, **stats}
        rngs = {} if key is None else {"dropout": key}
        if not train:
            return module.apply(variables, *inputs, train=False, rngs=rngs), stats
        output, moved = module.apply(
            variables, *inputs, train=True, rngs=rngs, mutable=list(stats)
        )
        return output, dict(moved)

    return Network(init, apply)
