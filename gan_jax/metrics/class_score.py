"""What a classifier says about samples: the class score and the class histogram.

The class score is exp of the mean KL(p(y|x) || p(y)) (Salimans et al. 2016): high where
each sample is clearly of a class and all classes occur. It is called Inception score
with that network's classes alone. It knows nothing of the real data, and one perfect
image of each class, again and again, scores the best that there is.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.metrics import checks


class ClassScore(NamedTuple):
    """Mean and standard deviation over splits; from 1 to the number of classes.

    The deviation says how much one split differs from another, not how much the mean
    would differ with other samples.
    """

    mean: float
    std: float


def class_score(probabilities, *, splits: int = 10) -> ClassScore:
    """The score of p(y|x) [n, classes] over consecutive splits, as in the paper.

    The samples are to stand in random order: a split needs all that the whole has.
    """
    from scipy.special import rel_entr

    checks.at_least(1, splits=splits)
    p = _probabilities(probabilities, at_least=splits)
    scores = []
    for part in np.array_split(p, splits):
        divergence = rel_entr(part, part.mean(axis=0)).sum(axis=1)
        scores.append(np.exp(divergence.mean()))
    return ClassScore(float(np.mean(scores)), float(np.std(scores)))


def class_histogram(probabilities) -> np.ndarray:
    """The share of samples whose likeliest class is each class, float64 [classes]."""
    p = _probabilities(probabilities)
    return np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)


def entropy(shares) -> float:
    """Of shares [classes] that sum to 1, in nats: from 0 to log(classes)."""
    from scipy.special import entr

    return float(entr(_probabilities(np.atleast_2d(shares))).sum())


def _probabilities(p, at_least=1):
    p = checks.vectors(p, "class probabilities", at_least=at_least).astype(np.float64)
    totals = p.sum(axis=1)
    if p.min() < 0 or np.abs(totals - 1).max() > 1e-3:
        raise UsageError("class probabilities are negative or do not sum to 1")
    return p / totals[:, np.newaxis]
