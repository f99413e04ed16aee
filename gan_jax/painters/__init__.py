"""How a run's samples are pictured, all through with the same latents.

A file for each kind of example: images, signals, text, numbers on a line, points on the
plane, other vectors.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax

from gan_jax.sampling import latents_for


class Painter(NamedTuple):
    """sample: state -> what is to be seen, on the device, of latents that stay the same
    paint:  what `sample` gave -> picture uint8 [H, W, 3]
    write:  likewise -> the samples as lines of text, where they are that; else None
    """

    sample: Callable
    paint: Callable
    write: Callable | None = None


def make_painter(config, built, dataset, key) -> Painter:
    """The painter for the examples of `dataset`; `key` draws the latents."""
    from gan_jax.painters import images, line, plane, signals, text, vectors

    shape = tuple(dataset.info["shape"])
    if "alphabet" in dataset.info:
        return text.make_painter(config, built, dataset, key)
    if len(shape) > 1:
        kind = {2: signals, 3: images}[len(shape)]
        return kind.make_painter(config, built, dataset, key)
    # a line or a plane shows D's output, which must not depend on anything but x
    latents = jax.eval_shape(lambda: latents_for(built, key, 1))
    plain = isinstance(latents, jax.ShapeDtypeStruct) and not built.game.given
    kind = {(1,): line, (2,): plane}.get(shape, vectors) if plain else vectors
    return kind.make_painter(config, built, dataset, key)


def make_other_painters(config, built, dataset, key) -> dict[str, Painter]:
    """The painters of what a game shows beside samples, by name; of images alone."""
    from gan_jax.painters import images

    if len(dataset.info["shape"]) < 3:
        return {}
    return images.make_others(config, built, dataset, key)
