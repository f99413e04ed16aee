"""What a run measures beside its training. A file for each kind of watch."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Watch(NamedTuple):
    """every:   steps from one look to the next
    compute: state -> values on the device
    read:    values -> metrics as numbers, by name
    perfect: what a G that draws from the data itself would get, of those metrics of
             which this is known; of others that are to be drawn, None
    """

    every: int
    compute: Callable[[Any], Any]
    read: Callable[[Any], dict[str, float]]
    perfect: dict[str, float | None] = {}  # noqa: RUF012 - never changed


def make_watches(
    config, built, dataset, key, sample_key, workdir, experiment
) -> list[Watch]:
    """All that there is to be watched; `sample_key` is the painter's."""
    from gan_jax.metrics.choice import chosen
    from gan_jax.watches.classes import make_class_watch
    from gan_jax.watches.evaluation import make_evaluation
    from gan_jax.watches.held_out import make_held_out
    from gan_jax.watches.modes import make_mode_watch
    from gan_jax.watches.players import make_classification, make_clusters

    evaluated = (
        chosen(config, dataset.info, built.game) if config.evaluate_every else ()
    )
    watches = [
        make_held_out(config, built, dataset, key),
        make_evaluation(config, built, dataset, workdir, experiment),
    ]
    # what is evaluated under these names is not to be watched under them, too
    if "modes" not in evaluated:
        watches.append(make_mode_watch(config, built, dataset, sample_key))
    if "classes" not in evaluated:
        watches.append(make_class_watch(config, built, dataset, sample_key))
    if "classification" not in evaluated:
        watches.append(make_classification(config, built, dataset))
    if "clusters" not in evaluated:
        watches.append(make_clusters(config, built, dataset))
    return [watch for watch in watches if watch is not None]
