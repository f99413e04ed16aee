"""Convolution and its derivatives as `lax` has them."""

from typing import NamedTuple

import jax
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


def to_features(x, w, window):
    """Images [n, h, w, i], kernel [kh, kw, i, o] -> features [n, places, places, o]."""
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x,
        w,
        (window.stride,) * 2,
        window.padding,
        dimension_numbers=layout,
        precision=window.precision,
    )


def to_image(y, w, window):
    """Features and kernel, as above -> images [n, h, w, i]."""
    x = jax.ShapeDtypeStruct((len(y), *window.image, w.shape[2]), y.dtype)
    return jax.linear_transpose(lambda x: to_features(x, w, window), x)(y)[0]


def to_kernel(x, y, window):
    """Images and features, as above -> kernel [kh, kw, i, o]."""
    shape = (window.kernel, window.kernel, x.shape[-1], y.shape[-1])
    w = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda w: to_features(x, w, window), w)(y)[0]
