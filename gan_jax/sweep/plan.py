"""What a sweep will do: its tasks, and what they are and take, for --dry_run."""

import sys
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate
from tqdm import tqdm

from gan_jax.config.files import fields
from gan_jax.errors import UsageError
from gan_jax.sweep import folder as sweep_folder
from gan_jax.sweep.folder import Sweep, is_over, newest_step, read_status
from gan_jax.sweep.points import as_text, place

_SECONDS_TIMED = 1.0


class Task(NamedTuple):
    """names: the points that one process trains: one, or the members of a population
    argv:  its command line
    """

    names: tuple[str, ...]
    argv: list[str]


def make_task(folder: Path, names: tuple[str, ...]) -> Task:
    """The task that trains these points."""
    points = [f"--points={name}" for name in names]
    argv = [sys.executable, "-m", "gan_jax.sweep", f"--run={folder.resolve()}"]
    return Task(names, argv + points)


def group(configs: dict, population: bool) -> list[tuple[str, ...]]:
    """The points of each program: those that differ in numbers and seeds share one.

    configs:    of the points, by name
    population: whether they may share at all
    """
    if not population:
        return [(name,) for name in configs]
    from gan_jax.loop.population import structure

    together = {}
    for name, config in configs.items():
        alone = config.on_divergence != "stop"  # a population cannot go back
        together.setdefault(name if alone else structure(config), []).append(name)
    return [tuple(names) for names in together.values()]


def spread(groups: list[tuple[str, ...]], n: int) -> list[tuple[str, ...]]:
    """The groups, the largest halved until there are n, or one for each point."""
    groups = list(groups)
    while groups and len(groups) < n:
        i = max(range(len(groups)), key=lambda i: len(groups[i]))
        names = groups[i]
        if len(names) == 1:
            break
        groups[i : i + 1] = [names[: len(names) // 2], names[len(names) // 2 :]]
    return groups


def parse_shard(text: str) -> tuple[int, int]:
    """The two numbers of --shard=i/n, 1 <= i <= n."""
    i, _, n = text.partition("/")
    if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise UsageError(f"--shard={text}: expected i/n, from 1/n to n/n")
    return int(i), int(n)


def select(
    groups: list[tuple[str, ...]], folder: Path, configs: dict, retry: bool
) -> list[tuple[str, ...]]:
    """The groups without the points for which nothing is left to do."""
    left = [
        tuple(n for n in g if not is_over(place(folder, n), configs[n], retry))
        for g in groups
    ]
    return [names for names in left if names]


# the dry run


def describe(
    folder: Path, sweep: Sweep, configs: dict, groups: list[tuple[str, ...]], workers
) -> str:
    """What varies and how, the points by programs, and how long they will take.

    configs: of all points, by name
    groups:  the points of each program that is to be run
    workers: how many programs run at a time
    """
    rows, total = [], 0.0
    left = {name: configs[name] for names in groups for name in names}
    rates = _seconds_a_step(folder, left)
    for number, names in enumerate(groups, 1):
        for name in names:
            workdir = place(folder, name)
            status = read_status(workdir)
            steps = max(0, configs[name].steps - newest_step(workdir))
            seconds = rates[name] and steps * rates[name]
            total += seconds or 0
            state = status.status if status else "not begun"
            took = "unknown" if seconds is None else tqdm.format_interval(seconds)
            rows.append((number, name, state, f"{steps:,}", took))
    table = tabulate(
        rows,
        headers=("program", "point", "status", "steps left", "time alone"),
        colalign=("right", "left", "left", "right", "right"),
        disable_numparse=True,
    )
    lines = [
        f"{folder}: experiment {sweep.experiment}, {count(len(configs), 'point')}, "
        f"{len(left)} to train in {count(len(groups), 'program')}",
        "",
        _varying(sweep, configs),
    ]
    if rows:
        time = tqdm.format_interval(total / min(workers, len(groups)))
        lines += [
            "",
            table,
            "",
            f"estimated time: {time} with {count(workers, 'worker')}, of the steps "
            "alone, and as if members of a population took turns",
        ]
    return "\n".join(lines)


def count(n: int, noun: str) -> str:
    """ "1 point", "2 points" """
    return f"{n} {noun}" + "s" * (n != 1)


def _varying(sweep, configs):
    """A row for each field of the points: number or structure, and its values."""
    from gan_jax.config.hparams import number_fields

    rows = []
    for field in dict.fromkeys(f for name in configs for f in sweep.points[name]):
        numbers = all(
            field == "seed" or field in number_fields(config)
            for config in configs.values()
            if field in fields(config)
        )
        kind = "a number: data of a program" if numbers else "shapes the program"
        values = [
            as_text(sweep.points[name][field])
            for name in configs
            if field in sweep.points[name]
        ]
        rows.append((field, kind, ", ".join(dict.fromkeys(values))))
    if not rows:
        return "nothing varies"
    return tabulate(
        rows,
        headers=("field", "it is", "values"),
        maxcolwidths=(None, None, 60),
        disable_numparse=True,
    )


def _seconds_a_step(folder, configs):
    """Of each point, by name; measured once for each program, None where it fails.

    A finished point of the same program tells it too.
    """
    from gan_jax.loop.population import structure

    of_program = {}
    programs = {name: structure(config) for name, config in configs.items()}
    sweep = sweep_folder.read(folder)
    for name in sweep.points if sweep else ():
        status = read_status(place(folder, name))
        if status and status.status == "done" and status.step and status.seconds:
            rate = status.seconds / status.step
            of_program.setdefault(structure(sweep.resolve(name)), rate)
    missing = {
        programs[name]: config
        for name, config in configs.items()
        if programs[name] not in of_program
    }
    for program, config in tqdm(
        missing.items(), desc="timing", disable=None, leave=False
    ):
        of_program[program] = _timed(config)
    return {name: of_program[program] for name, program in programs.items()}


def _timed(config):
    """Seconds that one step takes, of some seconds of them; None if it cannot be."""
    from gan_jax.benchmark.ours import Ours
    from gan_jax.data.loading import load_training_data

    try:
        ours = Ours(config, load_training_data(config))
        ours.take(3)  # compiles
        steps = 1
        while (seconds := ours.take(steps)) < _SECONDS_TIMED:
            steps *= 2
        return seconds / steps
    except (UsageError, RuntimeError) as error:
        tqdm.write(f"cannot be timed: {error}", file=sys.stderr)
        return None
