"""What images are to be made of, where it is made of them: pairs out of any images."""

from typing import Literal

import numpy as np

from gan_jax.data.source import Source, parts
from gan_jax.data.stream import Column
from gan_jax.errors import UsageError

Made = Literal["edges", "half", "grey"]

_LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue, ITU-R BT.601


def with_inputs(source: Source, made: Made) -> Source:
    """The images of `source` with what they are to be made of.

    Raises UsageError for images that stay on disk or are drawn anew, and for pairs.
    """
    if source.input is not None:
        raise UsageError(f"data.input={made}, but these data are pairs already")
    if isinstance(source.x, Column):
        raise UsageError(f"data.input={made} needs images in memory: data.stream=false")
    if source.fresh is not None:
        raise UsageError(f"data.input={made} needs images that are not drawn anew")
    maker = _MAKERS[made]
    inputs = np.concatenate([maker(part) for part in parts(source.x)])
    return source._replace(input=inputs)


def outlines(x: np.ndarray) -> np.ndarray:
    """The outlines of uint8 images [n, height, width, channels].

    A pixel is the brightest of the 3 x 3 around it less its own brightness, channel by
    channel: a line of one pixel around what is bright.
    """
    from scipy import ndimage  # a tenth of all imports, which most runs gain

    # Beyond an image there is nothing brighter: reflection repeats its own pixels.
    return ndimage.grey_dilation(x, size=(1, 3, 3, 1), mode="reflect") - x


def half_resolution(x: np.ndarray) -> np.ndarray:
    """uint8 images of half as many pixels each way, every one of them drawn as four.

    The last row and column of an odd size have pixels of their own.
    """
    height, width = x.shape[1:3]
    pads = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    padded = np.pad(x, pads, mode="edge").astype(np.float32)
    rows = padded.reshape(len(x), -(-height // 2), 2, -(-width // 2), 2, x.shape[-1])
    small = np.rint(rows.mean(axis=(2, 4))).astype(np.uint8)
    return small.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]


def grey_levels(x: np.ndarray) -> np.ndarray:
    """The brightness of uint8 images in colour, [n, height, width, 1]."""
    if x.shape[-1] == 1:
        raise UsageError("data.input=grey is for images in colour; these are grey")
    return np.rint(x @ _LUMA).astype(np.uint8)[..., None]


_MAKERS = {"edges": outlines, "half": half_resolution, "grey": grey_levels}
