"""What a training would take, before anything is trained or written."""

import math
import re

import jax
from tabulate import tabulate
from tqdm import tqdm

from gan_jax.benchmark import timing
from gan_jax.benchmark.ours import Ours
from gan_jax.config.validation import validate
from gan_jax.data.feed import feed_of_shapes
from gan_jax.data.stream import AHEAD, Records
from gan_jax.errors import UsageError
from gan_jax.loop import costs, parallel
from gan_jax.loop.train import prepare


def dry_run(config) -> None:
    """Prints the parameters of both players, layer by layer, and what a step costs.

    The step is compiled for the devices that would train, for the memory that XLA plans
    with; where that fits, a few seconds of steps tell how long a training would take.
    Raises UsageError for a config that cannot be trained, and where a device has less
    memory free than is needed: so a training would end, too.
    """
    validate(config)
    mesh = parallel.data_mesh(config)
    dataset, built = prepare(config)
    state = costs.shapes(config, built, mesh)
    encoder = f", encoder {config.encoder.name}" if "encoder" in config else ""
    generator = f"generator {config.generator.name}{encoder}"
    print(of_layers(generator, state.g.params))
    print(of_layers(f"discriminator {config.discriminator.name}", state.d.params))
    flops = costs.operations_of_step(config, dataset)
    print(f"operations of a step: {flops / 1e9:,.3g} GFLOP\n", flush=True)

    needed = _held(config, dataset, state, mesh)
    programs = costs.programs(config, built, dataset, mesh)
    needed["temporary, of a step"] = costs.temporary(programs, mesh)
    needed["together"] = total = sum(needed.values())
    free = min(costs.free_memory(mesh.devices.flatten()))
    rows = [(name, _mebibytes(n)) for name, n in needed.items() if n]
    print(_table(rows, ("memory of each device", "")))
    print(f"devices: {parallel.describe(mesh, config)}")
    if total > free:
        raise UsageError(
            f"it does not fit: a device needs {_mebibytes(total)}, and has "
            f"{_mebibytes(free)} free; a smaller config.batch_size or a larger "
            "config.accumulate needs less"
        )
    print(f"it fits: a device has {_mebibytes(free)} free", flush=True)

    seconds = _seconds_a_step(config, dataset)
    training = tqdm.format_interval(seconds * config.steps)
    grown = " of the last level" if built.game.phases else ""
    print(
        f"time: {1e3 * seconds:,.3g} ms a step{grown}, {training} for "
        f"{config.steps:,} steps, and what pictures, checkpoints and evaluations take"
    )


def _seconds_a_step(config, dataset):
    """As `python -m gan_jax.benchmark` measures them, once and for two seconds."""
    ours = Ours(config, dataset)
    steps = timing.warm_up({"ours": ours}, ours.period)["ours"]
    return ours.take(steps) / steps


def of_layers(name: str, params) -> str:
    """A table: each layer of a player, the shapes of its arrays, how many numbers.

    params: the player's, or their shapes
    """
    layers = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        layer, _, array = jax.tree_util.keystr(
            path, simple=True, separator="/"
        ).rpartition("/")
        shape = "x".join(map(str, leaf.shape)) or "a number"
        layers.setdefault(layer or array, []).append((f"{array} {shape}", leaf.size))
    rows = [
        (layer, ", ".join(shape for shape, _ in arrays), sum(n for _, n in arrays))
        for layer, arrays in sorted(layers.items(), key=_in_order)
    ]
    total = sum(n for *_, n in rows)
    rows = [(layer, shapes, f"{n:,}") for layer, shapes, n in rows]
    return _table([*rows, ("together", "", f"{total:,}")], (name, "", "parameters"))


def _in_order(item):
    """The 10th layer after the 9th."""
    return [
        int(part) if part.isdigit() else part for part in re.split(r"(\d+)", item[0])
    ]


def _held(config, dataset, state, mesh) -> dict[str, int]:
    """Bytes that lie on each device all through a run, by what they are of."""
    players = state.d, state.g
    held = {
        "parameters": costs.size([player.params for player in players]),
        "statistics": costs.size([player.stats for player in players]),
        "optimizers": costs.size([player.opt_state for player in players]),
        "average of G": costs.size(state.g_ema),
    }
    held["copy of these, to be saved"] = sum(held.values())
    examples, _ = feed_of_shapes(config, dataset, mesh).fetch(0, 1)
    share = sum(
        math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize
        for x in jax.tree.leaves(examples)
    )
    if isinstance(dataset.arrays, Records):
        held["minibatches, read ahead"] = (1 + AHEAD) * share
    else:
        held["data"] = share
    held["held-out data"] = costs.size(dataset.validation)
    return held


def _table(rows, headers):
    left_but_the_last = ("left",) * (len(headers) - 1) + ("right",)
    text = tabulate(rows, headers, colalign=left_but_the_last, disable_numparse=True)
    return text + "\n"


def _mebibytes(size):
    return f"{size / 2**20:,.1f} MiB"
