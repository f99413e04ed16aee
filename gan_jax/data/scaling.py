"""From examples as they are stored to what the networks see, and back to pictures.

The scaling belongs to the experiment, since it goes with G's output: `symmetric` with
tanh, `unit` with sigmoid, `gcn` and `standardised` with a linear output, `one_hot` with
a softmax. Each factory's keywords are those of `config.scaling`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config.ranges import Positive
from gan_jax.data.source import parts
from gan_jax.errors import UsageError

_INTERQUARTILE_RANGE = 1.3489795  # of the standard normal distribution


class Scaling(NamedTuple):
    """A map and its way back; `fitted` is what both must know of the training examples.

    fit:    stored x [n, *shape] (numpy, or a column of records) -> fitted, a dict of
            plain numbers and lists
    apply:  (stored x [..., *shape], fitted) -> float32, the same shape (jax)
    invert: (float32 [..., *shape], fitted) -> uint8 images, or vectors as stored; of
            numpy or of jax arrays, and traceable
    exact:  whether `invert` undoes `apply`; else it gives what pictures show
    symbolic: whether stored x are codes of characters: `fit` is then given the alphabet
            in place of x, and `apply` adds an axis that is as long
    """

    fit: Callable
    apply: Callable
    invert: Callable
    exact: bool = True
    symbolic: bool = False

    def as_shown(self, x, fitted):
        """Stored x as samples are shown; x itself where `invert` undoes `apply`."""
        if self.exact:
            return x
        seen = (self.apply(part, fitted) for part in parts(np.asarray(x)))
        return np.concatenate([self.invert(part, fitted) for part in seen])


def _affine(bottom: float, top: float) -> Scaling:
    """Images: 0 to bottom, 255 to top. Vectors: the same per coordinate, min to max.

    Signals: likewise per channel.
    """

    def fit(x):
        if x.dtype == np.uint8:
            return {"low": 0.0, "high": 255.0}
        axes = _all_but_last(x)
        low, high = x.min(axis=axes).astype(float), x.max(axis=axes).astype(float)
        one = np.maximum(1, 1e-3 * np.abs(low))  # for a coordinate that never varies
        high = np.where(high > low, high, low + one)
        return {"low": low.tolist(), "high": high.tolist()}

    def apply(x, fitted):
        low, span = bounds(x, fitted)
        return (x.astype(jnp.float32) - low) * ((top - bottom) / span) + bottom

    def invert(x, fitted):
        low, span = bounds(x, fitted)
        x = (x - bottom) * (span / (top - bottom)) + low
        return _to_uint8(x) if np.ndim(fitted["low"]) == 0 else x

    def bounds(x, fitted):
        low, high = np.float32(fitted["low"]), np.float32(fitted["high"])
        return _beside(low, x), _beside(high - low, x)

    return Scaling(fit, apply, invert)


def _all_but_last(x):
    """The axes of vectors [n, d] or signals [n, length, channels] but the last."""
    return tuple(range(x.ndim - 1))


def _beside(values, x):
    """Values of the last axis of x, or of all, with as many axes as x."""
    return np.expand_dims(values, tuple(range(x.ndim - values.ndim)))


def _to_uint8(x):
    return x.round().clip(0, 255).astype(np.uint8)


def symmetric() -> Scaling:
    """[-1, 1], the range of tanh."""
    return _affine(-1.0, 1.0)


def unit() -> Scaling:
    """[0, 1], the range of the sigmoid."""
    return _affine(0.0, 1.0)


def identity() -> Scaling:
    """Vectors as they are."""

    def fit(x):
        if x.dtype == np.uint8:
            raise UsageError("scaling identity is for vectors; images take symmetric")
        return {}

    return Scaling(fit, lambda x, fitted: jnp.asarray(x), lambda x, fitted: x)


def standardised(*, robust: bool = False) -> Scaling:
    """Vectors and signals with mean 0 and variance 1, each coordinate or channel.

    robust: by the median, and by the quartiles as those of a normal distribution, which
            outliers hardly move
    """

    def fit(x):
        if x.dtype == np.uint8:
            raise UsageError(
                "scaling standardised is for vectors and signals; images take symmetric"
            )
        axes = _all_but_last(x)
        mean = x.mean(axis=axes, dtype=np.float64)
        std = x.std(axis=axes, dtype=np.float64)
        if robust:
            low, mean, high = np.percentile(x.astype(np.float64), (25, 50, 75), axes)
            width = (high - low) / _INTERQUARTILE_RANGE
            std = np.where(width > 0, width, std)  # of what hardly ever varies
        std = np.where(std > 0, std, 1.0)  # of what never varies
        return {"mean": mean.tolist(), "std": std.tolist()}

    def moments(x, fitted):
        return (_beside(np.float32(fitted[name]), x) for name in ("mean", "std"))

    def apply(x, fitted):
        mean, std = moments(x, fitted)
        return (x.astype(jnp.float32) - mean) / std

    def invert(x, fitted):
        mean, std = moments(x, fitted)
        return x * std + mean

    return Scaling(fit, apply, invert)


def one_hot() -> Scaling:
    """Text: at each place a row of zeros with a 1 at the character's code.

    The way back takes the most probable character of each row.
    """
    return Scaling(
        fit=lambda alphabet: {"characters": len(alphabet)},
        apply=lambda x, fitted: jax.nn.one_hot(x, fitted["characters"]),
        invert=lambda x, fitted: x.argmax(axis=-1).astype(np.uint8),
        symbolic=True,
    )


def gcn(*, norm: Positive = 55.0) -> Scaling:
    """Global contrast normalisation: each image less its mean, with Euclidean length
    `norm` (the CIFAR-10 experiments of Goodfellow et al. 2014).

    An image's own mean and contrast are lost, so there is no inverse for samples. As in
    the original code pictures are divided by a fixed max |x|, the training set's here:
    zero is grey. A metric on such pictures has to name this map.
    """

    def normalise(x):
        axes = (-3, -2, -1)
        x = x.astype(np.float32)
        x = x - x.mean(axis=axes, keepdims=True)
        length = (x * x).sum(axis=axes, keepdims=True) ** 0.5
        return x * (norm / length.clip(1e-8))

    def fit(x):
        if x.dtype != np.uint8:
            raise UsageError("scaling gcn is for images; vectors take symmetric")
        # in parts: the whole of CIFAR-10 in float32 would be 600 MB
        return {"max": max(float(np.abs(normalise(part)).max()) for part in parts(x))}

    return Scaling(
        fit=fit,
        apply=lambda x, fitted: normalise(x),
        invert=lambda x, fitted: _to_uint8((x / fitted["max"] + 1) * (255 / 2)),
        exact=False,
    )
