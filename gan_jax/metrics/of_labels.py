"""Metrics of labels, of what players learned and of translations, by their names.

(case) -> result, likewise those of `of_samples`; a metric's own file says what its
number means.
"""

import numpy as np

from gan_jax.metrics.case import Result, flat, labelled
from gan_jax.metrics.class_agreement import class_agreement
from gan_jax.metrics.classification import errors
from gan_jax.metrics.clusters import best_agreement
from gan_jax.metrics.frechet import frechet_within
from gan_jax.metrics.neighbours import neighbour_accuracy
from gan_jax.metrics.of_samples import read_beside, saying_warnings
from gan_jax.metrics.translation import distance

# of metrics of real examples alone, for which it does not matter how G samples
_WITHOUT_SAMPLES = {
    "samples": None,
    "seed": 0,
    "batch_norm": None,
    "ema": None,
    "labels": None,
}


def _frechet_within(case):
    asked, labels = case.asked, labelled(case.reference)
    with saying_warnings("frechet_within"):
        value = frechet_within(case.features, asked, case.reference_features, labels)
    each = len(asked) / len(np.unique(asked))
    fields = {
        "metric": "frechet_within",
        "estimator": f"{each:,.0f} samples a class on average",
        **case.featured(),
        **case.referred(),
    }
    return Result({"frechet_within": value}, fields)


def _class_agreement(case):
    found = class_agreement(case.named_probabilities, case.asked)
    values = {"class_agreement": found.share, "worst_class_agreement": found.worst}
    return Result(
        values,
        {"metric": "class_agreement", **read_beside(case)},
        {"class_agreement": _standard_error(found.share, len(case.samples))},
    )


def _classification(case):
    test, y = case.held_out, labelled(case.held_out)
    wrong, n = errors(case.learned.classify(np.asarray(test.x)), y), len(y)
    error = _standard_error(wrong / n, n)
    return Result(
        {"errors": wrong, "error_rate": wrong / n},
        {"metric": "classification", **_tested(test)},
        {"errors": n * error, "error_rate": error},
    )


def _clusters(case):
    test, y = case.held_out, labelled(case.held_out)
    p = case.learned.cluster(np.asarray(test.x))
    share = best_agreement(p.argmax(axis=1), y, max(p.shape[1], y.max() + 1))
    return Result(
        {"agreement": share},
        {"metric": "clusters", "estimator": "best assignment", **_tested(test)},
        {"agreement": _standard_error(share, len(y))},
    )


def _neighbours(case):
    train, test = case.reference, case.held_out
    train_y, test_y = labelled(train), labelled(test)
    see, name = case.learned.features, "nearest_neighbour_accuracy"

    def accuracy(train_x, test_x):
        return neighbour_accuracy(train_x, train_y, test_x, test_y)

    values = {name: accuracy(see(np.asarray(train.x)), see(np.asarray(test.x)))}
    if train.x.dtype == np.uint8:
        values[f"{name}_in_pixels"] = accuracy(flat(train.x), flat(test.x))
    fields = {"metric": "neighbours", "estimator": f"tested on {test.name}"}
    fields |= case.referred() | _WITHOUT_SAMPLES
    n = len(test_y)
    return Result(values, fields, {x: _standard_error(values[x], n) for x in values})


def _convergence(case):
    test = case.held_out
    value = case.learned.convergence(np.asarray(test.x), case.seed)
    fields = {"reference": test.name, "reference_size": len(test.x)}
    return Result({"convergence": value}, {"metric": "convergence", **fields})


def _translation(case):
    translated, values = case.translated, {}
    if (targets := translated.targets) is not None:
        values |= distance(translated.made, targets)._asdict()
        if translated.inputs.shape == targets.shape:
            values["l1_of_inputs"] = distance(translated.inputs, targets).l1
    if translated.again is not None:
        values["cycle_l1"] = distance(translated.again, translated.inputs).l1
    return Result(values, {"metric": "translation"})


def _tested(real):
    return {"reference": real.name, "reference_size": len(real.x), **_WITHOUT_SAMPLES}


def _standard_error(share, n):
    """Of a share that was found among n independent examples."""
    return float(np.sqrt(share * (1 - share) / n))


METRICS = {
    "frechet_within": _frechet_within,
    "class_agreement": _class_agreement,
    "classification": _classification,
    "clusters": _clusters,
    "neighbours": _neighbours,
    "convergence": _convergence,
    "translation": _translation,
}
