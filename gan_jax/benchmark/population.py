"""Populations against the same runs one after the other."""

from collections.abc import Iterator

from gan_jax.benchmark import timing
from gan_jax.benchmark.ours import Ours, Training
from gan_jax.build import build, initial_state
from gan_jax.config.files import from_json, override, to_json
from gan_jax.config.hparams import number_fields
from gan_jax.data.stream import Records
from gan_jax.errors import UsageError
from gan_jax.loop import teams
from gan_jax.loop.log import say

WAYS = {way.__name__: way for way in (teams.side_by_side, teams.in_turns)}


def measure(config, dataset, sizes: list[int], repeats: int) -> Iterator[dict]:
    """Populations of so many members, each in both of the ways that it can train.

    member_step_s: seconds of one step of one member, of each repeat: those of the two
                   ways, and "alone", of one run, as of each of many that train one
                   after the other
    taken:         the way that `population.train_population` would take

    Left out, with a line that says so, are those that memory does not hold.
    """
    if isinstance(dataset.arrays, Records):
        raise UsageError("a population needs its data in memory: data.stream=false")
    built = build(config, dataset.info, dataset.mean)
    fit = teams.members_that_fit(config, built, dataset)
    taken = teams.faster_way(config, built, dataset)
    alone = Ours(config, dataset)
    for n in sizes:
        if n > fit:
            say(f"a population of {n} is left out: memory holds {fit} members")
            continue
        configs = members(config, n)
        sides = {"alone": alone} | {
            name: ready(way, configs, built, dataset) for name, way in WAYS.items()
        }
        steps = timing.warm_up(sides, alone.period)
        times = timing.alternate(sides, steps, repeats)
        of_members = {name: [s / n for s in times[name]] for name in WAYS}
        yield {
            "members": n,
            "member_step_s": {"alone": times["alone"]} | of_members,
            "taken": taken.__name__,
        }


def members(config, n: int) -> list:
    """Configs of n members: seeds from the config's own on, learning rates below it.

    The rates go down towards a tenth; the first member is the run itself.
    """
    rates = {
        name: value
        for name, value in number_fields(config).items()
        if name.endswith(".learning_rate")
    }
    configs = [from_json(to_json(config)) for _ in range(n)]
    for i, member in enumerate(configs):
        factor = 0.1 ** (i / n)
        changes = {name: factor * rate for name, rate in rates.items()}
        changes["seed"] = config.seed + i
        override(member, [(name, repr(value)) for name, value in changes.items()])
    return configs


def ready(way, configs, built, dataset) -> Training:
    """The members of a population, compiled, and ready to train in one of the ways."""
    team = way(configs, built, dataset)
    states = [initial_state(config, built) for config in configs]
    return Training(configs[0], team.dispatch, team.feed, team.gather(states))
