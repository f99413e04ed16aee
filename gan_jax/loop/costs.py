"""What a training step costs, in operations and in memory; nothing is run for it."""

import functools

import jax
import psutil
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_jax.build import build, initial_state
from gan_jax.config.files import from_json, to_json
from gan_jax.data.feed import feed_of_shapes
from gan_jax.loop import parallel
from gan_jax.loop.dispatch import make_dispatch


def shapes(config, built, mesh: Mesh):
    """The state that a run starts with as shapes, which lie on every device."""
    place = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
        jax.eval_shape(functools.partial(initial_state, config, built)),
    )


def programs(config, built, dataset, mesh: Mesh) -> list:
    """What one step runs, as of `Dispatch.programs`; its arguments are shapes."""
    dispatch = make_dispatch(config, built, dataset, mesh)
    state = shapes(config, built, mesh)
    return dispatch.programs(state, feed_of_shapes(config, dataset, mesh))


def operations_of_step(config, dataset) -> float:
    """Floating-point operations of a step, all devices together.

    Those of whole minibatches, of which the parts of config.accumulate are as many: of
    a loop, which these may be in, XLA counts one round.
    """
    whole = from_json(to_json(config) | {"accumulate": 1})
    built = build(whole, dataset.info, dataset.mean)
    mesh = parallel.one_device(jax.devices()[0])
    return operations(programs(whole, built, dataset, mesh))


def operations(programs: list) -> float:
    """Floating-point operations of what one step runs, as of `Dispatch.programs`."""
    return sum(
        times * (program.lower(*arguments).cost_analysis() or {}).get("flops", 0.0)
        for program, arguments, times in programs
    )


def temporary(programs: list, mesh: Mesh) -> int:
    """Bytes that a step needs on each device beside its arguments; compiles it.

    The most that one of its programs needs, as of `Dispatch.programs`.
    """
    with parallel.within(mesh):
        analyses = [
            program.lower(*arguments).compile().memory_analysis()
            for program, arguments, _ in programs
        ]
    return max(getattr(each, "temp_size_in_bytes", 0) for each in analyses)


def size(tree) -> int:
    """Bytes of all arrays in a tree, or of what has shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def free_memory(devices) -> list[int]:
    """Bytes that are free on each of the devices."""
    stats = [device.memory_stats() or {} for device in devices]
    if all("bytes_limit" in each for each in stats):
        return [each["bytes_limit"] - each["bytes_in_use"] for each in stats]
    shared = psutil.virtual_memory().available  # CPU devices share that of the host
    return [shared // len(devices)] * len(devices)
