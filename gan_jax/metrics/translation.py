"""Images made of images: how far from those that they should have become.

Distances are of pixels in [0, 1]. Where only one answer is right, they say how near a
translation is to it; where many are, such as a photo of a facade's labels, the mean of
all answers comes nearest, and is blurred: look at the pictures, and at the Frechet
distance of what was made, too.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.metrics.case import Real, flat
from gan_jax.metrics.checks import same_shape


class Distance(NamedTuple):
    """l1:   the mean distance of pixels, in [0, 1]
    psnr: the mean of the images' peak signal-to-noise ratios, in decibels, whose peak
          is 1; an image that is equal counts with 100
    """

    l1: float
    psnr: float


class Translated(NamedTuple):
    """Held-out images of a run that translates, and what it made of them, uint8.

    name:    of the real examples that they are
    inputs:  what was translated
    made:    what became of it
    targets: what should have, None where nobody knows
    again:   what became of that on the way back, None where there is none
    labels:  of the inputs [n], None where there are none
    classes: the labels' names
    """

    name: str
    inputs: np.ndarray
    made: np.ndarray
    targets: np.ndarray | None = None
    again: np.ndarray | None = None
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()

    def asked(self, classes) -> np.ndarray | None:
        """The labels that what was made should have, if they are of these classes."""
        return self.labels if self.classes == tuple(classes) else None


def translated(run, real: Real, n: int, seed: int = 0) -> Translated:
    """n of the real examples that a run translates, or all if there are fewer."""
    rows = np.random.default_rng(seed).permutation(len(real.x))[:n]
    x, partners, labels = (
        None if column is None else np.asarray(column)[rows]
        for column in (real.x, real.input, real.y)
    )
    # pairs say of x what it is to be made of; of a set by itself, x is what is given
    paired = "input" in run.game.given
    inputs, targets = (partners, x) if paired else (x, partners)
    made = run.translate(inputs, seed)
    again = run.translate(made, seed, back=True) if run.game.translate_back else None
    return Translated(real.name, inputs, made, targets, again, labels, real.classes)


def distance(made, targets) -> Distance:
    """From uint8 images [n, h, w, c] to others, each to that in its place."""
    same_shape(made=made, targets=targets)
    gap = flat(made).astype(np.float64) - flat(targets)
    ratios = -10 * np.log10(np.maximum(np.square(gap).mean(axis=1), 1e-10))
    return Distance(float(np.abs(gap).mean()), float(ratios.mean()))
