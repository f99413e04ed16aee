"""All metrics of one set of samples, each number with its protocol.

A metric's own file says what its number means; here is what each is given, and by which
name a command asks for it; features are computed once.
"""

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax import pictures
from gan_jax.build import bind, nearest
from gan_jax.data.source import Modes
from gan_jax.errors import UsageError
from gan_jax.metrics import stacked
from gan_jax.metrics.class_score import class_histogram, class_score, entropy
from gan_jax.metrics.covariate_shift import covariate_shift
from gan_jax.metrics.features import FeatureNetwork, fits, load_features
from gan_jax.metrics.frechet import frechet_distance, moments
from gan_jax.metrics.kernel import kernel_distance
from gan_jax.metrics.manifold import density_coverage, precision_recall
from gan_jax.metrics.modes import judge as judge_modes
from gan_jax.metrics.neighbours import copying, nearest_neighbours
from gan_jax.metrics.parzen import parzen
from gan_jax.metrics.protocol import Measurement, Protocol
from gan_jax.metrics.reference import reference_features
from gan_jax.metrics.sliced_wasserstein import sliced_wasserstein
from gan_jax.metrics.support import closest_pairs

_SHOWN = 10  # samples in a picture


class Real(NamedTuple):
    """Real examples as stored, x [n, ...] and labels y [n] or None, and their name."""

    name: str
    x: np.ndarray
    y: np.ndarray | None = None

    @classmethod
    def of(cls, config, split: str, dataset, arrays: dict) -> "Real":
        """Examples of a dataset, named after the config's data and their split.

        Where a scaling cannot be undone (gcn), they are what its pictures show, as the
        samples are, and the name says so.
        """
        data, x = config.data, arrays["x"]
        kind = [data.get("builder") or data.name, *data.get("classes", ()), split]
        if config.scaling.name == "gcn":
            kind.append("by gcn")
            scaling = bind("scaling", config.scaling)()
            parts = np.array_split(x, -(-len(x) // 1000))
            fitted = dataset.info["fitted"]
            pictured = [scaling.invert(scaling.apply(p, fitted), fitted) for p in parts]
            x = np.concatenate(pictured)
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
        """What a protocol says of the reference, of which n examples were used."""
        return {
            "reference": self.reference.name,
            "reference_size": n or len(self.reference.x),
        }


def _given(load, what):
    if load is None:
        raise UsageError(f"this metric needs {what} data, which this run has not")
    return load()


class Result(NamedTuple):
    """values, their standard errors, the protocol's fields, a picture to look at."""

    values: dict[str, float]
    fields: dict
    standard_errors: dict[str, float] = {}  # noqa: RUF012 - never changed
    picture: np.ndarray | None = None


def _frechet(case):
    value = frechet_distance(moments(case.features), moments(case.reference_features))
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
    features, rows = case.alike
    found = precision_recall(features, case.reference_features[rows], k=3)
    fields = {"metric": "precision_recall", "estimator": "k = 3"}
    fields |= case.featured() | case.referred(len(rows))
    return Result(found._asdict(), fields)


def _density_coverage(case):
    features, rows = case.alike
    found = density_coverage(features, case.reference_features[rows], k=5)
    fields = {"metric": "density_coverage", "estimator": "k = 5"}
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
    real = closest_pairs(case.reference_features[rows], pairs=_SHOWN)
    values = {
        "closest_samples": float(pairs.distances[0]),
        "closest_real": float(real.distances[0]),
    }
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
        test.y,
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
    return Result(judge_modes(case.samples, case.modes), fields)


def _stacked_modes(case):
    network = load_features("mnist")
    labels = stacked.read_triples(lambda x: network.apply(x)[1], case.samples)
    fields = {
        "metric": "stacked_modes",
        "features": network.name,
        "checksum": network.checksum,
    }
    return Result(stacked.stacked_modes(labels), fields)


def _flat(x):
    """Images as vectors of pixels in [0, 1]; vectors as they are."""
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
        "stacked_modes": ["modes", "kl"],
    }
    alone = ("class_score", "sliced_wasserstein", "copying")
    return [name] if name in alone else values.get(name, [])


def suited(config, info) -> list[str]:
    """The metrics that suit a run's data: `info` is that of its `Dataset`."""
    if config.data.name == "stacked_mnist":
        return ["stacked_modes"]
    if len(info["shape"]) == 3:
        names = ["frechet", "kernel", "precision_recall", "density_coverage"]
        classifies = features_for(info["shape"]) != "pixels"
        return [*names, "class_score", "classes"] if classifies else names
    return ["modes"] if info.get("modes") else ["sliced_wasserstein"]


def sample_size(config, info) -> int:
    """How many samples its metrics are usually given."""
    if config.data.name == "stacked_mnist":
        return 26_000  # PacGAN
    return 10_000 if len(info["shape"]) == 3 else 2_500


def features_for(shape) -> str:
    """The project's classifier of images of this shape, or "pixels"."""
    return next(name for name in ("mnist", "cifar10", "pixels") if fits(name, shape))


def require_metrics(names) -> None:
    """Raises UsageError unless all are names of metrics."""
    for name in names:
        if name not in METRICS:
            raise UsageError(f"unknown metric {name!r}; {nearest(name, METRICS)}")


def about(run, model: str) -> dict:
    """What the measurements of a run say of it, for `judge`."""
    return {
        "model": model,
        "run": str(run.workdir),
        "step": int(run.state.step),
        "batch_norm": run.batch_norm if run.state.g.stats else None,
        "ema": run.state.g_ema is not None,
    }


def judge(case: Case, names, *, model="", run="", step=None, **generator):
    """(measurement, picture or None) of each metric, in turn.

    generator: batch_norm and ema of the protocol; neither for real data
    """
    require_metrics(names)
    for name in names:
        begin = time.monotonic()
        result = METRICS[name](case)
        protocol = Protocol(
            samples=len(case.samples), seed=case.seed, **generator, **result.fields
        )
        yield (
            Measurement(
                protocol=protocol,
                values=result.values,
                standard_errors=result.standard_errors,
                model=model,
                run=run,
                step=step,
                seconds=round(time.monotonic() - begin, 2),
            ),
            result.picture,
        )
