"""Metrics of samples, each as the command asks for it: (case) -> result.

A metric's own file says what its number means; here is what each is given.
"""

import contextlib
import functools
import warnings

import numpy as np

from gan_jax import pictures
from gan_jax.errors import UsageError
from gan_jax.loop.log import say
from gan_jax.metrics import stacked
from gan_jax.metrics.case import Result, flat, labelled
from gan_jax.metrics.class_score import class_histogram, class_score, entropy
from gan_jax.metrics.covariate_shift import covariate_shift
from gan_jax.metrics.features import load_features
from gan_jax.metrics.frechet import frechet_distance, moments
from gan_jax.metrics.kernel import kernel_distance
from gan_jax.metrics.manifold import density_coverage, precision_recall
from gan_jax.metrics.modes import judge as judge_modes
from gan_jax.metrics.neighbours import copying, nearest_neighbours
from gan_jax.metrics.ngrams import jensen_shannon
from gan_jax.metrics.parzen import parzen
from gan_jax.metrics.sliced_wasserstein import sliced_wasserstein
from gan_jax.metrics.support import close_pairs, closest_pairs

_SHOWN = 10  # samples in a picture


@contextlib.contextmanager
def saying_warnings(metric: str):
    """What is warned of meanwhile becomes lines on the terminal."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        say(f"{metric}: {warning.message}")


def read_beside(case) -> dict:
    """Which data the samples imitate: the classes of others are read otherwise."""
    return case.featured() | {"reference": case.reference.name}


def _frechet(case):
    with saying_warnings("frechet"):
        both = moments(case.features), moments(case.reference_features)
        value = frechet_distance(*both)
    name = case.network.frechet_name if case.network else "frechet_distance"
    return Result({name: value}, {"metric": name, **case.featured(), **case.referred()})


def _kernel(case):
    found = kernel_distance(case.features, case.reference_features, seed=case.seed)
    name = case.network.kernel_name if case.network else "kernel_distance"
    fields = {
        "metric": name,
        "estimator": f"{found.subsets} disjoint subsets of 1,000",
        **case.featured(),
        **case.referred(),
    }
    return Result({name: found.distance}, fields, {name: found.standard_error})


def _class_score(case):
    score = class_score(case.probabilities)
    fields = {"metric": "class_score", "estimator": "10 splits", **read_beside(case)}
    values = {"class_score": score.mean, "class_score_std": score.std}
    return Result(values, fields)


def _classes(case):
    shares = class_histogram(case.probabilities)
    values = {"class_entropy": entropy(shares)}
    values |= {f"class_{i}": float(share) for i, share in enumerate(shares)}
    return Result(values, {"metric": "classes", **read_beside(case)})


def _precision_recall(case):
    return _of_neighbourhoods(case, precision_recall, k=3)


def _density_coverage(case):
    return _of_neighbourhoods(case, density_coverage, k=5)


def _of_neighbourhoods(case, metric, k):
    features, rows = case.alike
    with saying_warnings(metric.__name__):
        found = metric(features, case.reference_features[rows], k=k)
    fields = {"metric": metric.__name__, "estimator": f"k = {k}"}
    fields |= case.featured() | case.referred(len(rows))
    return Result(found._asdict(), fields)


def _sliced_wasserstein(case):
    features, rows = case.alike
    value = sliced_wasserstein(features, case.reference_features[rows], seed=case.seed)
    fields = {"metric": "sliced_wasserstein", "estimator": "1,000 directions"}
    fields |= case.featured() | case.referred(len(rows))
    return Result({"sliced_wasserstein": value}, fields)


def _copying(case):
    held_out, _ = case.features_of(case.held_out)
    found = copying(case.features, case.reference_features, held_out)
    fields = {"metric": "copying", "estimator": f"held out {case.held_out.name}"}
    fields |= case.featured() | case.referred()
    picture = None
    if case.samples.ndim == 4:
        near = nearest_neighbours(case.features[:_SHOWN], case.reference_features, k=3)
        columns = [case.samples[:_SHOWN, None], case.reference.x[near.indices]]
        images = np.concatenate(columns, axis=1)
        picture = pictures.grid(images.reshape(-1, *images.shape[2:]), len(images), 4)
    return Result(
        {"copying": found.share}, fields, {"copying": found.standard_error}, picture
    )


def _closest_pairs(case):
    features, rows = case.alike
    pairs = closest_pairs(features, pairs=_SHOWN)
    real = closest_pairs(case.reference_features[rows], pairs=1)
    (closest,) = real.distances
    if closest == 0:
        raise UsageError("two of the real examples are the same: no pair is closer")
    values = {
        "closest_samples": float(pairs.distances[0]),
        "closest_real": float(closest),
        "closer_pairs": close_pairs(features, closest),
    }
    if values["closer_pairs"]:
        all_pairs = len(features) * (len(features) - 1) / 2
        values["support"] = all_pairs / values["closer_pairs"]
    fields = {"metric": "closest_pairs", "estimator": f"among {len(features)}"}
    fields |= case.featured() | case.referred(len(rows))
    picture = None
    if case.samples.ndim == 4:
        images = case.samples[pairs.indices.T]
        picture = pictures.grid(images.reshape(-1, *images.shape[2:]), 2, _SHOWN)
    return Result(values, fields, picture=picture)


def _covariate_shift(case):
    test, real = case.held_out, case.reference
    test_y, real_y = labelled(test), labelled(real)
    _, rows = case.alike
    read = case.named_probabilities[: len(rows)].argmax(axis=1)
    found = covariate_shift(
        flat(case.samples[: len(rows)]),
        read,
        flat(real.x[rows]),
        real_y[rows],
        flat(test.x),
        test_y,
    )
    fields = {"metric": "covariate_shift", "estimator": f"tested on {test.name}"}
    fields |= case.featured() | case.referred(len(rows))
    return Result(found._asdict(), fields)


def _parzen(case):
    found = parzen(flat(case.samples), flat(case.validation.x), flat(case.held_out.x))
    fields = {
        "metric": "parzen",
        "estimator": f"sigma by {case.validation.name}",
        "reference": case.held_out.name,
        "reference_size": len(case.held_out.x),
    }
    values = {"log_likelihood": found.log_likelihood, "sigma": found.sigma}
    return Result(values, fields, {"log_likelihood": found.standard_error})


def _modes(case):
    if case.modes is None:
        raise UsageError("the modes of these data are not known")
    fields = {"metric": "modes", "estimator": "within 3 standard deviations"}
    fields |= case.referred()
    return Result(judge_modes(case.samples, case.modes), fields)


@functools.cache  # a run that is judged again and again compiles it once
def _digit_reader():
    return load_features("mnist")


def _stacked_modes(case):
    network = _digit_reader()
    labels = stacked.read_triples(lambda x: network.apply(x)[1], case.samples)
    fields = {
        "metric": "stacked_modes",
        "reference": case.reference.name,
        "features": network.name,
        "checksum": network.checksum,
    }
    return Result(stacked.stacked_modes(labels), fields)


def _ngrams(case):
    # the longest first: it is the last to come right, and chooses the best state
    values = {
        f"jensen_shannon_{n}": jensen_shannon(case.samples, case.reference.x, n)
        for n in (4, 3, 2, 1)
    }
    length = case.reference.x.shape[1]
    fields = {"metric": "ngrams", "estimator": f"in examples of {length} characters"}
    return Result(values, fields | case.referred())


METRICS = {
    "frechet": _frechet,
    "kernel": _kernel,
    "class_score": _class_score,
    "classes": _classes,
    "precision_recall": _precision_recall,
    "density_coverage": _density_coverage,
    "sliced_wasserstein": _sliced_wasserstein,
    "copying": _copying,
    "closest_pairs": _closest_pairs,
    "covariate_shift": _covariate_shift,
    "parzen": _parzen,
    "modes": _modes,
    "stacked_modes": _stacked_modes,
    "ngrams": _ngrams,
}
