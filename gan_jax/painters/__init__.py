"""How a run's samples are pictured, all through with the same latents.

A file for each kind of example: images, numbers on a line, points on the plane, other
vectors.
"""

from collections.abc import Callable
from typing import NamedTuple


class Painter(NamedTuple):
    """sample: state -> what is to be seen, on the device, of latents that stay the same
    paint:  what `sample` gave -> picture uint8 [H, W, 3]
    """

    sample: Callable
    paint: Callable


def make_painter(config, built, dataset, key) -> Painter:
    """The painter for the examples of `dataset`; `key` draws the latents."""
    from gan_jax.painters import images, line, plane, vectors

    shape = tuple(dataset.info["shape"])
    kind = images if len(shape) == 3 else {(1,): line, (2,): plane}.get(shape, vectors)
    return kind.make_painter(config, built, dataset, key)
