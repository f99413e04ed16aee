"""Layers that the networks share: dense, convolutions, pooling, maxout, initialisers.

The layers compute what their plain counterparts in flax and lax compute, in values and
in gradients of every order. They are written anew because XLA has slow paths on CPU,
up to fifty times slower than need be, for some derivatives of the plain ones, and since
the plain ones in bfloat16 sum gradients of biases in bfloat16: at 256, adding 1 changes
nothing any more.

A convolution of an image x with a kernel w, weighted by y, is one trilinear form

    t(x, w, y) = sum of y * convolution(x, w).

Its gradient in y is the convolution itself, in x the transposed convolution, in w what
trains the kernel. Each is bilinear in the other two arguments, so each has the other
two as derivatives: three functions closed under reverse-mode differentiation, in their
fastest form however often a gradient penalty differentiates. (They do not support
forward mode, `jax.jvp`.) Where a backend needs a form of its own, `to_image` and
`to_kernel` are the places that know.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from gan_jax.errors import UsageError

ACTIVATIONS = {"relu": nn.relu, "sigmoid": nn.sigmoid, "tanh": nn.tanh}
ACTIVATIONS["linear"] = lambda x: x


class Window(NamedTuple):
    """How a square kernel moves over an image of `image` pixels."""

    image: tuple[int, int]
    kernel: int
    stride: int
    padding: tuple[tuple[int, int], tuple[int, int]]
    precision: str | None = None  # of the products, in derivatives too

    @classmethod
    def over(cls, image, kernel, stride, padding):
        """`padding` is the number of zeros at each edge, or "SAME".

        The precision is the `jax.default_matmul_precision` of the moment: derivatives
        are traced later, when another one may hold.
        """
        pads = ((padding, padding), (padding, padding))
        if padding == "SAME":
            pads = lax.padtype_to_pads(image, (kernel,) * 2, (stride,) * 2, "SAME")
        precision = jax.config.jax_default_matmul_precision
        return cls(tuple(image), kernel, stride, tuple(map(tuple, pads)), precision)

    @property
    def features(self):
        """The places that the kernel takes: rows and columns of the features."""
        return tuple(
            (pixels + sum(pad) - self.kernel) // self.stride + 1
            for pixels, pad in zip(self.image, self.padding, strict=True)
        )


def _convolve(x, w, window):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x,
        w,
        (window.stride,) * 2,
        window.padding,
        dimension_numbers=layout,
        precision=window.precision,
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def to_features(x, w, window):
    """Convolution: images [n, h, w, i], kernel [kh, kw, i, o] -> features [.., o]."""
    convolve = functools.partial(_convolve, window=window)
    # XLA on CPU is a hundred times slower where the kernel is larger than the image.
    if window.kernel > min(window.image):
        unfold = functools.partial(_unfold_image, window=window)
        return lax.platform_dependent(x, w, cpu=unfold, default=convolve)
    return convolve(x, w)


def _unfold_image(x, w, window):
    """`to_features` as one matrix product of what the kernel covers at each place."""
    x = jnp.pad(x, ((0, 0), *window.padding, (0, 0)))
    height, width = (window.stride * (places - 1) + 1 for places in window.features)
    covered = [
        x[:, i : i + height : window.stride, j : j + width : window.stride]
        for i in range(window.kernel)
        for j in range(window.kernel)
    ]
    kernel = w.reshape(-1, w.shape[-1])
    return jnp.matmul(jnp.concatenate(covered, -1), kernel, precision=window.precision)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def to_image(y, w, window):
    """Transposed convolution: features and kernel, as above -> images [n, h, w, i]."""

    def transposed(y, w):
        x = jax.ShapeDtypeStruct((len(y), *window.image, w.shape[2]), y.dtype)
        return jax.linear_transpose(lambda x: _convolve(x, w, window), x)(y)[0]

    # XLA on CPU multiplies with the zeros between strides, and wants many channels.
    if window.stride > 1 or w.shape[2] < min(16, w.shape[3]):
        return lax.platform_dependent(
            y, w, cpu=functools.partial(_fold_image, window=window), default=transposed
        )
    return transposed(y, w)


def _fold_image(y, w, window):
    """`to_image` as a matrix product for each kernel row, and sums of what overlaps."""
    (top, _), (left, _) = window.padding
    height, width = window.image

    def kernel_row(w):  # [kw, i, o] -> [n, rows of y, width, i]
        taps = jnp.einsum("nhwo,kio->nhwki", y, w, precision=window.precision)
        return _fold(taps, 2, window.stride, left, width)

    rows = jnp.stack([kernel_row(w[i]) for i in range(window.kernel)], axis=2)
    return _fold(rows, 1, window.stride, top, height)


def _fold(taps, axis, stride, start, size):
    """Sums [.., places, kernel, ..] into pixels start, .., start + size - 1 of `axis`.

    Tap k of place p falls on pixel p * stride + k.
    """

    def pad(x, axis, before, after):
        return jnp.pad(
            x, [(before, after) if i == axis else (0, 0) for i in range(x.ndim)]
        )

    kernel = taps.shape[axis + 1]
    reach = -(-kernel // stride)  # places whose windows share a pixel
    taps = pad(taps, axis + 1, 0, reach * stride - kernel)
    x = sum(
        pad(part, axis, i, reach - 1 - i)
        for i, part in enumerate(jnp.split(taps, reach, axis + 1))
    )
    x = x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])
    x = pad(x, axis, 0, max(0, start + size - x.shape[axis]))
    return lax.slice_in_dim(x, start, start + size, axis=axis)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def to_kernel(x, y, window):
    """The kernel's gradient: images and features, as above -> [kh, kw, i, o]."""
    # XLA on CPU is tens of times slower where the features are larger than the image:
    # some of the padding becomes part of the image.
    sizes = zip(window.image, window.features, strict=True)
    missing = [max(0, places - pixels) for pixels, places in sizes]
    x = jnp.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    pads = zip(window.padding, missing, strict=True)
    window = window._replace(padding=tuple((a, b - more) for (a, b), more in pads))
    shape = (window.kernel, window.kernel, x.shape[-1], y.shape[-1])
    w = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda w: _convolve(x, w, window), w)(y)[0]


to_features.defvjp(
    lambda x, w, window: (to_features(x, w, window), (x, w)),
    lambda window, xw, y: (to_image(y, xw[1], window), to_kernel(xw[0], y, window)),
)
to_image.defvjp(
    lambda y, w, window: (to_image(y, w, window), (y, w)),
    lambda window, yw, x: (to_features(x, yw[1], window), to_kernel(x, yw[0], window)),
)
to_kernel.defvjp(
    lambda x, y, window: (to_kernel(x, y, window), (x, y)),
    lambda window, xy, w: (to_image(xy[1], w, window), to_features(xy[0], w, window)),
)


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
