"""Labels in networks: as further channels, and in batch norm.

Labels y are int32 [n], or weights [n, classes] whose rows sum to 1: of those between
two classes a network makes what lies between.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.layers.norms import batch_statistics, spread


def one_hot(y, classes: int):
    """Weights of classes, float32 [n, classes], of labels y; weights stay as they are.

    Raises UsageError where there are no classes, or weights of another number of them.
    """
    if classes < 1:
        raise UsageError(
            "a network is given labels, but the data have no classes; train on data "
            "with labels, or by a game without them"
        )
    if y.ndim == 1:
        return jax.nn.one_hot(y, classes)
    if y.shape[1:] != (classes,):
        raise UsageError(
            f"labels of shape {y.shape}; accepted are whole numbers [n], or weights "
            f"[n, {classes}] of the classes"
        )
    return y.astype(jnp.float32)


def join(x, y, classes: int):
    """x [n, .., channels] with the classes of labels y as further channels."""
    weights = one_hot(y, classes).astype(x.dtype)
    shape = (*x.shape[:-1], classes)
    weights = lax.broadcast_in_dim(weights, shape, (0, x.ndim - 1))
    return jnp.concatenate([x, weights], -1)


def _rows_of(table, y):
    """The rows of `table` [classes, channels] that labels y stand for, in float32."""
    weights, table = one_hot(y, len(table)), table.astype(jnp.float32)
    # a look-up is no place for a network's coarser products
    return jnp.matmul(weights, table, precision=lax.Precision.HIGHEST)


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and shift are the label's (Dumoulin et al. 2017).

    Statistics are those of the whole batch. The tables of scales, which start at 1, and
    of shifts, which start at 0, are [classes, channels].
    """

    classes: int
    epsilon: float = 1e-5
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x, y, train):
        """x [n, .., channels] of labels y, as `BatchNorm` takes it."""
        dtype, tables = x.dtype, (self.classes, x.shape[-1])
        scale = self.param("scale", nn.initializers.ones, tables)
        bias = self.param("bias", nn.initializers.zeros, tables)
        shift = _rows_of(bias, y)
        x, mean, var = batch_statistics(self, x, train)
        factor = _rows_of(scale, y)
        factor = factor * spread(lax.rsqrt(var + self.epsilon), factor, -1)
        x = (x - spread(mean, x, -1)) * spread(factor, x, 0, -1)
        return (x + spread(shift, x, 0, -1)).astype(dtype)
