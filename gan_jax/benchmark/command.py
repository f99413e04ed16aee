"""Measures the training of an experiment, alone or beside others.

    python -m gan_jax.benchmark --config=experiments/digits.py
    python -m gan_jax.benchmark --config=experiments/digits.py --peer --json=rates.jsonl
    python -m gan_jax.benchmark --config=experiments/digits.py --population=1,4,16
    python -m gan_jax.benchmark --config=experiments/digits.py --scaling
    python -m gan_jax.benchmark --show=rates.jsonl

What is timed is what the training command does at every step: minibatches taken from
the data on the device, the updates of both players, the metrics. Pictures and
checkpoints are not part of it.

--peer trains the same networks in PyTorch, in a process of its own, in turns with ours:
A B A B. Whoever does not train waits without using a core. Its code is in tests/peers.

--population trains so many members in this process, side by side in one program and in
turns, and beside them one run alone, as often as there are members: A B C A B C.

--scaling trains nothing: it estimates what exchange between many devices costs.
"""

import json
from pathlib import Path
from typing import Any

from absl import flags

from gan_jax import cli
from gan_jax.benchmark import population, scaling, training
from gan_jax.benchmark.machine import machine
from gan_jax.benchmark.tables import details, table
from gan_jax.config.files import load_experiment, override
from gan_jax.config.validation import validate
from gan_jax.data.loading import load_training_data
from gan_jax.errors import UsageError
from gan_jax.loop.process import prepare_process


def main(arguments: list[str]) -> None:
    """Reads the flags, measures, and prints a table."""
    values = _flags()
    rest, changes = cli.split_off_changes(arguments)
    cli.parse(values, rest)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    if values.show:
        print(_shown(values.show))
        return
    _refuse(values)
    variants = _varied(values.vary)
    sizes = _sizes(values.population)
    prepare_process()
    results = []
    for varied in variants:
        for result in _measure(values, sizes, [*changes, *varied]):
            results.append(result)
            if values.json:
                with open(values.json, "a") as file:
                    file.write(json.dumps(result) + "\n")
    alone = len(results) == 1 and results[0]["kind"] == "training"
    print(details(results[0]) if alone else table(results))


def _flags():
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    flags.DEFINE_string(
        "config", "experiments/digits.py", "the experiment's file", **define
    )
    flags.DEFINE_bool("peer", False, "beside PyTorch, in turns", **define)
    flags.DEFINE_bool("peer_compile", False, "--peer under torch.compile", **define)
    flags.DEFINE_string(
        "peer_python", None, "--peer in this Python, which has PyTorch", **define
    )
    flags.DEFINE_string(
        "population",
        None,
        "N,N,..: populations of so many members, beside one run after the other",
        **define,
    )
    flags.DEFINE_bool(
        "scaling",
        False,
        "what many devices would exchange, and an estimate of what that costs",
        **define,
    )
    flags.DEFINE_string(
        "vary", None, "FIELD=VALUE,VALUE,..: measured with each of the values", **define
    )
    flags.DEFINE_integer(
        "repeats", 5, "measurements of two seconds", lower_bound=1, **define
    )
    flags.DEFINE_bool(
        "startup",
        True,
        "also the time from the command to its first step, cold and warm",
        **define,
    )
    flags.DEFINE_string(
        "json", None, "a file to which a line with each result is added", **define
    )
    flags.DEFINE_string("profile", None, "a folder for a trace of ten steps", **define)
    flags.DEFINE_string(
        "show", None, "print the results in a --json file, and stop", **define
    )
    return values


def _refuse(values):
    """Raises UsageError for two flags of which each asks for another measurement."""
    names = "population", "scaling", "peer", "peer_compile", "peer_python", "profile"
    given = [name for name in names if values[name].value]
    if len(given) > 1 and given[0] in names[:2]:
        raise UsageError(f"--{given[0]} and --{given[1]} do not go together")
    if values.json:  # before anything is measured that could not be kept
        try:
            open(values.json, "a").close()
        except OSError as error:
            raise UsageError(f"--json={values.json}: {error.strerror}") from None


def _varied(text):
    """FIELD=VALUE,VALUE as one list of changes for each value."""
    if text is None:
        return [[]]
    field, equals, points = text.partition("=")
    if not equals or not points:
        raise UsageError(f"--vary={text}: expected FIELD=VALUE,VALUE,..")
    return [[(field, value)] for value in points.split(",")]


def _sizes(text):
    """The numbers of members of N,N,.. or None."""
    if text is None:
        return None
    sizes = text.split(",")
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise UsageError(f"--population={text}: expected numbers of members, N,N,..")
    return [int(size) for size in sizes]


def _shown(path):
    """The table of the results in a --json file."""
    try:
        return table([json.loads(line) for line in Path(path).read_text().splitlines()])
    except OSError as error:
        raise UsageError(f"--show={path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"--show={path}: a line is no result of --json") from None


def _measure(values, sizes, changes):
    """Yields all that was asked for of one experiment, as JSON values."""
    config, _ = load_experiment(values.config)
    override(config, changes)
    validate(config)
    result = {
        "experiment": Path(values.config).stem,
        "changes": dict(changes),
        "batch_size": config.batch_size,
        "d_steps": config.d_steps,
    }
    if values.scaling:
        dataset = load_training_data(config)
        yield result | {"kind": "scaling"} | scaling.estimate(config, dataset)
        return
    result["machine"] = machine()
    if sizes:
        dataset = load_training_data(config)
        for measured in population.measure(config, dataset, sizes, values.repeats):
            yield result | {"kind": "population"} | measured
        return
    yield result | {"kind": "training"} | training.measure(values, config, changes)
