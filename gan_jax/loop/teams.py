"""How the members of a population train: side by side in one program, or in turns."""

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.build import initial_state
from gan_jax.data.feed import Feed, from_memory
from gan_jax.loop import costs, parallel
from gan_jax.loop.compiler import convolutions
from gan_jax.loop.dispatch import Dispatch, make_dispatch
from gan_jax.loop.observe import copied

_SHARE_OF_MEMORY = 0.7  # of what is free
_SMALL = 100_000  # parameters of both players


class Team(NamedTuple):
    """How the members of a population train.

    devices:  on which they do, in words
    dispatch: steps of all members
    feed:     their minibatches
    gather:   states of the members -> the state of the population
    state:    (state of the population, i) -> that of member i, in buffers of its own
    metrics:  (metrics of the population on the host, i) -> those of member i
    alive:    whether each member still trains; set to False from outside
    """

    devices: str
    dispatch: Dispatch
    feed: Any
    gather: Callable
    state: Callable
    metrics: Callable
    alive: list[bool]


def side_by_side(configs, built, dataset) -> Team:
    """All members in one program, by `vmap`; groups of them on devices of their own."""
    mesh = parallel.population_mesh(configs[0], len(configs))
    arrays = parallel.everywhere(dataset.arrays, mesh)
    feeds = [from_memory(config, dataset.sizes, arrays) for config in configs]

    def fetch(start, count):
        return arrays, np.stack([feed.fetch(start, count)[1] for feed in feeds])

    def stack(*leaves):
        # on the host, where there is room for all of them
        on_host = isinstance(leaves[0], np.ndarray)
        return np.stack(leaves) if on_host else jnp.stack(leaves)

    def gather(states):
        return parallel.by_member(jax.tree.map(stack, *states), mesh)

    take = jax.jit(lambda state, i: jax.tree.map(lambda leaf: leaf[i], state))

    return Team(
        parallel.describe(mesh, configs[0]),
        make_dispatch(configs[0], built, dataset, mesh, population=True),
        Feed(fetch, parallel.by_member(jnp.stack([feed.key for feed in feeds]), mesh)),
        gather,
        take,
        lambda metrics, i: {name: values[i] for name, values in metrics.items()},
        [True] * len(configs),
    )


def in_turns(configs, built, dataset) -> Team:
    """One member after the other; each on one device, the devices at the same time."""
    meshes = [parallel.one_device(device) for device in parallel.chosen(configs[0])]
    places = [meshes[i % len(meshes)] for i in range(len(configs))]
    arrays = {mesh: parallel.everywhere(dataset.arrays, mesh) for mesh in meshes}
    feeds = [
        from_memory(config, dataset.sizes, arrays[place])
        for config, place in zip(configs, places, strict=True)
    ]
    one = make_dispatch(configs[0], built, dataset, meshes[0])
    alive = [True] * len(configs)

    def run(states, feeds, start, stop):
        states, metrics = list(states), [None] * len(states)
        for i, lives in enumerate(alive):
            if lives:
                states[i], metrics[i] = one.run(states[i], feeds[i], start, stop)
        return states, metrics

    def programs(states, feeds):
        pairs = zip(states, feeds, strict=True)
        return [part for pair in pairs for part in one.programs(*pair)]

    def gather(states):
        pairs = zip(states, places, strict=True)
        return [parallel.everywhere(state, place) for state, place in pairs]

    dispatch = Dispatch(run, one.most, programs, one.ends)
    where = f"{len(meshes)} of {len(jax.devices())}, each with one member at a time"

    def state_of(states, i):
        return copied(states[i])

    get = operator.getitem
    return Team(where, dispatch, feeds, gather, state_of, get, alive)


def faster_way(config, built, dataset) -> Callable[..., Team]:
    """`side_by_side` or `in_turns`: which of them trains members in less time.

    Side by side fills an accelerator that one member leaves idle, and saves the time
    between programs. A CPU is full with any but the smallest networks, and there a
    product of many matrices is slower than many products. Convolutions of many members,
    each with kernels of its own, become one with groups, which is slower than turns.
    """
    fresh = functools.partial(initial_state, config, built)
    state = jax.eval_shape(fresh)
    leaves = jax.tree.leaves((state.d.params, state.g.params))
    fills = jax.default_backend() == "cpu" and sum(x.size for x in leaves) > _SMALL
    turns = fills or _convolves(config, built, dataset, state)
    return in_turns if turns else side_by_side


def members_that_fit(config, built, dataset) -> int:
    """How many members memory holds, at least one.

    Of each there are the state, a copy of it to be saved, and what a step needs.
    """
    mesh = parallel.one_device(jax.devices()[0])
    programs = costs.programs(config, built, dataset, mesh)
    needed = 2 * costs.size(costs.shapes(config, built, mesh))
    needed += costs.temporary(programs, mesh)
    return max(1, int(_SHARE_OF_MEMORY * _free_memory() / needed))


def _free_memory():
    """Bytes that are free on all devices together."""
    return sum(costs.free_memory(jax.devices()))


def _convolves(config, built, dataset, state):
    examples = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype),
        dict(dataset.arrays),
    )
    key = jax.eval_shape(lambda: jax.random.key(0))
    n = config.batch_size * len(dataset.sizes)
    rows = jax.ShapeDtypeStruct((n,), np.int32)
    batch = jax.eval_shape(dataset.view, examples, rows, key)
    game, players = built.game, (state.d.params, state.d.stats, state.g)
    numbers = jax.eval_shape(built.schedule, state.hparams, state.step)
    return bool(convolutions(game.d_loss, *players, numbers, batch, key))
