"""How well a player that learned the labels tells the classes of real examples.

The measure of semi-supervised learning (Salimans et al. 2016, arXiv:1606.03498): errors
on examples that no player has seen, most of them learned from without their labels.
"""

import numpy as np

from gan_jax.metrics import checks


def errors(probabilities, labels) -> int:
    """How many of n examples have another likeliest class than their label.

    probabilities: of the classes, or their logits, [n, classes]
    labels:        the true ones, [n]
    """
    p = checks.vectors(probabilities, "class probabilities")
    labels = checks.labels(labels, "labels", *p.shape)
    return int(np.count_nonzero(p.argmax(axis=1) != labels))
