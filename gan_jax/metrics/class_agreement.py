"""Does a classifier read the classes that samples were asked for?

The share of samples whose likeliest class is the one that their generator was told.
What the classifier gets wrong counts against the samples: real examples, with their own
labels, reach its accuracy and not 1. A generator with one image a class agrees
perfectly: whether classes are varied is for `frechet_within`.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.metrics import checks


class ClassAgreement(NamedTuple):
    """Shares in [0, 1]: of all samples, and of those of the class where it is least."""

    share: float
    worst: float


def class_agreement(probabilities, asked) -> ClassAgreement:
    """Of p(y|x) [n, classes], or what grows with it, and the labels asked for [n]."""
    p = checks.vectors(probabilities, "class probabilities")
    asked = checks.labels(asked, "labels asked for", *p.shape)
    agrees = p.argmax(axis=1) == asked
    by_class = [agrees[asked == label].mean() for label in np.unique(asked)]
    return ClassAgreement(float(agrees.mean()), float(min(by_class)))
