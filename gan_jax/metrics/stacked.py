"""Mode coverage on stacked MNIST: which of the 1,000 triples of digits are there?

As in VEEGAN and PacGAN: a classifier reads the digit in each channel; a mode is
captured if a single sample shows it, and KL(p_g || uniform over all 1,000) is in nats.
No sampler gets to 0 with n samples: a `perfect` one has 0.0192 with 26,000, and triples
of real digits, which are not equally frequent, 0.0236.
"""

from collections.abc import Callable

import numpy as np

from gan_jax.data.stacked_mnist import CLASSES, triple_labels
from gan_jax.errors import UsageError
from gan_jax.metrics import modes


def read_triples(classify: Callable, images) -> np.ndarray:
    """The triples that images uint8 [n, 28, 28, 3] show: labels 0 to 999, int32 [n].

    classify: uint8 [m, 28, 28, 1] -> probabilities [m, 10], such as the second output
              of `features.load_features("mnist").apply`; called once, with m = 3n

    Raises UsageError for images of another shape or type.
    """
    images = np.asarray(images)
    if images.shape[1:] != (28, 28, 3) or images.dtype != np.uint8:
        raise UsageError(
            "triples are read from images uint8 [n, 28, 28, 3], not "
            f"{images.dtype} {list(images.shape)}"
        )
    digits = np.moveaxis(images, -1, 1).reshape(-1, 28, 28, 1)
    read = np.argmax(classify(digits), axis=1)
    return triple_labels(read.reshape(-1, 3))


def stacked_modes(labels) -> dict[str, float]:
    """Of labels [n], 0 to 999: {"modes": how many occur, "kl": KL(p_g || uniform)}.

    `kl` is in nats, from 0 to log 1000 = 6.91, where all samples are alike.
    """
    labels = np.asarray(labels)
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= len(CLASSES):
        raise UsageError("labels of triples are at least one number from 0 to 999")
    counts = np.bincount(labels, minlength=len(CLASSES))
    return {"modes": modes.modes_captured(counts), "kl": modes.reverse_kl(counts)}


def perfect(n: int) -> dict[str, float]:
    """What equally likely triples get, on average, with n samples: 10,000 or more."""
    k = len(CLASSES)
    return {"modes": k, "kl": modes.perfect_reverse_kl(k, n)}
