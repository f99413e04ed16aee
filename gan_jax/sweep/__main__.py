"""Trains many runs of one experiment: its ablation.

    python -m gan_jax.sweep --config=experiments/mnist_lsgan.py --seeds=3 \\
        --grid loss.name=saturating,least_squares --grid d_steps=1,5
    python -m gan_jax.sweep --config=FILE --sweep=loss,seed --dry_run

The points are those of --grid or, without one, of the file's own sweep() and
population(); or of its sweep_NAME() that --sweep chooses, times --grid. --seeds
multiplies them, and takes the place of seeds that the file gives. Values that have
commas themselves are put into brackets: --grid 'generator.widths=[128,128],[256,256]'.

The same command goes on with what was interrupted; a larger --config.steps trains on;
another --grid, or more --seeds, adds points. Exit status: 0 all points are done, 1 some
failed, 3 some diverged and none failed, as a single run's would be; 2 and 128 + signal
as ever.
"""

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from absl import flags
from tabulate import tabulate
from tqdm import tqdm

from gan_jax import cli
from gan_jax.config.files import (
    experiments_dir,
    fields,
    find_experiment,
    load_experiment,
    load_module,
    to_json,
)
from gan_jax.errors import DivergedError, UsageError
from gan_jax.loop.log import say
from gan_jax.sweep import folder as sweep_folder
from gan_jax.sweep import plan, points
from gan_jax.sweep.folder import Sweep, read_status
from gan_jax.sweep.progress import Progress
from gan_jax.sweep.run import run_task

# engines beside the local one, with the packages that they need
_PACKAGES = {"ray": "ray", "slurm": "submitit"}
_OF_ENGINES = {"ray_address": "ray", "gpus_per_task": "ray", "slurm_options": "slurm"}


def main(arguments: list[str]) -> None:
    """Reads the flags and does what they ask for."""
    values = _flags()
    rest, changes = cli.split_off_changes(arguments)
    cli.parse(values, rest)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}\n\n{_help_of(values.config)}")
    elif values.run:
        raise SystemExit(run_task(Path(values.run), values.points))
    elif values.report:
        _report(Path(values.report).expanduser())
    else:
        _sweep(values, dict(changes))


def _flags():
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    flags.DEFINE_string(
        "config", "experiments/digits.py", "the experiment's file", **define
    )
    flags.DEFINE_list(
        "sweep",
        None,
        "the sweep_NAME() of the file to be multiplied, by NAME; sweep and population "
        "are sweep() and population()",
        **define,
    )
    flags.DEFINE_multi_string(
        "grid", [], "FIELD=VALUE,VALUE,..; may be given several times", **define
    )
    flags.DEFINE_integer(
        "seeds", None, "so many seeds of each point, from config.seed on", 1, **define
    )
    flags.DEFINE_string(
        "workdir",
        None,
        "the sweep's folder, runs/EXPERIMENT_sweep by default",
        **define,
    )
    flags.DEFINE_enum(
        "population",
        "auto",
        ["auto", "off"],
        "points that differ in numbers and seeds alone are trained in one program, or "
        "each in one of its own",
        **define,
    )
    flags.DEFINE_integer(
        "workers",
        None,
        "processes at a time on this machine, one on each GPU or one on a CPU by "
        "default; into how many programs other engines split the points at least",
        1,
        **define,
    )
    flags.DEFINE_string(
        "shard", None, "i/n, from 1/n to n/n: only every n-th program", **define
    )
    flags.DEFINE_bool(
        "retry", False, "also points that failed or diverged before", **define
    )
    flags.DEFINE_bool(
        "dry_run", False, "print what would be trained and how long, and stop", **define
    )
    flags.DEFINE_string(
        "report",
        None,
        "write the report of the sweep in this folder, and stop",
        **define,
    )
    flags.DEFINE_enum(
        "engine", "local", ["local", *_PACKAGES], "what runs the processes", **define
    )
    flags.DEFINE_string(
        "ray_address", None, "of a running cluster; one of its own if none", **define
    )
    flags.DEFINE_float(
        "gpus_per_task", None, "of Ray; a part of one if below 1", 0, **define
    )
    flags.DEFINE_list(
        "slurm_options", [], "KEY=VALUE,KEY=VALUE,..: of submitit's executor", **define
    )
    flags.DEFINE_string("run", None, "a process of this sweep: its folder", **define)
    flags.DEFINE_multi_string("points", [], "what --run trains", **define)
    return values


def _help_of(path):
    """What of an experiment --sweep can choose."""
    found = points.generators(load_module(path))
    lines = [f"{path} defines {'these sweeps:' if found else 'no sweeps.'}"]
    for name, function in found.items():
        said = (function.__doc__ or "").strip().partition("\n")[0]
        lines.append(f"  {name}: {said}".rstrip(": "))
    return "\n".join(lines)


def _sweep(values, changes):
    for name, engine in _OF_ENGINES.items():
        if values[name].value and values.engine != engine:
            raise UsageError(f"--{name} goes with --engine={engine}")
    sweep, configs = _read_sweep(values, changes)
    folder = Path(values.workdir or f"runs/{sweep.experiment}_sweep").expanduser()
    sweep_folder.refuse_another(folder, sweep)
    names = sweep_folder.known_names(folder, sweep)
    sweep = sweep._replace(points={names[x]: p for x, p in sweep.points.items()})
    configs = {names[x]: config for x, config in configs.items()}
    groups = plan.group(configs, values.population == "auto")
    if values.shard:
        i, n = plan.parse_shard(values.shard)
        groups = plan.spread(groups, n)[i - 1 :: n]
    grouped = {name for names in groups for name in names}
    mine = {name: config for name, config in configs.items() if name in grouped}
    groups = plan.select(groups, folder, configs, values.retry)
    workers = _workers(values)
    if values.dry_run:
        groups = plan.spread(groups, workers)
        print(plan.describe(folder, sweep, mine, groups, workers))
        return
    run = _engine(values)
    sweep_folder.join(folder, sweep)
    sweep_folder.reopen(folder, [name for names in groups for name in names])
    tasks = [plan.make_task(folder, names) for names in plan.spread(groups, workers)]
    say(
        f"{folder}: {plan.count(len(mine), 'point')}, "
        f"{plan.count(len(tasks), 'program')} to run"
    )
    steps = {name: config.steps for name, config in mine.items()}
    with Progress(folder, steps):
        if tasks:
            run(tasks, folder)
    if not values.shard:
        _report(folder)
    raise SystemExit(_conclude(folder, mine))


def _read_sweep(values, changes):
    """What the command asks for, and the config of each point."""
    base, _ = load_experiment(values.config)
    file = find_experiment(values.config)
    module = load_module(values.config)
    parts = points.chosen(module, values.config, values.sweep, values.grid)
    if values.seeds:
        own = {field: text for field, text in changes.items() if field == "seed"}
        first = points.resolve(base, own, {}).seed
        seeds = [{"seed": first + i} for i in range(values.seeds)]
        parts = [
            points.without(part, "seed") if part.of_file else part for part in parts
        ]
        parts.append(points.Part("--seeds", seeds))
    if not parts:
        known = ", ".join(points.generators(module)) or "none"
        raise UsageError(
            f"nothing to vary: give --grid FIELD=VALUE,VALUE, --seeds=n, or --sweep of "
            f"what {values.config} defines ({known})"
        )
    chosen, configs = points.combine(base, changes, parts)
    if not chosen:
        raise UsageError(f"{' and '.join(part.source for part in parts)}: no points")
    common = _common(changes, chosen, configs)
    folder = experiments_dir().resolve()
    own = file.is_relative_to(folder) and file.relative_to(folder).as_posix()
    sweep = Sweep(
        experiment=file.stem,
        config=f"experiments/{own}" if own else str(file),
        base=to_json(base),
        changes=common,
        points=chosen,
    )
    return sweep, configs


def _common(changes, chosen, configs):
    """The changes that some point keeps, as the texts of their values."""
    texts = {}
    for name, point in chosen.items():
        values = fields(configs[name])
        for field in changes.keys() - point.keys():
            texts[field] = points.as_text(values[field])
    return {field: texts[field] for field in changes if field in texts}


def _workers(values):
    """How many programs run at a time, as far as this process knows."""
    if values.engine != "local":
        return values.workers or 1
    from gan_jax.sweep import local

    return len(local.make_slots(*local.devices(), values.workers))


def _engine(values):
    """(tasks, folder) -> None of the engine; UsageError where it is missing."""
    if values.engine == "local":
        from gan_jax.sweep import local

        return lambda tasks, folder: local.run(tasks, folder, values.workers)
    options = dict(_pair(text) for text in values.slurm_options)
    package = _PACKAGES[values.engine]
    if importlib.util.find_spec(package) is None:
        raise UsageError(
            f"--engine={values.engine} needs {package}: "
            f'pip install -e ".[{values.engine}]"'
        )
    if values.engine == "ray":
        from gan_jax.sweep import ray

        of_cluster = values.ray_address, values.gpus_per_task
        return lambda tasks, folder: ray.run(tasks, folder, *of_cluster)
    from gan_jax.sweep import slurm

    return lambda tasks, folder: slurm.run(tasks, folder, options)


def _pair(text):
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--slurm_options: expected KEY=VALUE,.., got {text!r}")
    return key, value


def _report(folder):
    from gan_jax.sweep import report

    report.write(folder)


def _conclude(folder, configs):
    """Prints how all points ended; the exit status that tells it."""
    rows, counts = [], Counter()
    for name in configs:
        status = read_status(points.place(folder, name)) or sweep_folder.Status("open")
        state = status.status
        over = sweep_folder.is_over(points.place(folder, name), configs[name])
        if not over:  # another process has it, or it was done with fewer steps
            state = "running" if state == "running" else "open"
        counts[state] += 1
        took = tqdm.format_interval(status.seconds)
        rows.append((name, state, status.step, took, status.error or ""))
    headers = ("point", "status", "saved step", "time", "error")
    print(tabulate(rows, headers=headers, disable_numparse=True, missingval="-"))
    said = ", ".join(f"{n} {state}" for state, n in counts.items())
    say(f"{folder}: {plan.count(len(configs), 'point')}, {said}")
    if counts["diverged"] + counts["done"] < len(configs):
        return 1
    return DivergedError.exit_status if counts["diverged"] else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
