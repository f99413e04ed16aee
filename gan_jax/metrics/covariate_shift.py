"""What a classifier can learn from samples (Santurkar, Schmidt and Madry 2018).

An annotator, a classifier trained on real data, labels the samples. Then a linear
classifier is trained on the samples, and one on as many real examples, and both are
tested on real data. Samples that lack the variety within the classes teach less. The
metric `classes` shows which classes the samples lack.

Equal accuracies do not prove equal variety, since a linear classifier needs little of
it. What the annotator gets wrong counts against the samples.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.errors import UsageError
from gan_jax.metrics import checks


class CovariateShift(NamedTuple):
    """Accuracy on the test examples after training on samples, and on real examples."""

    from_samples: float
    from_real: float


def covariate_shift(
    samples, sample_labels, real, real_labels, test, test_labels
) -> CovariateShift:
    """Both linear classifiers on the same test examples.

    Features or pixels [n, d] with labels [n]; equally many samples and real examples,
    or the larger set would have the better classifier for that alone.
    """
    if len(samples) != len(real):
        raise UsageError(
            f"{len(samples)} samples against {len(real)} real examples: "
            "both classifiers need as many"
        )
    return CovariateShift(
        accuracy(samples, sample_labels, test, test_labels),
        accuracy(real, real_labels, test, test_labels),
    )


def accuracy(train_x, train_y, test_x, test_y) -> float:
    """The share of the test examples that a linear classifier of the others gets right.

    Logistic regression on standardised features, with scikit-learn's default penalty:
    the optimum of a convex objective, up to the tolerance of its search, so that the
    order of the examples moves accuracies by up to 0.2 points.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train_x = checks.vectors(train_x, "training examples", at_least=2)
    test_x = checks.vectors(test_x, "test examples")
    checks.same_width(training=train_x, test=test_x)
    train_y = checks.labels(train_y, "training labels", len(train_x))
    test_y = checks.labels(test_y, "test labels", len(test_x))
    if (train_y == train_y[0]).all():  # nothing to learn but the one class
        return float(np.mean(test_y == train_y[0]))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(classifier.fit(train_x, train_y).score(test_x, test_y))
