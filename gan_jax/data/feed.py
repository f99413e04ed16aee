"""What the training steps of a run are fed: its minibatches, step by step."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from gan_jax.data.order import Order
from gan_jax.data.stream import Records, Stream
from gan_jax.loop import parallel
from gan_jax.pace import Pace
from gan_jax.state import keys_of


class Feed(NamedTuple):
    """fetch: (start, count) -> (arrays, indices), the minibatches of the `count` steps
           after `start`: examples that lie on the devices, and the rows of them that
           are in each minibatch, int32 [count k, n], or [count k, 2 n] of two sets;
           or the minibatches of one step themselves, [k, n, ...], and None
    key:   the key of the views of the run's data
    close: ends what reads in the background
    """

    fetch: Callable[[int, int], tuple[Any, np.ndarray | None]]
    key: jax.Array
    close: Callable[[], None] = lambda: None


def make_feed(config, dataset, mesh) -> Feed:
    """The minibatches of a run on the devices of `mesh`."""
    if isinstance(dataset.arrays, Records):
        return from_disk(config, dataset.arrays, mesh)
    arrays = parallel.everywhere(dataset.arrays, mesh)
    return from_memory(config, dataset.sizes, arrays)


def feed_of_shapes(config, dataset, mesh) -> Feed:
    """The same with shapes for the examples, for programs that are not run."""
    if isinstance(dataset.arrays, Records):
        place = NamedSharding(mesh, PartitionSpec(None, "data"))
        n = config.d_steps, config.batch_size
        fields = dataset.arrays.fields.items()
        arrays = {
            name: jax.ShapeDtypeStruct((*n, *shape), dtype, sharding=place)
            for name, (shape, dtype) in fields
        }
        return Feed(lambda start, count: (arrays, None), keys_of(config.seed)["views"])
    place = NamedSharding(mesh, PartitionSpec())
    arrays = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
        dict(dataset.arrays),
    )
    return from_memory(config, dataset.sizes, arrays)


def from_memory(config, sizes, arrays) -> Feed:
    """The minibatches of a run whose whole data, `arrays`, lie on the devices.

    sizes: of the `Dataset`, each set in an order of its own
    """
    pace = Pace.of(config)
    orders = [
        Order(config.seed, config.batch_size, size, which)
        for which, size in enumerate(sizes)
    ]

    def fetch(start, count):
        first, end = pace.before(start), pace.before(start + count)
        rows = [order(first, end - first) for order in orders]
        return arrays, np.concatenate(rows, axis=-1)

    return Feed(fetch, keys_of(config.seed)["views"])


def from_disk(config, records, mesh) -> Feed:
    """The minibatches of a run that are read while it trains; each host reads its own.

    The same as from memory: their order is the same function of seed and step.
    """
    stream = Stream(
        records,
        config.seed,
        config.batch_size,
        functools.partial(parallel.divided, mesh=mesh),
        count=config.d_steps,
        share=(jax.process_index(), jax.process_count()),
    )

    def fetch(start, count):
        return stream.take(start), None

    return Feed(fetch, keys_of(config.seed)["views"], stream.close)
