"""The data of an experiment, by its config: those of its entries `data` and `other`."""

import functools

from gan_jax.config.resolve import arguments, bind, resolve
from gan_jax.data.dataset import Dataset, Options, beside, make_dataset
from gan_jax.data.source import overlap
from gan_jax.data.stream import Records
from gan_jax.errors import UsageError


def load_dataset(config) -> Dataset:
    """The data of an experiment, read and made ready, with those beside them."""
    dataset = _load(config, "data")
    if "other" not in config:
        return dataset
    return beside(dataset, _load(config, "other", dataset.info["fitted"]))


def _load(config, entry, fitted=None) -> Dataset:
    """The data of an entry; `fitted`: what the scaling is, if not fitted to them."""
    spec = config[entry]
    of_source = arguments(spec)
    own = {key: of_source.pop(key) for key in Options._fields if key in of_source}
    load = functools.partial(resolve(entry, spec.name), **of_source)
    options, scale = Options(**own), bind("scaling", config.scaling)()
    split, held_out = of_source.get("split", "train"), options.validation_split
    if held_out and overlap(split, held_out):
        raise UsageError(
            f"config.{entry}.validation_split={held_out} shares examples with "
            f"config.{entry}.split={split}; give ranges apart, such as train[:1000] "
            "and train[1000:]"
        )
    validation = load(split=held_out) if held_out else None
    return make_dataset(load(), scale, options, validation, fitted)


def load_training_data(config) -> Dataset:
    """The same, or a UsageError where they do not go with the rest of the config."""
    dataset = load_dataset(config)
    if isinstance(dataset.arrays, Records):
        _refuse_for_streams(config)
    for size, entry in zip(dataset.sizes, ("data", "other"), strict=False):
        if config.batch_size > size:
            raise UsageError(
                f"config.batch_size={config.batch_size} is larger than the data of "
                f"config.{entry}: {size:,} examples"
            )
    unit = config.pack * config.accumulate
    for held_out in dataset.sets(dataset.validation) if dataset.validation else ():
        if len(held_out["x"]) < unit:
            of = "config.pack" if config.accumulate == 1 else "config.pack * accumulate"
            raise UsageError(
                f"{of}={unit} is larger than the held-out data: "
                f"{len(held_out['x']):,} examples"
            )
    return dataset


def _refuse_for_streams(config):
    """Raises UsageError for what data that are read while it trains cannot do."""
    if config.steps_per_dispatch > 1:
        raise UsageError(
            f"config.steps_per_dispatch={config.steps_per_dispatch}, but data that are "
            "read while it trains come step by step; leave it at 0"
        )
    if config.d_steps_long:
        raise UsageError(
            f"config.d_steps_long={config.d_steps_long}, but data that are read while "
            "it trains come with as many minibatches in each step; leave it at ()"
        )
