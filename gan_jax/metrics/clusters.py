"""Do categories that were learned without labels agree with the classes of the data?

Categories have no names: each is given that class which makes the agreement greatest,
no class to two of them (as InfoGAN's were matched to digits, arXiv:1606.03657). The
names are chosen by the very examples that are counted. That is of no account for
thousands of examples and ten classes, but of a few examples any categories agree.
"""

import numpy as np

from gan_jax.metrics import checks


def best_agreement(clusters, labels, k: int) -> float:
    """The share of examples in agreement under the best one-to-one assignment.

    clusters, labels: integers [n] below k, the number of clusters or that of classes,
                      whichever is larger; those that are over are assigned to none

    1 / k for one cluster that holds all examples of k equally frequent classes, and 1
    where clusters are classes, whatever their order.
    """
    from scipy.optimize import linear_sum_assignment

    checks.at_least(1, examples=len(labels), k=k)
    clusters = checks.labels(clusters, "clusters", len(labels), k)
    labels = checks.labels(labels, "labels", len(labels), k)
    together = np.bincount(clusters * k + labels, minlength=k * k).reshape(k, k)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return float(together[rows, columns].sum() / len(labels))
