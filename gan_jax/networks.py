"""A linen module seen as pure functions with explicit state.

The one place that knows how flax spells dropout keys and batch-norm modes, and in what
numbers a network computes.
"""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import UsageError


class Network(NamedTuple):
    """init:  (key, *inputs) -> (params, stats)
    apply: (params, stats, *inputs, key=None, train=False, **how) -> (output, stats)

    `stats` holds every variable that is not optimised. With train=True batch norm uses
    the minibatch's own statistics, and the stats returned have moved; with train=False
    it uses the running ones, and the stats come back as they were. `key` is needed only
    by networks that draw numbers in training (dropout). `how` goes to the network, but
    for `method`, which names another method of it than __call__.
    """

    init: Callable
    apply: Callable


def network(module: nn.Module, dtype="float32", precision="high") -> Network:
    """`module`, whose __call__ takes (*inputs, train), as a `Network`.

    dtype:     of the activations. Parameters and inputs are cast to it on the way in
               and the output to float32 on the way out, so that gradients, too, come
               out as float32; statistics are left as they are
    precision: of float32 products, as in `jax.default_matmul_precision`
    """

    taken = _inputs_of(module)

    def init(key, *inputs):
        _require(module, taken, len(inputs))
        stats = dict(module.init(key, *inputs, train=False))
        return stats.pop("params"), stats

    def apply(
        params,
        stats,
        *inputs,
        key: jax.Array | None = None,
        train=False,
        method: str | None = None,
        **how,
    ):
        _require_method(module, method, how)
        params, inputs = _cast((params, inputs), dtype)
        variables = {"params": params, **stats}
        rngs = {} if key is None else {"dropout": key}
        moving = list(stats) if train else []
        with jax.default_matmul_precision(precision):
            output, moved = module.apply(
                variables,
                *inputs,
                train=train,
                rngs=rngs,
                mutable=moving,
                method=method,
                **how,
            )
        return _cast(output, jnp.float32), dict(moved) if train else stats

    return Network(init, apply)


def _inputs_of(module):
    """The inputs that a module takes, and how many of them it has to be given."""
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = inspect.signature(type(module).__call__).parameters.values()
    inputs = [p for p in parameters if p.kind is positional and p.name != "self"]
    needed = [p.name for p in inputs if p.default is inspect.Parameter.empty]
    return [p.name for p in inputs], len(needed)


def _require(module, taken, given):
    """Raises UsageError for a network that this game gives too much, or too little."""
    names, needed = taken
    if not needed <= given <= len(names):
        few = "" if needed == len(names) else f", or only the first {needed} of them"
        raise UsageError(
            f"{_name(module)} takes {' and '.join(names)}{few}, but this game gives it "
            f"{given} input{'s' * (given != 1)}"
        )


def _require_method(module, method, how):
    """Raises UsageError for a network without a part that this game is played with."""
    function = getattr(type(module), method or "__call__", None)
    accepted = () if function is None else inspect.signature(function).parameters
    lacking = [method] if function is None else [x for x in how if x not in accepted]
    if lacking:
        raise UsageError(
            f"{_name(module)} has no {lacking[0]}, which this game is played with"
        )


def _name(module):
    """What a module is in a config: the entry and its name."""
    kind = type(module)
    return f"{kind.__name__.lower()} {kind.__module__.rpartition('.')[2]}"


def packed(D: Network, m: int) -> Network:
    """D as a judge of m examples at once (PacGAN, Lin et al. 2018).

    It takes x [n m, ..., c] to n scores: m neighbours each, joined along the last axis,
    are one input [n, ..., m c] of D. A lack of variety, which no single sample shows,
    then tells samples from data.
    """
    if m == 1:
        return D

    def join(x):
        if len(x) % m:
            raise UsageError(
                f"config.pack={m}: {len(x)} examples are no multiple of it"
            )
        x = x.reshape(-1, m, *x.shape[1:])
        x = jnp.moveaxis(x, 1, -2)
        return x.reshape(*x.shape[:-2], -1)

    def init(key, x, *more):
        if more:
            raise UsageError(
                f"config.pack={m}: D would judge {m} examples as one, but this game "
                "shows it more than examples; leave it at 1"
            )
        return D.init(key, join(x))

    def apply(params, stats, x, *, key: jax.Array | None = None, train=False, **how):
        return D.apply(params, stats, join(x), key=key, train=train, **how)

    return Network(init, apply)


def has_batch_norm(stats) -> bool:
    """Whether a player's statistics are, among others, those of batch norm."""
    return bool(_of_batch_norm(stats))


def map_batch_norm(function, stats, *others):
    """`function` applied to the statistics of batch norm; all else stays as it is."""
    own = _of_batch_norm(stats)

    def leaf(path, x, *more):
        return function(x, *more) if jax.tree_util.keystr(path) in own else x

    return jax.tree_util.tree_map_with_path(leaf, stats, *others)


def _of_batch_norm(stats):
    """The paths of leaves that lie in a collection "batch_stats"."""
    paths = (path for path, _ in jax.tree_util.tree_leaves_with_path(stats))
    return {
        jax.tree_util.keystr(path)
        for path in paths
        if any(getattr(part, "key", None) == "batch_stats" for part in path)
    }


def same_update(before, after):
    """The statistics for one more pass of a network in the same update of it.

    A power iteration (spectral norm) is made once an update: it starts in every pass
    where it did in the first. All else goes on.

    before, after: of a network, or of several by their names, as the first pass found
                   and left them
    """
    if not isinstance(after, dict):
        return after
    return {
        name: before[name] if name == "spectral" else same_update(before[name], moved)
        for name, moved in after.items()
    }


def _cast(tree, dtype):
    """`tree` with its floating-point leaves in `dtype`."""

    def cast(x):
        return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(cast, tree)
