"""Labels in networks: as further channels, and in batch norm.

Labels y are int32 [n], or weights [n, classes] whose rows sum to 1: of those between
two classes a network makes what lies between.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.layers.affine import Dense
from gan_jax.layers.norms import batch_statistics, spread
from gan_jax.layers.weights import plain


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
        tables = self.classes, x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, tables)
        bias = self.param("bias", nn.initializers.zeros, tables)
        return _of_each(self, x, _rows_of(scale, y), _rows_of(bias, y), train)


class AdaptiveBatchNorm(nn.Module):
    """Batch norm whose scale and shift are linear in what each example is told.

    Told a vector v, the scale is 1 + A v and the shift B v (Brock et al. 2019, BigGAN,
    section 3): v may be shared by all norms of a network, which then learn a matrix
    each in place of a table. Where v is one-hot, A and B are tables, those of
    `ConditionalBatchNorm` less its scales' ones. `weight` is that of A and of B.
    """

    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    weight: Callable[[nn.Module, Any], Any] = plain
    epsilon: float = 1e-5
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x, v, train):
        """x [n, .., channels], told v [n, d], as `BatchNorm` takes it."""
        linear = functools.partial(
            Dense,
            x.shape[-1],
            use_bias=False,
            kernel_init=self.kernel_init,
            weight=self.weight,
        )
        scale = 1 + linear(name="scale")(v).astype(jnp.float32)
        shift = linear(name="shift")(v).astype(jnp.float32)
        return _of_each(self, x, scale, shift, train)


def _of_each(layer, x, scale, shift, train):
    """x by batch statistics, then by the scale and the shift [n, channels] of each."""
    dtype = x.dtype
    x, mean, var = batch_statistics(layer, x, train)
    factor = scale * spread(lax.rsqrt(var + layer.epsilon), scale, -1)
    x = (x - spread(mean, x, -1)) * spread(factor, x, 0, -1)
    return (x + spread(shift, x, 0, -1)).astype(dtype)


class Embedding(nn.Module):
    """A learned vector for each class: labels y -> float32 [n, features].

    It is no kernel: spectral norm and weight decay have no part in it.
    """

    classes: int
    features: int
    init: nn.initializers.Initializer = nn.initializers.normal(1.0)

    @nn.compact
    def __call__(self, y):
        table = self.param("embedding", self.init, (self.classes, self.features))
        return _rows_of(table, y)
