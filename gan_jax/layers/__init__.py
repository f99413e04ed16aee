"""Layers that the networks share: dense, convolutions, pooling, maxout, initialisers.

The layers compute what their plain counterparts in flax and lax compute, in values and
in gradients of every order. They are written anew because XLA has slow paths on CPU
(see `convolution.py`), and since the plain ones in bfloat16 sum gradients of biases in
bfloat16: at 256, adding 1 changes nothing any more.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.layers.convolution import Window, to_features, to_image

ACTIVATIONS = {"relu": nn.relu, "sigmoid": nn.sigmoid, "tanh": nn.tanh}
ACTIVATIONS["linear"] = lambda x: x


def add_bias(y, bias):
    """y + bias in the type of y, by way of float32: so is the bias's gradient summed.

    y is [n, ..]; a bias of fewer axes is one for each of y's last ones.
    """
    bias = jnp.expand_dims(bias.astype(jnp.float32), range(y.ndim - bias.ndim))
    return (y + bias).astype(y.dtype)


class Dense(nn.Module):
    """`nn.Dense`."""

    features: int
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x):
        shape = (x.shape[-1], self.features)
        y = x @ self.param("kernel", self.kernel_init, shape)
        if self.use_bias:
            y = add_bias(y, self.param("bias", self.bias_init, shape[-1:]))
        return y


class Conv(nn.Module):
    """`nn.Conv` with a square kernel; `padding` is "SAME" or a number of zeros."""

    features: int
    kernel: int
    stride: int = 1
    padding: int | str = "SAME"
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x):
        window = Window.over(x.shape[1:3], self.kernel, self.stride, self.padding)
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        y = to_features(x, self.param("kernel", self.kernel_init, shape), window)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = add_bias(y, bias)
        return y


class ConvTranspose(nn.Module):
    """`nn.ConvTranspose(transpose_kernel=True)` with a square kernel.

    The kernel [kh, kw, outputs, inputs] is that of the convolution it is the transpose
    of. Padding "SAME" multiplies height and width by the stride; p zeros make them
    stride * (size - 1) + kernel - 2 p. A bias is tied, one a channel, or `untied`, one
    for every pixel of every channel.
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int | str = "SAME"
    use_bias: bool = True
    untied: bool = False
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal(-1, -2)

    @nn.compact
    def __call__(self, y):
        same = self.padding == "SAME"
        extra = 0 if same else self.kernel - 2 * self.padding - self.stride
        image = [self.stride * places + extra for places in y.shape[1:3]]
        window = Window.over(image, self.kernel, self.stride, self.padding)
        shape = (self.kernel, self.kernel, self.features, y.shape[-1])
        x = to_image(y, self.param("kernel", self.kernel_init, shape), window)
        if self.use_bias:
            shape = x.shape[1:] if self.untied else x.shape[-1:]
            x = add_bias(x, self.param("bias", nn.initializers.zeros, shape))
        return x


def _maximum(pieces):
    """Elementwise maximum; the first of equal pieces gets the gradient, NaNs stay."""

    def greater(a, b):
        return jnp.where((a >= b) | jnp.isnan(a), a, b)

    return functools.reduce(greater, pieces)


def _pool(x, size, stride, combine):
    """Combines the pixels of each window, first in its rows, then in its columns."""
    for axis in (2, 1):
        last = x.shape[axis] - size  # where the last window may start
        x = combine(
            lax.slice_in_dim(x, i, last - last % stride + i + 1, stride, axis)
            for i in range(size)
        )
    return x


def max_pool(x, size, stride, ceil=False):
    """Max pooling of images [n, h, w, c].

    Windows stay inside the image, or, with `ceil`, the last ones reach beyond it when
    pixels would be left over, as in cuda-convnet. Of equal pixels the first in reading
    order gets the gradient, as in `nn.max_pool`.
    """
    if ceil:
        beyond = [(0, -(pixels - size) % stride) for pixels in x.shape[1:3]]
        x = jnp.pad(x, ((0, 0), *beyond, (0, 0)), constant_values=-jnp.inf)
    return _pool(x, size, stride, _maximum)


def mean_pool(x, size, stride):
    """Mean pooling of images [n, h, w, c]; windows stay inside the image."""
    return _pool(x, size, stride, sum) / size**2


def maxout(x, pieces):
    """The greatest of `pieces` affine maps: [.., pieces * units] -> [.., units]."""
    return _maximum(jnp.split(x, pieces, axis=-1))


class BatchNorm(nn.Module):
    """Batch norm: `nn.BatchNorm` with momentum 0.9.

    Statistics are float32 vectors, and turn into one factor and one shift a channel
    before they meet x. With the broadcast shapes of flax, XLA does not see that two
    equal passes of a generator are equal, and runs both. All is float32 inside; the
    output has the type of x.
    """

    epsilon: float = 1e-5
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x, train):
        """x [.., channels] by the statistics of the batch if `train`, or running."""
        channels = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, channels)
        bias = self.param("bias", nn.initializers.zeros, channels)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels)
        running_var = self.variable("batch_stats", "var", jnp.ones, channels)
        mean, var, dtype = running_mean.value, running_var.value, x.dtype
        if train:
            # read by three passes over memory, which are not to make it anew
            x = lax.optimization_barrier(x).astype(jnp.float32)
            axes = tuple(range(x.ndim - 1))
            mean = jnp.mean(x, axes)
            var = jnp.maximum(0.0, jnp.mean(jnp.square(x), axes) - jnp.square(mean))
            if not self.is_initializing():
                old = self.momentum
                running_mean.value = old * running_mean.value + (1 - old) * mean
                running_var.value = old * running_var.value + (1 - old) * var
        factor = scale * lax.rsqrt(var + self.epsilon)

        def spread(vector):
            return lax.broadcast_in_dim(vector, x.shape, (x.ndim - 1,))

        shift = spread(bias.astype(jnp.float32))
        return ((x - spread(mean)) * spread(factor) + shift).astype(dtype)


def activation(name):
    """The activation called `name`; raises UsageError for an unknown one."""
    if name not in ACTIVATIONS:
        raise UsageError(f"activation {name!r}; accepted are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def uniform_or_glorot(name, bound, pieces=1):
    """Initialiser of kernels [.., inputs, pieces * units].

    "uniform" draws from (-bound, bound), Pylearn2's `irange`. "glorot" scales each
    piece of a maxout layer by its own fans, as a layer by itself.
    """

    def uniform(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    def glorot(key, shape, dtype=jnp.float32):
        by_piece = (*shape[:-1], pieces, shape[-1] // pieces)
        init = nn.initializers.glorot_uniform(-3, -1, batch_axis=-2)
        return init(key, by_piece, dtype).reshape(shape)

    return {"uniform": uniform, "glorot": glorot}[name]


def output_bias(marginal, output, mean):
    """Initialiser of a generator's last biases: zeros, or logit(mean) if `marginal`.

    With the logit and zero weights a sigmoid's output is the mean of the data
    (Pylearn2's `init_bias_target_marginals`, with its bounds on the mean).
    """
    if not marginal:
        return nn.initializers.zeros
    if output != "sigmoid":
        raise UsageError(f"marginal_bias needs the output 'sigmoid', not {output!r}")

    def logit(key, shape, dtype=jnp.float32):
        if mean is None:
            raise ValueError("marginal_bias needs `mean`, the mean of the data")
        p = np.clip(np.asarray(mean, np.float64), 1e-7, 1 - 1e-7).reshape(shape)
        return jnp.asarray(np.log(p) - np.log1p(-p), dtype)

    return logit
