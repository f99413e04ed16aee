"""The order of the data: a pure function of (seed, position).

Nothing about it has to be saved, and a resumed run sees the minibatches that it would
have seen. Every epoch is a fresh permutation; what is left after its last full
minibatch is dropped.
"""

import functools

import numpy as np


@functools.lru_cache(maxsize=2)  # the epoch that ends and the one that begins
def permutation(seed: int, epoch: int, size: int) -> np.ndarray:
    """The order of the `size` examples in `epoch` (0, 1, ...), int32 [size]."""
    order = np.random.default_rng([seed, epoch]).permutation(size)
    return order.astype(np.int32)


def minibatch_indices(
    seed: int, first: int, count: int, batch_size: int, size: int
) -> np.ndarray:
    """The examples of minibatches first, ..., first + count - 1: int32 [count, n].

    Minibatches are counted from the start of the run, through all epochs.
    """
    per_epoch = size // batch_size
    rows = []
    for position in range(first, first + count):
        epoch, row = divmod(position, per_epoch)
        order = permutation(seed, epoch, size)
        rows.append(order[row * batch_size : (row + 1) * batch_size])
    return np.stack(rows)
