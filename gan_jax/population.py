"""Many runs in one program: members that differ in their seed and in numbers alone.

What shapes the program is the same for all members: networks, losses, sizes, turns,
data. What is data in it may differ: the seed, and the numbers of `number_fields`.
Everything else about a member is as if it ran alone: its minibatches, its work
directory, its checkpoints.
"""

import contextlib
import functools
import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import psutil

from gan_jax import build, parallel
from gan_jax.checkpoint import restore, saved_steps
from gan_jax.config import fields
from gan_jax.data.feed import Feed, from_memory, make_feed
from gan_jax.data.stream import Records
from gan_jax.dispatch import Dispatch, has_convolutions, make_dispatch
from gan_jax.errors import DivergedError, UsageError
from gan_jax.log import say
from gan_jax.observe import Observer
from gan_jax.train import announce, begin, prepare, run_steps
from gan_jax.validation import validate
from gan_jax.workdir import claim, refuse_another_run

_SHARE_OF_MEMORY = 0.7  # of what is free


def number_fields(config) -> dict[str, float]:
    """The fields of a config that are data in its program, with their values.

    Members of a population may differ in them: {"d_optimizer.learning_rate": 2e-4}.
    """
    numbers = build.numbers(config)
    found = {"ema_decay": numbers["ema_decay"]} if config.ema_decay else {}
    for player in ("d", "g"):
        of_optimizer = dict(numbers[player])
        constraint = of_optimizer.pop("constraint")
        for entry, values in ("optimizer", of_optimizer), ("constraint", constraint):
            found |= {f"{player}_{entry}.{name}": x for name, x in values.items()}
    return found


def structure(config) -> str:
    """What shapes the program: the same for two configs that may share a population."""
    data = {"seed", *number_fields(config)}
    shaping = {name: x for name, x in fields(config).items() if name not in data}
    return json.dumps([shaping, sorted(data)], sort_keys=True)


def train_population(
    configs, workdirs, experiment: str = "custom"
) -> list[DivergedError | None]:
    """Trains the members to their config.steps, each in its own work directory.

    They train side by side in one program, spread over the devices, or take turns where
    that is faster; more of them than memory holds, in several groups. Those that go on
    from a checkpoint do so together where all have one of the same step.

    Returns, for each member, None or how it diverged: it is then left as it was, and
    neither stops nor changes the others. Raises UsageError where the members cannot be
    one population, Interrupted with all of them saved.
    """
    workdirs = [Path(workdir) for workdir in workdirs]
    _refuse(configs, workdirs, experiment)
    config = configs[0]
    dataset, built = prepare(config)
    if isinstance(dataset.arrays, Records):
        raise UsageError("a population needs its data in memory: data.stream=false")
    with contextlib.ExitStack() as claims:
        for workdir in workdirs:
            claims.enter_context(claim(workdir))
        _refuse(configs, workdirs, experiment)
        pending = {
            workdir: member
            for workdir, member in zip(workdirs, configs, strict=True)
            if max(_saved(workdir), default=0) < config.steps
        }
        outcomes = dict.fromkeys(workdirs)
        for step, group in _together(list(pending)):
            size = members_that_fit(config, built, dataset)
            for first in range(0, len(group), size):
                some = {workdir: pending[workdir] for workdir in group[first:][:size]}
                outcomes |= _train_group(some, step, dataset, built, experiment)
    return list(outcomes.values())


def _refuse(configs, workdirs, experiment):
    """Raises UsageError where these are not the members of one population."""
    if jax.process_count() > 1:
        raise UsageError("a population trains on one host; a sweep uses several")
    if len(set(workdirs)) != len(workdirs):
        raise UsageError("two members of a population share a work directory")
    for config, workdir in zip(configs, workdirs, strict=True):
        validate(config)
        refuse_another_run(workdir, config, experiment)
        if structure(config) != structure(configs[0]):
            different = "; ".join(_structural_differences(configs[0], config))
            raise UsageError(
                f"members of a population share what shapes their program, but "
                f"{different}; they may differ in seed, "
                f"{', '.join(number_fields(config))}"
            )


def _structural_differences(one, other):
    before, after = fields(one), fields(other)
    data = {"seed", *number_fields(one)} & {"seed", *number_fields(other)}
    return [
        f"{name} is {before.get(name, 'absent')} and {after.get(name, 'absent')}"
        for name in sorted(before.keys() | after.keys())
        if name not in data and before.get(name) != after.get(name)
    ]


def _saved(workdir):
    return saved_steps(workdir / "checkpoints")


def _together(workdirs):
    """(step, work directories) of those that go on together."""
    if not workdirs:
        return []
    saved = {workdir: {0, *_saved(workdir)} for workdir in workdirs}
    step = max(set.intersection(*saved.values()))
    if step or all(steps == {0} for steps in saved.values()):
        return [(step, workdirs)]
    newest = {workdir: max(steps) for workdir, steps in saved.items()}
    return [
        (step, [workdir for workdir in workdirs if newest[workdir] == step])
        for step in sorted(set(newest.values()))
    ]


def _train_group(members, step, dataset, built, experiment):
    """Trains members from the same step; {work directory: outcome}."""
    configs = list(members.values())
    config, shape = configs[0], dataset.info["shape"]

    def state_of(workdir, config):
        fresh = functools.partial(build.initial_state, config, built, shape)
        if not step:
            return fresh()
        return restore(workdir / "checkpoints", jax.eval_shape(fresh), step)

    states = [state_of(workdir, config) for workdir, config in members.items()]
    make = in_turns if convolves(config, built, dataset) else side_by_side
    team = make(configs, built, dataset)
    announce(config, dataset, states[0], team.mesh)
    how = f"resume from step {step:,}" if step else "start fresh"
    say(f"{len(members)} members, {make.__name__.replace('_', ' ')}, {how}")
    for workdir, member in members.items():
        begin(workdir, member, experiment, dataset, step or None)
    observer = _Observers(members, built, dataset, experiment, step, team)
    state = team.gather(states)
    run_steps(config, team.dispatch, team.feed, state, observer, len(members))
    return dict(zip(members, observer.outcomes, strict=True))


class Team(NamedTuple):
    """How the members of a population train.

    mesh:     the devices, of one member at a time or of all of them
    dispatch: steps of all members
    feed:     their minibatches
    gather:   states of the members -> the state of the population
    of:       (state or metrics of the population, i) -> those of member i
    alive:    whether each member still trains; set to False from outside
    """

    mesh: Any
    dispatch: Dispatch
    feed: Any
    gather: Callable
    of: Callable
    alive: list[bool]


def side_by_side(configs, built, dataset) -> Team:
    """All members in one program, by `vmap`; groups of them on devices of their own."""
    mesh = parallel.population_mesh(configs[0], len(configs))
    arrays = parallel.everywhere(dataset.arrays, mesh)
    feeds = [from_memory(config, dataset.size, arrays) for config in configs]

    def fetch(start, count):
        return arrays, np.stack([feed.fetch(start, count)[1] for feed in feeds])

    def gather(states):
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        return parallel.by_member(stacked, mesh)

    take = jax.jit(lambda state, i: jax.tree.map(lambda leaf: leaf[i], state))

    def of(tree, i):
        on_host = isinstance(jax.tree.leaves(tree)[0], np.ndarray)
        return jax.tree.map(lambda leaf: leaf[i], tree) if on_host else take(tree, i)

    return Team(
        mesh,
        make_dispatch(configs[0], built, dataset, mesh, population=True),
        Feed(fetch, parallel.by_member(jnp.stack([feed.key for feed in feeds]), mesh)),
        gather,
        of,
        [True] * len(configs),
    )


def in_turns(configs, built, dataset) -> Team:
    """One member after the other; each on one device, the devices at the same time."""
    devices = jax.devices()[: configs[0].devices or None]
    meshes = [parallel.one_device(device) for device in devices]
    places = [meshes[i % len(meshes)] for i in range(len(configs))]
    arrays = {mesh: parallel.everywhere(dataset.arrays, mesh) for mesh in meshes}
    feeds = [
        from_memory(config, dataset.size, arrays[place])
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

    dispatch = Dispatch(run, one.most, programs)
    return Team(meshes[0], dispatch, feeds, gather, operator.getitem, alive)


def members_that_fit(config, built, dataset) -> int:
    """How many members memory holds, at least one.

    Of each there are the state, a copy of it to be saved, and what a step needs.
    """
    fresh = functools.partial(build.initial_state, config, built, dataset.info["shape"])
    mesh = parallel.one_device(jax.devices()[0])
    dispatch = make_dispatch(config, built, dataset, mesh)
    state = fresh()
    feed = make_feed(config, dataset, mesh)
    needed = 2 * sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    for program, arguments, _ in dispatch.programs(state, feed):
        memory = program.lower(*arguments).compile().memory_analysis()
        needed += getattr(memory, "temp_size_in_bytes", 0)
    return max(1, int(_SHARE_OF_MEMORY * _free_memory() / needed))


def _free_memory():
    """Bytes that are free on all devices together."""
    stats = [device.memory_stats() or {} for device in jax.devices()]
    if all("bytes_limit" in each for each in stats):
        return sum(each["bytes_limit"] - each["bytes_in_use"] for each in stats)
    return psutil.virtual_memory().available  # CPU devices share that of the host


def convolves(config, built, dataset) -> bool:
    """Whether a step convolves.

    Convolutions of many members, each with kernels of its own, become one with groups,
    which is slower than turns.
    """
    state = jax.eval_shape(
        functools.partial(build.initial_state, config, built, dataset.info["shape"])
    )
    examples = {
        name: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype)
        for name, leaf in dataset.arrays.items()
    }
    key = jax.eval_shape(lambda: jax.random.key(0))
    rows = jax.ShapeDtypeStruct((config.batch_size,), np.int32)
    batch = jax.eval_shape(dataset.view, examples, rows, key)
    game, players = built.game, (state.d.params, state.d.stats, state.g)
    return has_convolutions(game.d_loss, *players, state.hparams, batch, key)


class _Observers:
    """The members' observers as one, which goes on without those that diverged."""

    def __init__(self, members, built, dataset, experiment, step, team):
        self._members = [
            Observer(config, built, dataset, workdir, experiment, step)
            for workdir, config in members.items()
        ]
        self._team, self._files = team, contextlib.ExitStack()
        self.outcomes = [None] * len(members)
        self.step, self.every = step, self._members[0].every

    def __enter__(self):
        for member in self._members:
            self._files.enter_context(member)
        return self

    def __exit__(self, *error):
        self._files.__exit__(*error)

    @property
    def over(self):
        return not any(self._team.alive)

    def due(self, step, last):
        return self._members[0].due(step, last)

    def look(self, step, state, last):
        of, alive = self._team.of, self._team.alive
        looks = {
            i: member.look(step, functools.partial(of, state(), i), last)
            for i, member in enumerate(self._members)
            if alive[i]
        }

        def finish(seen):
            found = []
            for i, look in looks.items():
                rows = [(start, stop, of(metrics, i)) for start, stop, metrics in seen]
                try:
                    found.append(look(rows))
                except DivergedError as error:
                    self.outcomes[i], alive[i] = error, False
                    say(f"member {i}: {error}; {sum(alive)} go on")
            names = found[0] if found else ()
            return {name: np.mean([row[name] for row in found]) for name in names}

        return finish
