"""Forms of convolution and of its derivatives that are faster on a CPU than XLA's own.

`to_features`, `to_image` and `to_kernel` say which form is the fastest for such arrays:
a function that is called as the plain one, or None where the plain one is.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.layers import plain_convolution as plain


def to_features(x, w, window):
    """The form of a convolution of images x with the kernel w, if not the plain one."""
    # XLA is a hundred times slower where the kernel is larger than the image. A single
    # place is one product of matrices; oneDNN is wrong about it where there is also a
    # single feature (as of jaxlib 0.12.0)
    larger = window.kernel > min(window.image)
    return _unfold_image if larger or window.features == (1, 1) else None


def to_image(y, w, window):
    """The form of a transposed convolution, if not the plain one."""
    # XLA multiplies with the zeros between strides, and wants many channels
    few = window.stride > 1 and _fewer_places_than_features(y)
    if few or window.kernel < window.stride or w.shape[2] < min(16, w.shape[3]):
        return _fold_image
    return _interleave_image if window.kernel >= 2 * window.stride > 2 else None


def to_kernel(x, y, window):
    """The form of a kernel's gradient, if not the plain one."""
    # XLA's is a convolution whose kernel is y, with zeros between strides, in which
    # images are channels, and places are those of the kernel
    few_images = window.stride > 1 and len(x) <= 2
    if _fewer_places_than_features(y) or few_images or window.kernel == 1:
        return _unfold_kernel
    parts = _parts(len(x), max(8, 2048 // math.prod(window.features)))
    if parts == 1 and not any(_missing(window)):
        return None
    return functools.partial(_kernel_of_parts, parts)


def _fewer_places_than_features(y):
    """Whether the kernel is what takes time to bring into another order, not images."""
    return math.prod(y.shape[:-1]) < y.shape[-1]


def _parts(n, least):
    """Into how many equal parts n images go, of `least` images or more; 16 at most."""
    if not jax.sharding.get_abstract_mesh().empty:
        return 1  # some devices would have no image of a part
    most = min(16, n // max(1, least))
    return max([parts for parts in range(1, most + 1) if n % parts == 0], default=1)


def _unfold_image(x, w, window):
    """One matrix product of what the kernel covers at each place."""
    kernel = w.reshape(-1, w.shape[-1])
    return jnp.matmul(_covered(x, window), kernel, precision=window.precision)


def _unfold_kernel(x, y, window):
    """One matrix product, of what the kernel covers at each place, too."""
    w = jnp.einsum("nhwk,nhwo->ko", _covered(x, window), y, precision=window.precision)
    return w.reshape(window.kernel, window.kernel, x.shape[-1], y.shape[-1])


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


def _kernel_of_parts(parts, x, y, window):
    """A sum over parts of the minibatch: a few images at a time stay in the cache.

    Too few do not fill the registers.
    """
    missing = _missing(window)
    # XLA is tens of times slower where the features are larger than the image: some of
    # the padding becomes part of the image
    x = jnp.pad(x, ((0, 0), *((0, more) for more in missing), (0, 0)))
    pads = zip(window.padding, missing, strict=True)
    window = window._replace(padding=tuple((a, b - more) for (a, b), more in pads))
    pairs = zip(jnp.split(x, parts), jnp.split(y, parts), strict=True)
    kernels = (plain.to_kernel(*pair, window) for pair in pairs)
    wide = jnp.promote_types(x.dtype, jnp.float32)  # or each addition rounds to 8 bits
    return sum(w.astype(wide) for w in kernels).astype(x.dtype)


def _missing(window):
    """How many pixels fewer than places there are, in rows and columns."""
    sizes = zip(window.image, window.features, strict=True)
    return [max(0, places - pixels) for pixels, places in sizes]


def _interleave_image(y, w, window):
    """A convolution for the pixels of each remainder by the stride.

    In parts of the minibatch that stay in the cache.
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
        every = window._replace(stride=1, padding=(rows, columns))
        return plain.to_features(y, kernel, every)

    def image(y):
        rows = [
            jnp.stack([pixels(y, i, j) for j in range(stride)], axis=3)
            for i in range(stride)
        ]  # [n, block, block, remainder, i] each
        x = jnp.stack(rows, axis=2)
        x = x.reshape(len(y), *(stride * size for size in blocks), -1)
        return x[:, : window.image[0], : window.image[1]]

    parts = _parts(len(y), 4096 // math.prod(window.image))
    return jnp.concatenate([image(part) for part in jnp.split(y, parts)])


def _fold_image(y, w, window):
    """Matrix products, and sums of what overlaps.

    A product for each row of the kernel, so that what comes of it stays in the cache;
    where it is the kernel that is large, a single one, which reads it as it lies.
    """
    (top, _), (left, _) = window.padding
    height, width = window.image

    def kernel_rows(w):  # [rows, kw, i, o] -> [n, h, rows, width, i]
        taps = jnp.einsum("nhwo,rkio->nhrwki", y, w, precision=window.precision)
        return _fold(taps, 3, window.stride, left, width)

    products = 1 if _fewer_places_than_features(y) else window.kernel
    rows = [kernel_rows(rows) for rows in jnp.split(w, products)]
    return _fold(jnp.concatenate(rows, 2), 1, window.stride, top, height)


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
