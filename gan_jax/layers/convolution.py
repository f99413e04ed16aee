"""Convolution and its derivatives, each in its fastest form.

A convolution of an image x with a kernel w, weighted by y, is one trilinear form

    t(x, w, y) = sum of y * convolution(x, w).

Its gradient in y is the convolution itself, in x the transposed convolution, in w what
trains the kernel. Each is bilinear in the other two arguments, so each has the other
two as derivatives: three functions closed under reverse-mode differentiation, in their
fastest form however often a gradient penalty differentiates. (They do not support
forward mode, `jax.jvp`.) XLA has slow paths on CPU, up to fifty times slower than need
be, for some derivatives of the plain ones; where a backend needs a form of its own,
these functions are the places that know.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


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
    kernel = w.reshape(-1, w.shape[-1])
    return jnp.matmul(_covered(x, window), kernel, precision=window.precision)


def _covered(x, window):
    """What the kernel covers at each place: [n, rows, columns, kh * kw * i]."""
    x = jnp.pad(x, ((0, 0), *window.padding, (0, 0)))
    height, width = (window.stride * (places - 1) + 1 for places in window.features)
    covered = [
        x[:, i : i + height : window.stride, j : j + width : window.stride]
        for i in range(window.kernel)
        for j in range(window.kernel)
    ]
    return jnp.concatenate(covered, -1)


def _fewer_places_than_features(y):
    """Whether the kernel is what takes time to bring into another order, not images."""
    return math.prod(y.shape[:-1]) < y.shape[-1]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def to_image(y, w, window):
    """Transposed convolution: features and kernel, as above -> images [n, h, w, i]."""

    def transposed(y, w):
        x = jax.ShapeDtypeStruct((len(y), *window.image, w.shape[2]), y.dtype)
        return jax.linear_transpose(lambda x: _convolve(x, w, window), x)(y)[0]

    # XLA on CPU multiplies with the zeros between strides, and wants many channels.
    fold = w.shape[2] < min(16, w.shape[3])
    if window.stride > 1:
        fold |= window.kernel < window.stride or _fewer_places_than_features(y)
    if fold:
        on_cpu = functools.partial(_fold_image, window=window)
    elif window.stride > 1:
        on_cpu = functools.partial(_interleave_image, window=window)
    else:
        return transposed(y, w)
    return lax.platform_dependent(y, w, cpu=on_cpu, default=transposed)


def _interleave_image(y, w, window):
    """`to_image` as a convolution for the pixels of each remainder by the stride.

    In parts of the minibatch that stay in the cache of a CPU.
    """
    stride = window.stride
    blocks = tuple(-(-pixels // stride) for pixels in window.image)

    def taps(axis, remainder):
        """The first tap that falls on these pixels, and the zeros beside y."""
        places, first = divmod(remainder + window.padding[axis][0], stride)
        last = len(range(first, window.kernel, stride)) - 1
        return first, (last - places, blocks[axis] + places - window.features[axis])

    def pixels(y, i, j):
        (top, rows), (left, columns) = taps(0, i), taps(1, j)
        kernel = w[top::stride, left::stride][::-1, ::-1].swapaxes(2, 3)
        return _convolve(y, kernel, window._replace(stride=1, padding=(rows, columns)))

    def image(y):
        rows = [
            jnp.stack([pixels(y, i, j) for j in range(stride)], axis=3)
            for i in range(stride)
        ]  # [n, block, block, remainder, i] each
        x = jnp.stack(rows, axis=2)
        x = x.reshape(len(y), *(stride * size for size in blocks), -1)
        return x[:, : window.image[0], : window.image[1]]

    parts = _parts(len(y), math.prod(window.image), 4096)
    return jnp.concatenate([image(part) for part in jnp.split(y, parts)])


def _parts(n, places, least):
    """Into how many equal parts n images go, of `least` places or more, 16 at most."""
    if not jax.sharding.get_abstract_mesh().empty:
        return 1  # some devices would have no image of a part
    most = min(16, n * places // least)
    return max([parts for parts in range(1, most + 1) if n % parts == 0], default=1)


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
    sizes = zip(window.image, window.features, strict=True)
    missing = [max(0, places - pixels) for pixels, places in sizes]
    shape = (window.kernel, window.kernel, x.shape[-1], y.shape[-1])

    def transposed(x, y):
        # XLA on CPU is tens of times slower where the features are larger than the
        # image: some of the padding becomes part of the image.
        x = jnp.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
        pads = zip(window.padding, missing, strict=True)
        wider = window._replace(padding=tuple((a, b - more) for (a, b), more in pads))
        w = jax.ShapeDtypeStruct(shape, x.dtype)
        return jax.linear_transpose(lambda w: _convolve(x, w, wider), w)(y)[0]

    # There it is a convolution with a kernel as large as y, in which all images are
    # channels: with fewer of them at a time, they stay in the cache of a CPU.
    parts = _parts(len(x), math.prod(window.features), 2048)

    def in_parts(x, y):
        return sum(map(transposed, jnp.split(x, parts), jnp.split(y, parts)))

    if _fewer_places_than_features(y):
        on_cpu = functools.partial(_unfold_kernel, window=window)
    elif parts > 1:
        on_cpu = in_parts
    else:
        return transposed(x, y)
    return lax.platform_dependent(x, y, cpu=on_cpu, default=transposed)


def _unfold_kernel(x, y, window):
    """`to_kernel` as one matrix product of what the kernel covers at each place."""
    w = jnp.einsum("nhwk,nhwo->ko", _covered(x, window), y, precision=window.precision)
    return w.reshape(window.kernel, window.kernel, x.shape[-1], y.shape[-1])


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
