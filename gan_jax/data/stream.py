"""Data sets larger than memory: read by index, decoded while the device is busy.

`Records` stand where arrays of the whole set would: what asks for a few of their
examples is given numpy arrays of those. `Stream` brings a training run its minibatches,
the very ones that it would have seen with the set in memory.
"""

import collections
import dataclasses
import math
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np
from absl import flags

from gan_jax.data.order import Order
from gan_jax.errors import UsageError

# Bytes that may be held at once: of examples read ahead, and of a column made an array.
MOST_BYTES = 2**30
_MOST_THREADS = 16
AHEAD = 2  # steps whose examples lie on the device before they are used


@dataclasses.dataclass(frozen=True, eq=False)
class Records(Mapping):
    """Examples that lie on disk: a mapping of names to columns, {"x": .., "y": ..}.

    read:    (rows, names) -> {name: array [k, *shape]} of integers [k]; what can be
             wrong with an example is a UsageError. It travels to other processes by
             pickle
    rows:    of each example, integers [n]: what `read` knows it by
    fields:  name -> (shape, dtype) of one example
    workers: processes that read minibatches; 0: threads of this one do
    """

    read: Callable
    rows: np.ndarray
    fields: dict[str, tuple[tuple[int, ...], np.dtype]]
    workers: int = 0

    @property
    def size(self) -> int:
        """The number of examples."""
        return len(self.rows)

    def fetch(self, indices) -> dict[str, np.ndarray]:
        """The examples of integers [k], {name: [k, *shape]}; each is read once."""
        return self.read(self.rows[indices], tuple(self.fields))

    def first(self, count: int) -> "Records":
        """The first `count` examples, not read yet."""
        return dataclasses.replace(self, rows=self.rows[:count])

    def __getitem__(self, name: str) -> "Column":
        return Column(self, name, *self.fields[name])

    def __iter__(self):
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


class Column:
    """One array of `records`, [n, *shape], that is read where it is indexed.

    It has a numpy array's len, shape, ndim, dtype and nbytes. An integer, a slice or
    integers of any shape choose examples, and are answered with numpy arrays.
    np.asarray reads the whole; where that is more than MOST_BYTES it is refused, a
    UsageError.
    """

    def __init__(self, records: Records, name: str, shape, dtype):
        self.records, self.name = records, name
        self.shape, self.dtype = (records.size, *shape), np.dtype(dtype)

    @property
    def ndim(self) -> int:
        """The number of dimensions, that of the examples included."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that the whole would take in memory."""
        return self.dtype.itemsize * math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index) -> np.ndarray:
        if isinstance(index, tuple):
            raise TypeError("a column is indexed by its examples alone")
        rows = np.asarray(self.records.rows[index])
        values = self.records.read(rows.reshape(-1), (self.name,))[self.name]
        return values.reshape((*rows.shape, *self.shape[1:]))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if self.nbytes > MOST_BYTES:
            shape, size = " x ".join(map(str, self.shape[1:])), self.nbytes / 2**30
            raise UsageError(
                f"{len(self):,} streamed examples of {shape} would take {size:,.1f} "
                "GiB of memory at once; name fewer of them, such as train[:10000]"
            )
        return np.asarray(self[:], dtype)


@dataclasses.dataclass(frozen=True)
class _Minibatches:
    """position -> the examples of `count` minibatches, {name: [count, n, *shape]}.

    n is this host's part of a minibatch; position counts in groups of `count`.
    """

    records: Records
    order: Order
    count: int
    share: tuple[int, int]

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        host, hosts = self.share
        n = self.order.batch_size // hosts
        rows = self.order(position * self.count, self.count)
        own = rows[:, host * n : (host + 1) * n]
        examples = self.records.fetch(own.reshape(-1))
        return {
            name: leaf.reshape((*own.shape, *leaf.shape[1:]))
            for name, leaf in examples.items()
        }

    @property
    def nbytes(self) -> int:
        """Of what one call returns."""
        columns = self.records.first(1).values()
        one = sum(column.nbytes for column in columns)
        return one * self.count * self.order.batch_size // self.share[1]


def minibatches(
    records: Records,
    seed: int,
    batch_size: int,
    step: int,
    *,
    count: int = 1,
    share: tuple[int, int] = (0, 1),
) -> Iterator[dict[str, np.ndarray]]:
    """The examples of step `step`, of the next one, and so on without end.

    A step takes `count` minibatches: {name: [count, n, *shape]}. Those are the rows of
    `Order`, a function of (seed, step) alone, so that a run resumes at any
    step. `share` = (host, hosts) chooses the rows of this host, the same number for
    each: n = batch_size / hosts.

    They are read ahead, in order, by grain. Threads leave at most MOST_BYTES waiting,
    or two steps; each of `records.workers` processes one step, beside that which it
    reads. Closing the iterator ends the reading.
    """
    import grain  # a second, which other runs gain

    host, hosts = share
    if batch_size % hosts or not 0 <= host < hosts:
        raise ValueError(f"host {host} of {hosts} has no equal part of {batch_size}")
    order = Order(seed, batch_size, records.size)
    read = _Minibatches(records, order, count, share)
    dataset = grain.MapDataset.range(step, sys.maxsize).map(read)
    if records.workers:
        dataset = _by_processes(dataset, records.workers)
    else:
        waiting = max(2, MOST_BYTES // read.nbytes)
        threads = min(_MOST_THREADS, os.cpu_count() or 1, waiting)
        options = grain.ReadOptions(threads, min(2 * threads, waiting))
        dataset = dataset.to_iter_dataset(options)
    iterator = iter(dataset)
    try:
        yield from iterator
    finally:
        iterator.close()


def _by_processes(dataset, workers):
    """The elements of `dataset` in their order, read by processes."""
    import grain

    if not flags.FLAGS.is_parsed():  # grain asks for flags of its own
        flags.FLAGS.mark_as_parsed()
    # Through pipes, which are as fast here: containers have little shared memory, and
    # before Python 3.13 what is left in it at the end is warned about.
    pipes = grain.experimental.DatasetOptions(min_shm_size=sys.maxsize)
    dataset = dataset.to_iter_dataset(grain.ReadOptions(0, 0))
    dataset = grain.experimental.WithOptionsIterDataset(dataset, pipes)
    options = grain.MultiprocessingOptions(num_workers=workers)
    return dataset.mp_prefetch(options, worker_init_fn=_leave_signals_to_the_run)


def _leave_signals_to_the_run(worker, workers):
    """In a worker: what a terminal sends reaches all its processes, the run answers."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):  # there is no hang-up on Windows
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def placed_ahead(steps: Generator, place: Callable) -> Generator:
    """place(examples) of each step, two steps before it is used.

    `place` begins to copy to the device and does not wait, like `jax.device_put`: the
    copies run while the device is busy with the steps before.
    """
    waiting = collections.deque()
    try:
        for examples in steps:
            waiting.append(place(examples))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        yield from waiting
    finally:
        steps.close()


class Stream:
    """The minibatches of a training run, on the device when they are asked for.

    place: {name: numpy [count, n, *shape]} -> the same on the device, see
           `placed_ahead`; the other arguments are those of `minibatches`
    """

    def __init__(
        self,
        records: Records,
        seed: int,
        batch_size: int,
        place: Callable,
        *,
        count: int = 1,
        share: tuple[int, int] = (0, 1),
    ):
        def start(step):
            steps = minibatches(
                records, seed, batch_size, step, count=count, share=share
            )
            return placed_ahead(steps, place)

        self._start, self._next = start, None
        self._steps: Any = None

    def take(self, step: int):
        """The examples of `step`; those of the step after it are on their way."""
        if self._steps is None or step != self._next:
            self.close()
            self._steps = self._start(step)
        self._next = step + 1
        return next(self._steps)

    def close(self) -> None:
        """Ends the reading; a later `take` begins it again."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None
