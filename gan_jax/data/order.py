"""The order of the data: a pure function of (seed, position).

Nothing about it has to be saved, and a resumed run sees the minibatches that it would
have seen. Every epoch is a fresh permutation; what is left after its last full
minibatch is dropped.

Data drawn by a seed of their own, such as data.toy2d, start numpy's generator as [seed,
split], the order as [seed, epoch]: of equal seeds, as both are by default, the training
data and the first epoch consume one stream of bits. They make different things of it:
data take the high bits of a draw, a permutation the low ones and a varying number of
draws. Nothing of it is left in where an example comes: over 400 seeds, correlations of
position and value, and the spread of minibatches' means, are those of seeds apart
(tests/test_order.py), so that the order is left as the runs before have it.
"""

import numpy as np


class Order:
    """The minibatches of a run, counted from its start through all epochs.

    order(first, count) -> the examples of minibatches first, ..., first + count - 1:
    int32 [count, batch_size], each in 0 .. size - 1

    which: 0 for the data, 1 for those beside them, whose order has nothing to do with
           that of the first
    """

    def __init__(self, seed: int, batch_size: int, size: int, which: int = 0):
        self.batch_size = batch_size
        self._seed, self._size, self._which = seed, size, which
        self._epochs: dict[int, np.ndarray] = {}  # those at hand

    def __call__(self, first: int, count: int) -> np.ndarray:
        n, per_epoch = self.batch_size, self._size // self.batch_size
        rows = []
        for position in range(first, first + count):
            epoch, row = divmod(position, per_epoch)
            rows.append(self._permutation(epoch)[row * n : (row + 1) * n])
        return np.stack(rows)

    def _permutation(self, epoch):
        """The order of all examples in an epoch, kept until another is asked for."""
        epochs = self._epochs
        if epoch in epochs:
            return epochs[epoch]
        # trailing zeros say nothing to numpy, so that of the data may be left out
        seed = [self._seed, epoch, *[self._which] * (self._which > 0)]
        order = np.random.default_rng(seed).permutation(self._size).astype(np.int32)
        near = {other: x for other, x in epochs.items() if abs(other - epoch) == 1}
        self._epochs = near | {epoch: order}  # replaced whole: threads may ask at once
        return order
