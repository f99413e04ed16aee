"""The real data of a trained run, of whichever split, to judge its samples against."""

from gan_jax.config.files import from_json, to_json
from gan_jax.data.loading import load_dataset
from gan_jax.data.source import overlap, parse_split
from gan_jax.errors import UsageError
from gan_jax.metrics.case import Real
from gan_jax.run import Run


def real_examples(run: Run, split: str | None = None, entry: str = "data") -> Real:
    """The examples of a run's data, of another split than its own if one is given.

    Of its own they are those that it was trained on; of another one, all.

    entry: of its config, "data" or "other"
    """
    values = to_json(run.config)
    other = values.pop("other", None)
    values["data"] = other if entry == "other" else values["data"]
    values["data"].pop("validation_split", None)
    if split is not None:
        parse_split(split)
        values["data"]["split"] = split
        values["data"].pop("per_class", None)
    dataset = load_dataset(from_json(values))
    used = values["data"].get("split", "train")
    info = run.info["other"] if entry == "other" else run.info
    if dataset.info.get("alphabet") != info.get("alphabet"):
        raise UsageError(
            f"{run.workdir} was trained on text of other characters than "
            f"config.{entry} names now"
        )
    of_set = used, info, dataset.arrays, entry
    return Real.of(run.config, run.built.scaling, *of_set)


def held_out(run: Run, split: str | None = None, entry: str = "data") -> Real:
    """Examples that a run was not trained on: of `split`, or of those that there are.

    Raises UsageError for a split that it was trained on.

    entry: as in `real_examples`
    """
    used = run.config[entry].get("split", "train")
    kept = run.config[entry].get("validation_split")
    asked = split or "test"
    try:
        if overlap(asked, used):
            raise UsageError(
                f"{asked} shares examples with config.{entry}.split={used}, what the "
                "run was trained on"
            )
        return real_examples(run, asked, entry)
    except UsageError as error:
        if kept and not split:
            return real_examples(run, kept, entry)
        said = f"held-out data: {error}; --held_out names another split"
        raise UsageError(said) from None


def to_translate(config) -> str:
    """The entry of the config whose examples a game that translates translates."""
    return "other" if "other" in config else "data"
