"""All metrics of one set of samples, each number with its protocol.

A metric's own file says what its number means; here is what each is given, and by which
name a command asks for it; features are computed once.
"""

import functools
import math
import time
import warnings
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax import pictures
from gan_jax.build import bind, nearest
from gan_jax.config import title
from gan_jax.data.source import Modes, parts
from gan_jax.data.stream import MOST_BYTES, Column, Records
from gan_jax.errors import UsageError
from gan_jax.log import say
from gan_jax.metrics import stacked
from gan_jax.metrics.class_score import class_histogram, class_score, entropy
from gan_jax.metrics.covariate_shift import covariate_shift
from gan_jax.metrics.features import FeatureNetwork, fits, load_features
from gan_jax.metrics.frechet import frechet_distance, moments
from gan_jax.metrics.kernel import SUBSET_SIZE, kernel_distance
from gan_jax.metrics.manifold import density_coverage, precision_recall
from gan_jax.metrics.modes import judge as judge_modes
from gan_jax.metrics.neighbours import copying, nearest_neighbours
from gan_jax.metrics.parzen import parzen
from gan_jax.metrics.protocol import Measurement, Protocol
from gan_jax.metrics.reference import reference_features
from gan_jax.metrics.sliced_wasserstein import sliced_wasserstein
from gan_jax.metrics.support import close_pairs, closest_pairs

_SHOWN = 10  # samples in a picture
_MOST_PIXELS = 4_000  # whose covariances are still worth a Frechet distance
_MOST_STREAMED = 50_000  # examples of a reference that stays on disk


class Real(NamedTuple):
    """Real examples as stored, x [n, ...] and labels y [n] or None, and their name."""

    name: str
    x: np.ndarray | Column
    y: np.ndarray | Column | None = None

    @classmethod
    def of(cls, config, split: str, fitted, arrays: dict) -> "Real":
        """Examples of a run's data, named after it, their split and their bytes.

        Of streamed ones, the first 50,000 at the most, as the name says then.
        Where a scaling cannot be undone (gcn), they are what its pictures show, as the
        samples are, by what was `fitted` to the training data; and the name says so.
        """
        data = config.data
        kind = [data.get("builder") or data.name, *data.get("classes", ()), split]
        if isinstance(arrays, Records) and arrays.size > _MOST_STREAMED:
            arrays = arrays.first(_MOST_STREAMED)
            kind.append(f"first {_MOST_STREAMED}")
        x = arrays["x"]
        if config.scaling.name == "gcn":
            kind.append("by gcn")
            scaling = bind("scaling", config.scaling)()
            pictured = (scaling.apply(part, fitted) for part in parts(np.asarray(x)))
            x = np.concatenate([scaling.invert(part, fitted) for part in pictured])
        checksum = 0
        for part in parts(x):
            checksum = zlib.crc32(np.ascontiguousarray(part), checksum)
        kind.append(f"{checksum:08x}")
        return cls(" ".join(kind), x, arrays.get("y"))


class Case:
    """Samples, and what they are judged against.

    samples:    uint8 images [n, h, w, c] or vectors [n, d], in random order
    network:    features of images; None for vectors, which are their own
    reference:  the real examples to be compared with
    held_out:   () -> real examples that no run has trained on, or a UsageError
    validation: likewise, those by which the Parzen windows' width is chosen
    modes:      of the data, where they are known
    seed:       of the samples; also shuffles the reference
    """

    def __init__(
        self,
        samples: np.ndarray,
        network: FeatureNetwork | None,
        reference: Real,
        held_out: Callable[[], Real] | None = None,
        validation: Callable[[], Real] | None = None,
        modes: Modes | None = None,
        seed: int = 0,
    ):
        self.samples, self.network, self.reference = samples, network, reference
        self._held_out, self._validation = held_out, validation
        self.modes, self.seed = modes, seed

    @functools.cached_property
    def held_out(self) -> Real:
        return _given(self._held_out, "held-out")

    @functools.cached_property
    def validation(self) -> Real:
        return _given(self._validation, "validation")

    @functools.cached_property
    def _of_samples(self):
        if self.network is None:
            return self.samples, None
        return self.network.apply(self.samples)

    @functools.cached_property
    def _of_reference(self):
        return self.features_of(self.reference)

    @property
    def features(self):
        return self._of_samples[0]

    @property
    def reference_features(self):
        return self._of_reference[0]

    @property
    def probabilities(self):
        """Of the samples' classes [n, classes]."""
        if self._of_samples[1] is None:
            raise UsageError(
                "classes need a feature network that is a classifier: mnist, cifar10 "
                "or inception"
            )
        return self._of_samples[1]

    def features_of(self, real: Real):
        """(features, probabilities) of real examples."""
        if self.network is None:
            return real.x, None
        return reference_features(self.network, real.x)

    @functools.cached_property
    def alike(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples' features, and the rows of as many reference examples."""
        n = min(len(self.samples), len(self.reference.x))
        rows = np.random.default_rng(self.seed).permutation(len(self.reference.x))[:n]
        return self.features[:n], rows

    def featured(self) -> dict:
        """What a protocol says of the features."""
        if self.network is None:
            return {}
        return {
            "features": self.network.name,
            "checksum": self.network.checksum,
            "resizing": self.network.resizing,
        }

    def referred(self, n: int | None = None) -> dict:
        """What a protocol says of the reference, or of n examples of it and as many
        samples.
        """
        size = n or len(self.reference.x)
        fields = {"reference": self.reference.name, "reference_size": size}
        return fields | ({"samples": n} if n else {})


def _given(load, what):
    if load is None:
        raise UsageError(f"there are no {what} data")
    return load()


class Result(NamedTuple):
    """values, their standard errors, the protocol's fields, a picture to look at."""

    values: dict[str, float]
    fields: dict
    standard_errors: dict[str, float] = {}  # noqa: RUF012 - never changed
    picture: np.ndarray | None = None


def _frechet(case):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        both = moments(case.features), moments(case.reference_features)
        value = frechet_distance(*both)
    for warning in caught:
        say(f"frechet: {warning.message}")
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
    fields = {"metric": "class_score", "estimator": "10 splits", **case.featured()}
    values = {"class_score": score.mean, "class_score_std": score.std}
    return Result(values, fields)


def _classes(case):
    shares = class_histogram(case.probabilities)
    values = {"class_entropy": entropy(shares)}
    values |= {f"class_{i}": float(share) for i, share in enumerate(shares)}
    return Result(values, {"metric": "classes", **case.featured()})


def _precision_recall(case):
    return _of_neighbourhoods(case, precision_recall, k=3)


def _density_coverage(case):
    return _of_neighbourhoods(case, density_coverage, k=5)


def _of_neighbourhoods(case, metric, k):
    features, rows = case.alike
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
    if real.y is None or test.y is None:
        raise UsageError("covariate_shift needs real data with labels")
    _, rows = case.alike
    found = covariate_shift(
        _flat(case.samples[: len(rows)]),
        case.probabilities[: len(rows)].argmax(axis=1),
        _flat(real.x[rows]),
        real.y[rows],
        _flat(test.x),
        np.asarray(test.y),
    )
    fields = {"metric": "covariate_shift", "estimator": f"tested on {test.name}"}
    fields |= case.featured() | case.referred(len(rows))
    return Result(found._asdict(), fields)


def _parzen(case):
    found = parzen(
        _flat(case.samples), _flat(case.validation.x), _flat(case.held_out.x)
    )
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


def _flat(x):
    """Images as vectors of pixels in [0, 1]; vectors as they are."""
    x = np.asarray(x)
    return x.reshape(len(x), -1) / np.float32(255) if x.dtype == np.uint8 else x


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
}


# of the metrics that can choose the best of several states: min or max of their first
# value
BETTER = {
    "frechet": min,
    "kernel": min,
    "class_score": max,
    "sliced_wasserstein": min,
    "parzen": max,
    "modes": max,
    "stacked_modes": max,
}


def drawn(name: str, network: FeatureNetwork | None) -> list[str]:
    """The values of a metric that are worth a curve."""
    if name in ("frechet", "kernel"):
        return [getattr(network, f"{name}_name") if network else f"{name}_distance"]
    values = {
        "precision_recall": ["precision", "recall"],
        "density_coverage": ["density", "coverage"],
        "parzen": ["log_likelihood"],
        "modes": ["modes", "high_quality", "reverse_kl"],
        "classes": ["class_entropy"],
        "stacked_modes": ["modes", "kl"],
    }
    alone = ("class_score", "sliced_wasserstein", "copying")
    return [name] if name in alone else values.get(name, [])


def suited(config, info) -> list[str]:
    """The metrics that suit a run's data: `info` is that of its `Dataset`."""
    if config.data.name == "stacked_mnist":
        return ["stacked_modes"]
    if len(info["shape"]) < 3:
        return ["modes"] if info.get("modes") else ["sliced_wasserstein"]
    names = ["precision_recall", "density_coverage"]
    network = features_for(info["shape"])
    if info["size"] >= 2 * SUBSET_SIZE:
        names.insert(0, "kernel")
    if network != "pixels" or math.prod(info["shape"]) <= _MOST_PIXELS:
        names.insert(0, "frechet")
    digits = network == "mnist" and "".join(info["classes"]) == "0123456789"
    reads = digits or network == "cifar10"
    return [*names, "class_score", "classes"] if reads else names


def chosen(config, info) -> list[str]:
    """The metrics that a run is judged by while it trains."""
    return list(config.evaluate_metrics) or suited(config, info)


def refuse(config, dataset) -> None:
    """Raises UsageError for what a run asks to be judged by and cannot be.

    Before it trains, and not at its first evaluation.
    """
    if config.best != "none" and not config.evaluate_every:
        raise UsageError(f"config.best={config.best} needs config.evaluate_every")
    names, info = chosen(config, dataset.info), dataset.info
    require_metrics(names)
    able = [*(name for name in names if name in BETTER), "none"]
    if config.best not in able:
        raise UsageError(f"config.best={config.best}; {nearest(config.best, able)}")
    n = sample_size(config, info)
    few = min(n, info["size"])
    is_image = len(info["shape"]) == 3
    wanting = {
        "kernel": few < 2 * SUBSET_SIZE and f"{2 * SUBSET_SIZE:,} samples and examples",
        "modes": not info.get("modes") and "data whose modes are known",
        "stacked_modes": tuple(info["shape"]) != (28, 28, 3) and "stacked digits",
    }
    reads = is_image and features_for(info["shape"]) != "pixels"
    for name in ("class_score", "classes", "covariate_shift"):
        wanting[name] = not reads and "images that a classifier of the project reads"
    for name in ("copying", "covariate_shift", "parzen"):
        missing = dataset.validation is None and "data.validation_split"
        wanting[name] = wanting.get(name) or missing
    for name in names:
        if wanting.get(name):
            raise UsageError(f"metric {name} needs {wanting[name]}")
    if isinstance(dataset.arrays, Records) and not reads:
        size = dataset.arrays.first(_MOST_STREAMED)["x"].nbytes
        if size > MOST_BYTES:
            raise UsageError(
                f"config.evaluate_every compares pixels, {size / 2**30:,.1f} GiB of "
                "them in these data; leave it at 0 and judge the run afterwards, by "
                "gan_jax.evaluate with --reference=train[:5000] or with --features"
            )


def sample_size(config, info) -> int:
    """How many samples its metrics are usually given."""
    if config.evaluate_samples:
        return config.evaluate_samples
    return 10_000 if len(info["shape"]) == 3 else 2_500


def features_for(shape) -> str:
    """The project's classifier of images of this shape, or "pixels"."""
    return next(name for name in ("mnist", "cifar10", "pixels") if fits(name, shape))


def require_metrics(names) -> None:
    """Raises UsageError unless all are names of metrics."""
    for name in names:
        if name not in METRICS:
            raise UsageError(f"unknown metric {name!r}; {nearest(name, METRICS)}")


def about(run, experiment: str) -> dict:
    """What the measurements of a run say of it, for `judge`."""
    return {
        "model": title(experiment, run.config),
        "run": str(run.workdir.resolve()),
        "step": int(run.state.step),
        "batch_norm": run.batch_norm if run.state.g.stats else None,
        "ema": run.ema and run.config.ema_decay > 0,
    }


def judge(case: Case, names, *, model="", run="", step=None, **generator):
    """(measurement, picture or None) of each metric, in turn.

    generator: batch_norm and ema of the protocol; neither for real data

    Raises UsageError, with the metric's name, where one cannot be measured.
    """
    require_metrics(names)
    for name in names:
        begin = time.monotonic()
        try:
            result = METRICS[name](case)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
        if not all(map(math.isfinite, result.values.values())):
            raise UsageError(f"{name}: not finite: {result.values}")
        measured = {"samples": len(case.samples), "seed": case.seed}
        yield (
            Measurement(
                protocol=Protocol(**(measured | generator | result.fields)),
                values=result.values,
                standard_errors=result.standard_errors,
                model=model,
                run=run,
                step=step,
                seconds=round(time.monotonic() - begin, 2),
            ),
            result.picture,
        )
