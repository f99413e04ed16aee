"""A data source made ready for training: kept whole, viewed a minibatch at a time."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config.ranges import Count, CountOrZero, Seed
from gan_jax.data.inputs import Made, with_inputs
from gan_jax.data.labels import per_class, shares
from gan_jax.data.scaling import Scaling
from gan_jax.data.source import Source, parts
from gan_jax.data.stream import Column, Records
from gan_jax.data.suspicion import suspicious
from gan_jax.data.variation import jitter, mirror
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
                With None for the key images are as they are: no mirrors, no noise.
    to_uint8:   what the networks see -> pictures (all else comes back as stored)
    info:       what a trained run needs to be loaded without the data, as JSON values:
                shape of an example as the networks see it, size, classes, fitted (see
                `scaling`), modes (the fields of `Modes`, or None), and shares of the
                classes, where they are known; of pairs, input, the shape of what x are
                made of; of text, its alphabet, the last axis of shape
    mean:       () -> mean of the scaled training examples, float32 [*shape]
    validation: like `arrays`, the held-out examples; None without any
    other:      a second set, whose minibatches come beside those of this one. Its
                arrays are under "other" in `arrays` and in `validation`, its indices
                behind those of this set along the last axis
    notes:      what was left out of the data, changed, or looks like a mistake, with
                counts, a line each
    """

    arrays: Mapping
    size: int
    view: Callable
    to_uint8: Callable
    info: dict[str, Any]
    mean: Callable
    validation: dict[str, np.ndarray] | None
    other: "Dataset | None" = None
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of examples of this set, and of the other one."""
        return (self.size, self.other.size) if self.other else (self.size,)

    def sets(self, arrays) -> list[Mapping]:
        """The arrays of this set and of the other one, in `arrays` or `validation`."""
        return [arrays, arrays["other"]] if self.other else [arrays]


class Options(NamedTuple):
    """Keywords of `config.data` that serve every source.

    validation_split: examples held out, in the source's way of naming splits
    pad:              rows and columns of zeros (black) on every side of each image
    flip:             mirror each image left to right with probability 1/2
    jitter:           enlarge each image so that its shorter side has so many pixels
                      more, and cut it to its size again at a random place
    input:            what each image is to be made of, in a game that translates: its
                      "edges", its "half" resolution, or its "grey" levels
    dequantize:       add noise from U(-1/2, 1/2) to the pixels, in grey levels
    per_class:        so many examples of each class alone, chosen by `subset_seed`
    """

    validation_split: str | None = None
    pad: CountOrZero = 0
    flip: bool = False
    jitter: CountOrZero = 0
    input: Made | None = None
    dequantize: bool = False
    per_class: Count | None = None
    subset_seed: Seed = 0


def make_dataset(
    source: Source,
    scaling: Scaling,
    options: Options = Options(),  # noqa: B008 - immutable
    validation: Source | None = None,
    fitted: Any = None,
) -> Dataset:
    """The examples of `source` under `scaling`; `validation` are those held out.

    fitted: what the scaling was fitted to before, if it was
    """
    for name in ("pad", "flip", "dequantize", "jitter", "input"):
        if getattr(options, name) and len(source.x.shape) != 4:
            raise UsageError(f"data.{name} is for images, not for vectors or text")
    if scaling.symbolic != bool(source.alphabet):
        raise UsageError("text takes the scaling one_hot, which nothing else does")
    if options.per_class is not None:
        source = _few(source, options)

    def prepared(source):
        source = source.padded(options.pad) if options.pad else source
        return with_inputs(source, options.input) if options.input else source

    source, validation = prepared(source), validation and prepared(validation)
    if fitted is None:
        fitted = scaling.fit(source.alphabet or source.x)

    def examples(arrays, indices, key):
        if source.fresh is not None:  # a key apart from the two of `view`, 0 and 1
            key = jax.random.fold_in(jax.random.key(0) if key is None else key, 2)
            return {"x": source.fresh(arrays, key, indices.shape)}
        return {name: leaf[indices] for name, leaf in arrays.items()}

    def view(arrays, indices, key):
        batch = arrays if indices is None else examples(arrays, indices, key)
        images = {name: batch[name] for name in ("x", "input") if name in batch}
        if key is not None:
            images = varied(images, key)
        seen = {name: scaling.apply(image, fitted) for name, image in images.items()}
        return batch | seen

    def varied(images, key):
        """Images as training sees them; a pair's two are moved alike."""
        flip_key, noise_key = jax.random.split(key)
        x = images["x"]
        if options.flip:
            mirrored = jax.random.bernoulli(flip_key, shape=x.shape[:-3])
            images = {name: mirror(each, mirrored) for name, each in images.items()}
        if options.jitter:
            # a key apart from those that are split off above
            jitter_key = jax.random.fold_in(key, 4)
            images = {
                name: jitter(each, options.jitter, jitter_key)
                for name, each in images.items()
            }
        if options.dequantize:
            noise = jax.random.uniform(noise_key, x.shape, minval=-0.5, maxval=0.5)
            images |= {"x": images["x"] + noise}
        return images

    held_out_notes = validation.notes if validation else ()
    return Dataset(
        arrays=_arrays(source),
        size=len(source.x),
        view=view,
        to_uint8=lambda x: scaling.invert(np.asarray(x), fitted),
        info=_info(source, fitted),
        mean=lambda: _mean(source.x, scaling, fitted),
        validation=None if validation is None else _in_memory(_arrays(validation)),
        notes=tuple(
            dict.fromkeys((*source.notes, *held_out_notes, *suspicious(source, fitted)))
        ),
    )


def beside(dataset: Dataset, other: Dataset) -> Dataset:
    """`dataset`, with a minibatch of `other` under "other" in each of its own.

    Raises UsageError where they do not go together.
    """
    if dataset.info.get("alphabet") != other.info.get("alphabet"):
        raise UsageError("config.other is text of other characters than config.data")
    shape, of_other = (x.info["shape"] for x in (dataset, other))
    if shape != of_other:
        raise UsageError(
            f"config.other has examples of shape {of_other}, config.data of {shape}; "
            "both have to have one shape"
        )
    if isinstance(dataset.arrays, Records) or isinstance(other.arrays, Records):
        raise UsageError(
            "data that are read while it trains cannot have config.other beside them; "
            "leave out stream, or config.other"
        )
    if (dataset.validation is None) != (other.validation is None):
        raise UsageError(
            "config.data.validation_split and config.other.validation_split: either "
            "both are given or none"
        )

    def view(arrays, indices, key):
        own, others = _apart(arrays)
        rows = other_rows = None
        if indices is not None:
            rows, other_rows = jnp.split(indices, 2, axis=-1)
        # a key apart from those of the view of the data
        other_key = None if key is None else jax.random.fold_in(key, 3)
        batch = dataset.view(own, rows, key)
        return batch | {"other": other.view(others, other_rows, other_key)}

    def join(arrays, others):
        return None if arrays is None else {**arrays, "other": dict(others)}

    return dataset._replace(
        arrays=join(dataset.arrays, other.arrays),
        view=view,
        info=dataset.info | {"other": other.info},
        validation=join(dataset.validation, other.validation),
        other=other,
        notes=(*dataset.notes, *(f"other data: {note}" for note in other.notes)),
    )


def _apart(arrays):
    own = {name: leaf for name, leaf in arrays.items() if name != "other"}
    return own, arrays["other"]


def _few(source, options):
    """So many examples of each class."""
    if source.y is None or isinstance(source.x, Column):
        raise UsageError(
            f"data.per_class={options.per_class} needs examples with labels, in memory"
        )
    rows = per_class(source.y, options.per_class, options.subset_seed)
    if len(rows) < options.per_class * len(source.classes):
        raise UsageError(
            f"data.per_class={options.per_class}: not all of the {len(source.classes)} "
            "classes are in this split"
        )
    return source.rows(rows)


def _info(source, fitted):
    """What is known of the data, as `Dataset` says it."""
    symbols = [len(source.alphabet)] if source.alphabet else []
    known = {
        "shape": [*source.x.shape[1:], *symbols],
        "size": len(source.x),
        "classes": list(source.classes),
        "fitted": fitted,
        "modes": _json(source.modes),
    } | _shares(source)
    if source.input is not None:
        known["input"] = list(source.input.shape[1:])
    if source.alphabet:
        known["alphabet"] = source.alphabet
    return known


def _shares(source):
    """Those of the classes, unless that is only known once all data are read."""
    if not source.classes or isinstance(source.y, Column):
        return {}
    return {"shares": shares(source.y, len(source.classes))}


def _arrays(source):
    if isinstance(source.x, Column):
        return source.x.records
    columns = {"x": source.x, "y": source.y, "input": source.input}
    return {name: column for name, column in columns.items() if column is not None}


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
