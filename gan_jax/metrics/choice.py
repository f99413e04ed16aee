"""Which metrics a run is judged by: what suits its data, what cannot be, and why."""

import math

from gan_jax.data.stacked_mnist import CLASSES as TRIPLES
from gan_jax.data.stream import MOST_BYTES, Records
from gan_jax.errors import UsageError, nearest
from gan_jax.metrics.case import MOST_STREAMED
from gan_jax.metrics.classifier import CLASSES
from gan_jax.metrics.features import FeatureNetwork, fits
from gan_jax.metrics.judge import require_metrics
from gan_jax.metrics.kernel import SUBSET_SIZE

_MOST_PIXELS = 4_000  # whose covariances are still worth a Frechet distance

# samples and examples without which a metric says nothing
_FEWEST = {
    "frechet": 2,
    "kernel": 2 * SUBSET_SIZE,
    "class_score": 10,
    "precision_recall": 4,
    "density_coverage": 6,
    "closest_pairs": 5,
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


def suited(config, info, n: int) -> list[str]:
    """The metrics that suit n samples of a run: `info` is that of its `Dataset`."""
    if tuple(info.get("classes", ())) == TRIPLES:
        return ["stacked_modes"]
    if len(info["shape"]) < 3:
        return ["modes"] if info.get("modes") else ["sliced_wasserstein"]
    names = ["precision_recall", "density_coverage"]
    network = features_for(info["shape"])
    if min(n, info["size"]) >= _FEWEST["kernel"]:
        names.insert(0, "kernel")
    if network != "pixels" or math.prod(info["shape"]) <= _MOST_PIXELS:
        names.insert(0, "frechet")
    if info["classes"] and set(info["classes"]) <= set(CLASSES.get(network, ())):
        names += ["class_score", "classes"]
    return names


def chosen(config, info) -> list[str]:
    """The metrics that a run is judged by while it trains."""
    named = list(config.evaluate_metrics)
    return named or suited(config, info, sample_size(config, info))


def refuse(config, dataset) -> None:
    """Raises UsageError for what a run asks to be judged by and cannot be.

    Before it trains, and not at its first evaluation.
    """
    if config.best != "none" and not config.evaluate_every:
        raise UsageError(f"config.best={config.best} needs config.evaluate_every")
    require_metrics(config.evaluate_metrics)
    if not config.evaluate_every:
        return
    names, info = chosen(config, dataset.info), dataset.info
    able = [*(name for name in names if name in BETTER), "none"]
    if config.best not in able:
        raise UsageError(f"config.best={config.best}; {nearest(config.best, able)}")
    n = sample_size(config, info)
    few = min(n, info["size"])
    network = features_for(info["shape"]) if len(info["shape"]) == 3 else None
    wanting = {
        "modes": not info.get("modes") and "data whose modes are known",
        "stacked_modes": tuple(info["shape"]) != (28, 28, 3) and "stacked digits",
    }
    reads = network in CLASSES
    for name in ("class_score", "classes", "covariate_shift"):
        wanting[name] = not reads and "images that a classifier of the project reads"
    if reads and tuple(info["classes"]) != CLASSES[network]:
        wanting["covariate_shift"] = "data of classes that the project's classifier has"
    for name in ("copying", "covariate_shift", "parzen"):
        missing = dataset.validation is None and "data.validation_split"
        wanting[name] = wanting.get(name) or missing
    for name in names:
        if few < _FEWEST.get(name, 1):
            wanting[name] = f"{_FEWEST[name]:,} samples and examples"
        if wanting.get(name):
            raise UsageError(f"metric {name} needs {wanting[name]}")
    if isinstance(dataset.arrays, Records) and not reads:
        size = dataset.arrays.first(MOST_STREAMED)["x"].nbytes
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
