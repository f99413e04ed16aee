"""Many devices as one, on one host or on several.

The training step is one logical program on whole minibatches, and a mesh of devices
says what lies where: parameters on every device, the examples of a minibatch divided
among them. XLA adds the exchange. So batch statistics and random numbers are those of
one device, and nothing inside a game or a network knows of any of this. It is today's
form of what `jax.pmap` did.

A mesh has the axis "data", and "member" before it for a population.
"""

import contextlib
import math

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gan_jax.errors import UsageError

_AXES = "member", "data"


def data_mesh(config) -> Mesh:
    """The devices that share the minibatches of a run, all in one axis.

    config.devices of them; where that is 0, the largest number that divides the
    minibatch. A job of several hosts takes all of its devices. Raises UsageError.
    """
    devices = jax.devices()
    unit = _unit(config)
    units = config.batch_size // unit
    divisors = [n for n in range(1, len(chosen(config)) + 1) if units % n == 0]
    n = config.devices or max(divisors)
    if jax.process_count() > 1:
        if config.devices not in (0, len(devices)):
            raise UsageError(
                f"config.devices={n}: a job of several hosts takes all of its "
                f"{len(devices)}; leave it at 0"
            )
        n = len(devices)
    if units % n:
        below, step = config.batch_size // (n * unit), n * unit
        sizes = [size * step for size in (below, below + 1) if size]
        raise UsageError(
            f"config.batch_size={config.batch_size} cannot be divided among {n} "
            f"devices; nearest sizes: {' or '.join(map(str, sizes))}"
        )
    return _mesh((n,), _AXES[1:])


def population_mesh(config, members: int) -> Mesh:
    """The devices of a population: members side by side, and data within a member.

    As many devices as their numbers allow, and members rather than data, which cost an
    exchange.
    """
    found, units = len(chosen(config)), config.batch_size // _unit(config)
    shapes = [
        (across, inside)
        for across in range(1, found + 1)
        for inside in range(1, found // across + 1)
        if members % across == 0 and units % inside == 0
    ]
    return _mesh(max(shapes, key=lambda shape: (math.prod(shape), shape)), _AXES)


def _unit(config):
    """How many examples devices take at a time: packs stay whole, in each part."""
    return config.pack * config.accumulate


def chosen(config) -> list:
    """The devices that config.devices allows; UsageError where there are fewer."""
    found = jax.devices()
    if config.devices > len(found):
        raise UsageError(f"config.devices={config.devices}, but there are {len(found)}")
    return found[: config.devices or None]


def one_device(device) -> Mesh:
    """A mesh of this device alone."""
    return _mesh((1,), _AXES[1:], [device])


def _mesh(shape, axes, devices=None):
    # in their order, so that the examples of a host are neighbours
    devices = np.array(devices or jax.devices()[: math.prod(shape)])
    # the default type of an axis, Explicit, would put shardings into the types that
    # flax sees
    types = (AxisType.Auto,) * len(axes)
    return Mesh(devices.reshape(shape), axes, axis_types=types)


def describe(mesh: Mesh, config) -> str:
    """The mesh in words."""
    members, n = mesh.shape.get("member", 1), mesh.shape["data"]
    hosts = f" on {jax.process_count()} hosts" if jax.process_count() > 1 else ""
    side = f"{members} groups of members x " if members > 1 else ""
    return (
        f"{mesh.size} of {len(jax.devices())}{hosts}, {side}{n} for a minibatch, "
        f"{config.batch_size // n} examples each"
    )


def within(mesh: Mesh):
    """A context: programs that are called in it are traced for this mesh."""
    return contextlib.nullcontext() if mesh.size == 1 else jax.set_mesh(mesh)


def spread(tree):
    """Within a program: leading axes divided among the devices of the mesh.

    Whatever a step draws at random for each example has to go through here, too, or
    every device computes all of it, and all that follows from it.
    """
    return _constrain(tree, PartitionSpec("data"))


def replicated(tree):
    """Within a program: every device of the mesh has all of it."""
    return _constrain(tree, PartitionSpec())


def _constrain(tree, spec):
    if "data" not in jax.sharding.get_abstract_mesh().axis_names:
        return tree
    return jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, spec), tree)


def everywhere(tree, mesh: Mesh):
    """`tree`, which every process has as a whole, on every device of the mesh."""
    place = NamedSharding(mesh, PartitionSpec())
    if jax.process_count() == 1:
        return jax.device_put(tree, place)

    def put(x):
        if isinstance(x, jax.Array) and not x.is_fully_addressable:
            return x  # restored from a checkpoint, and there already
        if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(put(jax.random.key_data(x)))
        return jax.make_array_from_process_local_data(place, np.asarray(x), x.shape)

    return jax.tree.map(put, tree)


def divided(tree, mesh: Mesh):
    """Minibatches [k, n, ...] among the devices; of several hosts each has its rows."""
    place = NamedSharding(mesh, PartitionSpec(None, "data"))
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(place, x), tree
    )


def by_member(tree, mesh: Mesh):
    """`tree`, whose leaves begin with the axis of members, spread along that axis."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec("member")))


def local(tree):
    """What lies everywhere, as arrays of one device of this process; no copy."""
    return jax.tree.map(
        lambda x: x.addressable_data(0) if isinstance(x, jax.Array) else x, tree
    )
