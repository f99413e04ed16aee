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
from gan_jax.observe import Observer, copied
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
    configs,
    workdirs,
    experiment: str = "custom",
    on_divergence: Callable[[Path, DivergedError], None] = lambda workdir, error: None,
) -> list[DivergedError | None]:
    """Trains the members to their config.steps, each in its own work directory.

    They train side by side in one program, spread over the devices, or take turns where
    that is faster; more of them than memory holds, in several groups. Those that go on
    from a checkpoint do so together where all have one of the same step.

    Returns, for each member, None or how it diverged: it is then left at its newest
    checkpoint, and neither stops nor changes the others; `on_divergence` is told at
    once. Raises UsageError where the members cannot be one population, Interrupted with
    all of them saved.
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
        case = _Case(dataset, built, experiment, on_divergence)
        members = dict(zip(workdirs, configs, strict=True))
        outcomes, size = dict.fromkeys(workdirs), None
        for step, group in _resumptions(members, case):
            size = size or members_that_fit(config, built, dataset)
            for first in range(0, len(group), size):
                some = {workdir: members[workdir] for workdir in group[first:][:size]}
                outcomes |= _train_group(some, step, case)
    return list(outcomes.values())


class _Case(NamedTuple):
    """What the members of a population share."""

    dataset: Any
    built: build.Built
    experiment: str
    on_divergence: Callable

    def state(self, config, workdir, step):
        """The state that a member had at `step`; a fresh one at 0."""
        shape = self.dataset.info["shape"]
        fresh = functools.partial(build.initial_state, config, self.built, shape)
        if not step:
            return fresh()
        return restore(workdir / "checkpoints", jax.eval_shape(fresh), step)


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


def _resumptions(members, case):
    """[(step, work directories)]: who goes on together, and from which checkpoint."""
    saved = {workdir: set(saved_steps(workdir / "checkpoints")) for workdir in members}
    whole = set()
    while True:
        groups = _together(saved, next(iter(members.values())).steps)
        unread = [(w, step) for step, group in groups for w in group if step]
        unread = [pair for pair in unread if pair not in whole]
        if not unread:
            return groups
        for workdir, step in unread:
            try:
                case.state(members[workdir], workdir, step)
                whole.add((workdir, step))
            except UsageError:  # damaged, which is said; the one before may do
                saved[workdir].discard(step)
                if not saved[workdir]:
                    raise


def _together(saved, steps):
    """Those that are not trained to `steps` yet, with the steps that they go on from.

    All from the last step that each of them has saved. Where there is none, those with
    the same newest one.
    """
    open_ones = {w: each for w, each in saved.items() if max(each, default=0) < steps}
    if not open_ones:
        return []
    common = set.intersection(*open_ones.values())
    if common:
        return [(max(common), list(open_ones))]
    groups = {}
    for workdir, each in open_ones.items():
        groups.setdefault(max(each, default=0), []).append(workdir)
    return sorted(groups.items())


def _train_group(members, step, case):
    """Trains members from the same step; {work directory: outcome}."""
    configs = list(members.values())
    config, dataset, built, experiment = configs[0], *case[:3]
    states = [
        _on_host(case.state(config, workdir, step))
        for workdir, config in members.items()
    ]
    make = in_turns if convolves(config, built, dataset) else side_by_side
    team = make(configs, built, dataset)
    announce(config, dataset, states[0], team.devices)
    how = f"resume from step {step:,}" if step else "start fresh"
    say(f"{len(members)} members, {make.__name__.replace('_', ' ')}, {how}")
    for workdir, member in members.items():
        begin(workdir, member, experiment, dataset, step or None)
    observer = _Observers(members, step, case, team)
    state = team.gather(states)
    del states  # large, and not used any more
    n, own = len(members), team.state
    run_steps(config, team.dispatch, team.feed, state, observer, n, own)
    return dict(zip(members, observer.outcomes, strict=True))


def _on_host(state):
    """The state with its arrays in the memory of the host, all but the small keys."""

    def fetch(leaf):
        is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return leaf if is_key else np.asarray(leaf)

    return jax.tree.map(fetch, state)


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
    feeds = [from_memory(config, dataset.size, arrays) for config in configs]

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
    where = f"{len(meshes)} of {len(jax.devices())}, each with one member at a time"

    def state_of(states, i):
        return copied(states[i])

    get = operator.getitem
    return Team(where, dispatch, feeds, gather, state_of, get, alive)


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

    def __init__(self, members, step, case, team):
        self._members = [
            Observer(config, case.built, case.dataset, workdir, case.experiment, step)
            for workdir, config in members.items()
        ]
        self._workdirs, self._on_divergence = list(members), case.on_divergence
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
        team, alive = self._team, self._team.alive
        looks = {
            i: member.look(step, functools.partial(state, i), last)
            for i, member in enumerate(self._members)
            if alive[i]
        }

        def finish(seen):
            found = []
            for i, look in looks.items():
                rows = [(a, b, team.metrics(metrics, i)) for a, b, metrics in seen]
                try:
                    found.append(look(rows))
                except DivergedError as error:
                    self.outcomes[i], alive[i] = error, False
                    say(f"{self._workdirs[i]}: {error}; {sum(alive)} members go on")
                    self._on_divergence(self._workdirs[i], error)
            names = found[0] if found else ()
            return {name: np.mean([row[name] for row in found]) for name in names}

        return finish
