"""What is judged: samples, real examples and their features; and what is found."""

import functools
import itertools
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax.data.source import Modes, parts
from gan_jax.data.stream import Column, Records
from gan_jax.errors import UsageError
from gan_jax.metrics.features import FeatureNetwork
from gan_jax.metrics.reference import reference_features

MOST_STREAMED = 50_000  # examples of a reference that stays on disk


class Real(NamedTuple):
    """Real examples as stored, x [n, ...], and their name.

    y, classes: their labels [n] and the labels' names; None and () where there are none
    input:      of pairs, what x are to be made of
    """

    name: str
    x: np.ndarray | Column
    y: np.ndarray | Column | None = None
    classes: tuple[str, ...] = ()
    input: np.ndarray | None = None

    @classmethod
    def of(
        cls, config, scaling, split: str, info: dict, arrays: dict, entry: str = "data"
    ) -> "Real":
        """Examples of a run's data, named after it, their split and their bytes.

        entry: of the config, "data" or "other"; info and arrays are that set's own

        Of streamed ones, the first 50,000 at the most, as the name says then.
        Where a scaling cannot be undone (gcn), they are what its pictures show, as the
        samples are, by what was fitted to the training data, in the run's `info`; and
        the name says so.
        """
        data = config[entry]
        builder = data.get("builder")
        source = [builder] if data.name == "tfds" and builder else [data.name, builder]
        kind = [*filter(None, source), *data.get("classes", ()), split]
        if data.get("input"):
            kind.append(f"with {data.input}")
        if isinstance(arrays, Records) and arrays.size > MOST_STREAMED:
            arrays = arrays.first(MOST_STREAMED)
            kind.append(f"first {MOST_STREAMED}")
        x = arrays["x"]
        if not scaling.exact:
            kind.append(f"by {config.scaling.name}")
            x = scaling.as_shown(x, info["fitted"])
        checksum = 0
        columns = [x, *([arrays["input"]] if "input" in arrays else [])]
        for part in itertools.chain.from_iterable(map(parts, columns)):
            checksum = zlib.crc32(np.ascontiguousarray(part), checksum)
        kind.append(f"{checksum:08x}")
        rest = arrays.get("y"), tuple(info["classes"]), arrays.get("input")
        return cls(" ".join(kind), x, *rest)


class Learned(NamedTuple):
    """What the players of a run have learned, as functions of real examples as stored.

    classify: [n, ...] -> probabilities of the data's classes [n, classes]
    cluster:  [n, ...] -> probabilities of categories without names [n, k]
    features: [n, ...] -> what an encoder sees in them [n, d]
    convergence: [n, ...], seed of latents -> the game's own measure; less is better

    Each raises UsageError where the game has nothing of the kind.
    """

    classify: Callable
    cluster: Callable
    features: Callable
    convergence: Callable

    @classmethod
    def of(cls, run) -> "Learned":
        return cls(run.classify, run.cluster, run.features, run.convergence)


class Result(NamedTuple):
    """values, their standard errors, the protocol's fields, a picture to look at."""

    values: dict[str, float]
    fields: dict
    standard_errors: dict[str, float] = {}  # noqa: RUF012 - never changed
    picture: np.ndarray | None = None


class Case:
    """Samples, and what they are judged against.

    samples:    uint8 images [n, h, w, c], vectors [n, d], signals [n, length, channels]
                or codes of text uint8 [n, length], in random order
    network:    features of images; None for vectors and signals, which are their own,
                and for text, which has none
    reference:  the real examples to be compared with
    held_out:   () -> real examples that no run has trained on, or a UsageError
    validation: likewise, those by which the Parzen windows' width is chosen
    modes:      of the data, where they are known
    seed:       of the samples; also shuffles the reference
    asked:      labels [n] that the samples were asked for, None where there are none
    learned:    what the players learned, None where there are no players
    translated: what the samples were made of, where that was images
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
        asked: np.ndarray | None = None,
        learned: Learned | None = None,
        translated=None,
    ):
        self.samples, self.network, self.reference = samples, network, reference
        self._held_out, self._validation = held_out, validation
        self.modes, self.seed = modes, seed
        self._asked, self._learned, self._translated = asked, learned, translated

    @functools.cached_property
    def held_out(self) -> Real:
        return _given(self._held_out, "held-out")

    @functools.cached_property
    def validation(self) -> Real:
        return _given(self._validation, "validation")

    @property
    def asked(self) -> np.ndarray:
        """The labels that the samples were asked for, [n]."""
        if self._asked is None:
            raise UsageError("the samples were asked for no classes")
        return np.asarray(self._asked)

    @property
    def learned(self) -> Learned:
        """What the players learned."""
        if self._learned is None:
            raise UsageError("there are no players that could have learned it")
        return self._learned

    @property
    def translated(self):
        """The `Translated` that the samples are."""
        if self._translated is None:
            raise UsageError("the samples were not made of images")
        return self._translated

    @functools.cached_property
    def _of_samples(self):
        if self.network is None:
            return flat(self.samples), None
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

    @property
    def named_probabilities(self):
        """The same, of a network whose classes are those of the reference."""
        probabilities = self.probabilities
        if self.reference.classes != self.network.classes:
            raise UsageError(
                f"features {self.network.name!r} do not tell apart the classes of "
                f"{self.reference.name}"
            )
        return probabilities

    def features_of(self, real: Real):
        """(features, probabilities) of real examples."""
        if self.network is None:
            return flat(real.x), None
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


def labelled(real: Real) -> np.ndarray:
    """The labels [n] of real examples; UsageError where they have none."""
    if real.y is None:
        raise UsageError(f"{real.name} has no labels")
    return np.asarray(real.y)


def _given(load, what):
    if load is None:
        raise UsageError(f"there are no {what} data")
    return load()


def flat(x):
    """Images as vectors of pixels in [0, 1]; vectors as they are, signals as vectors.

    Raises UsageError for text: between codes there are no distances.
    """
    x = np.asarray(x)
    if x.dtype == np.uint8 and x.ndim == 2:
        raise UsageError("characters are no numbers; text has the metric ngrams")
    vectors = x.reshape(len(x), -1)
    return vectors / np.float32(255) if x.dtype == np.uint8 else vectors
