"""A data source made ready for training: kept whole, viewed a minibatch at a time."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data.scaling import Scaling
from gan_jax.data.source import Source, parts
from gan_jax.data.stream import Column
from gan_jax.errors import UsageError


class Dataset(NamedTuple):
    """arrays:     dict of the whole set on the host, examples as stored under "x"; or
                `Records`, likewise a mapping, where they stay on disk
    size:       number of examples
    view:       (arrays, indices, key) -> batch, what the networks see; pure, for use
                inside a jitted step. Leaves of the batch have the shape of `indices`
                followed by that of one example. A source that draws its examples
                anew only counts the indices. With None for indices the arrays are
                the minibatch itself, and the batch is the same: nothing is gathered,
                which would be an exchange between devices that share the minibatch.
    to_uint8:   what the networks see -> pictures (vectors come back as stored)
    info:       what a trained run needs to be loaded without the data, as JSON values:
                shape, size, classes, fitted (see `scaling`), modes (the fields of
                `Modes`, or None)
    mean:       () -> mean of the scaled training examples, float32 [*shape]
    validation: like `arrays`, the held-out examples; None without any
    """

    arrays: Mapping
    size: int
    view: Callable
    to_uint8: Callable
    info: dict[str, Any]
    mean: Callable
    validation: dict[str, np.ndarray] | None


class Options(NamedTuple):
    """Keywords of `config.data` that serve every source.

    validation_split: examples held out, in the source's way of naming splits
    flip:             mirror each image left to right with probability 1/2
    dequantize:       add noise from U(-1/2, 1/2) to the pixels, in grey levels
    """

    validation_split: str | None = None
    flip: bool = False
    dequantize: bool = False


def make_dataset(
    source: Source,
    scaling: Scaling,
    options: Options = Options(),  # noqa: B008 - immutable
    validation: Source | None = None,
) -> Dataset:
    """The examples of `source` under `scaling`; `validation` are those held out."""
    if source.x.dtype != np.uint8 and (options.flip or options.dequantize):
        raise UsageError(
            "data.flip and data.dequantize are for images, not for vectors"
        )
    fitted = scaling.fit(source.x)

    def examples(arrays, indices, key):
        if source.fresh is not None:  # a key apart from the two of `view`, 0 and 1
            return {
                "x": source.fresh(arrays, jax.random.fold_in(key, 2), indices.shape)
            }
        return {name: leaf[indices] for name, leaf in arrays.items()}

    def view(arrays, indices, key):
        batch = arrays if indices is None else examples(arrays, indices, key)
        x = batch["x"]
        flip_key, noise_key = jax.random.split(key)
        if options.flip:
            mirrored = jax.random.bernoulli(flip_key, shape=x.shape[:-3])
            x = jnp.where(mirrored[..., None, None, None], x[..., ::-1, :], x)
        if options.dequantize:
            x = x + jax.random.uniform(noise_key, x.shape, minval=-0.5, maxval=0.5)
        return batch | {"x": scaling.apply(x, fitted)}

    return Dataset(
        arrays=_arrays(source),
        size=len(source.x),
        view=view,
        to_uint8=lambda x: scaling.invert(x, fitted),
        info={
            "shape": list(source.x.shape[1:]),
            "size": len(source.x),
            "classes": list(source.classes),
            "fitted": fitted,
            "modes": _json(source.modes),
        },
        mean=lambda: _mean(source.x, scaling, fitted),
        validation=None if validation is None else _in_memory(_arrays(validation)),
    )


def _arrays(source):
    if isinstance(source.x, Column):
        return source.x.records
    return {"x": source.x} if source.y is None else {"x": source.x, "y": source.y}


def _in_memory(arrays):
    return {name: np.asarray(leaf) for name, leaf in arrays.items()}


def _json(modes):
    """The fields of `Modes` as JSON values."""
    if modes is None:
        return None
    return {name: np.asarray(value).tolist() for name, value in modes._asdict().items()}


def _mean(x, scaling, fitted):
    scaled = (np.asarray(scaling.apply(part, fitted)) for part in parts(x))
    total = sum(part.sum(axis=0, dtype=np.float64) for part in scaled)
    return (total / len(x)).astype(np.float32)
