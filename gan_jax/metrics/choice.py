"""Which metrics a run is judged by: what suits its data, what cannot be, and why."""

import math

from gan_jax.data.stacked_mnist import CLASSES as TRIPLES
from gan_jax.data.stream import MOST_BYTES, Records
from gan_jax.errors import UsageError, nearest
from gan_jax.games import Game
from gan_jax.metrics.case import MOST_STREAMED
from gan_jax.metrics.classifier import CLASSES
from gan_jax.metrics.features import FeatureNetwork, fits
from gan_jax.metrics.judge import require_metrics
from gan_jax.metrics.kernel import SUBSET_SIZE
from gan_jax.metrics.of_samples import METRICS as OF_SAMPLES

_MOST_PIXELS = 4_000  # whose covariances are still worth a Frechet distance
_FEWEST_OF_A_CLASS = 20  # on average: hardly ever fewer than two, by chance

# metrics that need examples which no player has seen
OF_HELD_OUT = (
    *("copying", "covariate_shift", "parzen"),
    *("classification", "clusters", "neighbours", "convergence", "translation"),
)

# samples and examples without which a metric says nothing
_FEWEST = {
    "frechet": 2,
    "kernel": 2 * SUBSET_SIZE,
    "class_score": 10,
    "precision_recall": 4,
    "density_coverage": 6,
    "closest_pairs": 5,
}

# metrics of what a player learned: the function of the game, and what has to have it
_LEARNED = {
    "translation": ("translate", "a generator that makes images of images"),
    "classification": ("classify", "a discriminator that learns the labels"),
    "clusters": ("cluster", "a discriminator that learns categories"),
    "neighbours": ("features", "an encoder"),
    "convergence": ("measure", "a measure of convergence"),
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
    "ngrams": min,
    "frechet_within": min,
    "class_agreement": max,
    "classification": min,
    "clusters": max,
    "convergence": min,
    "translation": min,
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
        "ngrams": [f"jensen_shannon_{n}" for n in (1, 2, 3, 4)],
        "classification": ["error_rate"],
        "clusters": ["agreement"],
        "neighbours": ["nearest_neighbour_accuracy"],
        "translation": ["l1", "psnr", "cycle_l1"],
    }
    alone = "class_score", "sliced_wasserstein", "copying"
    alone += "frechet_within", "class_agreement", "convergence"
    return [name] if name in alone else values.get(name, [])


def suited(config, info, n: int, game: Game | None = None) -> list[str]:
    """The metrics that suit n samples of a run: `info` is that of its `Dataset`.

    game: None for one that knows nothing of labels and learns nothing that can be asked

    Those `OF_HELD_OUT` may be among them, whether or not there are such data.
    """
    if _translates(game):
        network = features_for(info["shape"])
        named = _named(info, game) and info["classes"] == list(CLASSES.get(network, ()))
        distance = ["frechet"] if _worth_a_frechet_distance(info["shape"]) else []
        return ["translation", *distance, *(["class_agreement"] if named else [])]
    return _of_samples(info, n, game) + _of_players(info, game)


def _worth_a_frechet_distance(shape):
    """Whether images have features that are few enough for their covariances."""
    return features_for(shape) != "pixels" or math.prod(shape) <= _MOST_PIXELS


def _of_samples(info, n, game):
    if tuple(info.get("classes", ())) == TRIPLES:
        return ["stacked_modes"]
    if info.get("alphabet"):
        return ["ngrams"]
    if len(info["shape"]) < 3:
        return ["modes"] if info.get("modes") else ["sliced_wasserstein"]
    names = ["precision_recall", "density_coverage"]
    network = features_for(info["shape"])
    if min(n, info["size"]) >= _FEWEST["kernel"]:
        names.insert(0, "kernel")
    if _worth_a_frechet_distance(info["shape"]):
        names.insert(0, "frechet")
    if info["classes"] and set(info["classes"]) <= set(CLASSES.get(network, ())):
        names += ["class_score", "classes"]
    if _named(info, game) and tuple(info["classes"]) == CLASSES.get(network):
        if _of_a_class(info, n) >= _FEWEST_OF_A_CLASS:
            names.append("frechet_within")
        names.append("class_agreement")
    return names


def _of_players(info, game):
    names = ["convergence"]
    names += ["classification", "clusters"] if info.get("classes") else []
    return [name for name in names if getattr(game, _LEARNED[name][0], None)]


def _translates(game):
    """Whether samples are made of images."""
    return getattr(game, "translate", None) is not None


def _named(info, game):
    """Whether it is known of samples which of the data's classes they should be of.

    Those that were asked for, or those of the images that they are made of.
    """
    if game is None:
        return False
    translated = info.get("other", info)["classes"] if _translates(game) else ()
    return "y" in game.given or (bool(translated) and translated == info["classes"])


def _of_a_class(info, n):
    """How many samples, or examples if these are fewer, the rarest class has."""
    shares = info.get("shares") or [1 / len(info["classes"])]
    return min(n, info["size"]) * min(shares)


def chosen(config, info, game: Game | None = None) -> list[str]:
    """The metrics that a run is judged by while it trains."""
    if config.evaluate_metrics:
        return list(config.evaluate_metrics)
    names = suited(config, info, sample_size(config, info), game)
    kept = config.data.get("validation_split")
    return [name for name in names if kept or name not in OF_HELD_OUT]


def refuse(config, dataset, game: Game | None = None) -> None:
    """Raises UsageError for what a run asks to be judged by and cannot be.

    Before it trains, and not at its first evaluation.
    """
    if config.best != "none" and not config.evaluate_every:
        raise UsageError(f"config.best={config.best} needs config.evaluate_every")
    require_metrics(config.evaluate_metrics)
    if not config.evaluate_every:
        return
    if _translates(game) and dataset.validation is None:
        raise UsageError(
            "config.evaluate_every of a game that translates needs held-out images: "
            "data.validation_split"
        )
    names, info = chosen(config, dataset.info, game), dataset.info
    able = [*(name for name in names if name in BETTER), "none"]
    if config.best not in able:
        raise UsageError(f"config.best={config.best}; {nearest(config.best, able)}")
    few = min(sample_size(config, info), info["size"])
    if _translates(game):
        few = min(few, len(dataset.sets(dataset.validation)[-1]["x"]))
    network = features_for(info["shape"]) if len(info["shape"]) == 3 else None
    for name in names:
        wanting = _wanting(name, info, network) or _wanting_of(name, info, game, few)
        if dataset.validation is None and name in OF_HELD_OUT:
            wanting = wanting or "data.validation_split"
        if few < _FEWEST.get(name, 1):
            wanting = f"{_FEWEST[name]:,} samples and examples"
        if wanting:
            raise UsageError(f"metric {name} needs {wanting}")
    if isinstance(dataset.arrays, Records) and network not in CLASSES:
        size = dataset.arrays.first(MOST_STREAMED)["x"].nbytes
        if size > MOST_BYTES:
            raise UsageError(
                f"config.evaluate_every compares pixels, {size / 2**30:,.1f} GiB of "
                "them in these data; leave it at 0 and judge the run afterwards, by "
                "gan_jax.evaluate with --reference=train[:5000] or with --features"
            )


def _wanting(name, info, network) -> str | None:
    """What the data lack for a metric, if anything."""
    is_text = bool(info.get("alphabet"))
    if name in OF_SAMPLES and is_text != (name == "ngrams"):
        return "examples of numbers, not of characters" if is_text else "text"
    if name == "modes" and not info.get("modes"):
        return "data whose modes are known"
    if name == "stacked_modes" and tuple(info["shape"]) != (28, 28, 3):
        return "stacked digits"
    named = name in ("covariate_shift", "class_agreement")
    if (named or name in ("class_score", "classes")) and network not in CLASSES:
        return "images that a classifier of the project reads"
    if named and tuple(info["classes"]) != CLASSES[network]:
        return "data of classes that the project's classifier has"
    return None


def _wanting_of(name, info, game, few) -> str | None:
    """What the game lacks for a metric, if anything, or else the classes."""
    if name in ("frechet_within", "class_agreement") and not _named(info, game):
        return "a game whose generator is told labels, or translates what has them"
    if name == "frechet_within" and _of_a_class(info, few) < _FEWEST_OF_A_CLASS:
        return f"{_FEWEST_OF_A_CLASS} samples and examples of each class"
    function, what = _LEARNED.get(name, (None, None))
    if function and not getattr(game, function, None):
        return f"a game with {what}"
    without = "convergence", "translation"
    if function and name not in without and not info["classes"]:
        return "data with labels"
    return None


def sample_size(config, info) -> int:
    """How many samples its metrics are usually given."""
    if config.evaluate_samples:
        return config.evaluate_samples
    return 10_000 if len(info["shape"]) == 3 else 2_500


def features_for(shape) -> str:
    """The project's classifier of images of this shape, or "pixels"."""
    classifiers = "mnist", "mnist_framed", "cifar10"
    return next((name for name in classifiers if fits(name, shape)), "pixels")
