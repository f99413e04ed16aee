"""Many runs in one program: members that differ in their seed and in numbers alone.

What shapes the program is the same for all members: networks, losses, sizes, turns,
data. What is data in it may differ: the seed, and the numbers of `config.hparams`.
Everything else about a member is as if it ran alone: its minibatches, its work
directory, its checkpoints.
"""

import contextlib
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax.build import Built, initial_state
from gan_jax.config.files import fields
from gan_jax.config.hparams import number_fields
from gan_jax.config.validation import validate
from gan_jax.data.stream import Records
from gan_jax.errors import DamagedError, DivergedError, UsageError
from gan_jax.init_from import first_state
from gan_jax.loop.checkpoint import restore, saved_steps
from gan_jax.loop.log import say
from gan_jax.loop.observe import Observer, mend_pictures
from gan_jax.loop.storage import told_in_one_line
from gan_jax.loop.teams import faster_way, members_that_fit
from gan_jax.loop.train import announce, begin, prepare, run_steps
from gan_jax.loop.workdir import claim, refuse_another_run, refuse_other_data


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
    all of them saved, StorageError where a work directory can no longer be written.
    """
    workdirs = [Path(workdir) for workdir in workdirs]
    _refuse(configs, workdirs, experiment)
    config = configs[0]
    dataset, built = prepare(config)
    if isinstance(dataset.arrays, Records):
        raise UsageError("a population needs its data in memory: data.stream=false")
    with contextlib.ExitStack() as claims:
        claims.enter_context(told_in_one_line(workdirs[0]))
        for workdir in workdirs:
            claims.enter_context(claim(workdir))
        _refuse(configs, workdirs, experiment)
        for workdir in workdirs:
            refuse_other_data(workdir, dataset.info)
        case = _Case(dataset, built, experiment, on_divergence)
        members = dict(zip(workdirs, configs, strict=True))
        for workdir, member in members.items():
            step = max(saved_steps(workdir / "checkpoints"), default=0)
            if step >= member.steps:
                mend_pictures(member, built, dataset, workdir, experiment, step)
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
    built: Built
    experiment: str
    on_divergence: Callable

    def state(self, config, workdir, step):
        """The state that a member had at `step`; a fresh one at 0."""
        fresh = functools.partial(initial_state, config, self.built)
        if not step:
            return first_state(config, self.built)
        return restore(workdir / "checkpoints", jax.eval_shape(fresh), step)


def _refuse(configs, workdirs, experiment):
    """Raises UsageError where these are not the members of one population."""
    if jax.process_count() > 1:
        raise UsageError("a population trains on one host; a sweep uses several")
    if len(set(workdirs)) != len(workdirs):
        raise UsageError("two members of a population share a work directory")
    for config, workdir in zip(configs, workdirs, strict=True):
        validate(config)
        if config.on_divergence != "stop":
            raise UsageError(
                f"config.on_divergence={config.on_divergence}: members of a population "
                "that diverge are left out; leave it at stop, or train each alone"
            )
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
            except DamagedError:  # which is said; the one before may do
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
    config, dataset, built = configs[0], case.dataset, case.built
    states = [
        _on_host(case.state(config, workdir, step))
        for workdir, config in members.items()
    ]
    make = faster_way(config, built, dataset)
    team = make(configs, built, dataset)
    announce(config, dataset, states[0], team.devices)
    how = f"resume from step {step:,}" if step else "start fresh"
    say(f"{len(members)} members, {make.__name__.replace('_', ' ')}, {how}")
    for workdir, member in members.items():
        begin(workdir, member, case.experiment, dataset, step or None)
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


class _Observers:
    """The members' observers as one, which goes on without those that diverged."""

    def __init__(self, members, step, case, team):
        self._members = [
            Observer(config, case.built, case.dataset, workdir, case.experiment, step)
            for workdir, config in members.items()
        ]
        self._workdirs, self._on_divergence = list(members), case.on_divergence
        self._team = team
        self.outcomes = [None] * len(members)
        self.step, self.every = step, self._members[0].every

    def __enter__(self):
        with contextlib.ExitStack() as files:
            for member in self._members:
                files.enter_context(member)
            self._files = files.pop_all()
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
