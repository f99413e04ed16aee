"""The metrics of `gan_jax.evaluate` while a run trains, and its best state."""

import functools
from pathlib import Path

from gan_jax.errors import DivergedError, NotFiniteError, UsageError
from gan_jax.loop.checkpoint import save_alone, saved_steps
from gan_jax.metrics import choice, judge
from gan_jax.metrics.case import Case, Learned, Real
from gan_jax.metrics.features import load_features
from gan_jax.metrics.modes import known_modes
from gan_jax.metrics.modes import perfect as modes_of_the_data
from gan_jax.metrics.protocol import append, read
from gan_jax.metrics.real import to_translate
from gan_jax.metrics.stacked import perfect as triples_of_the_data
from gan_jax.metrics.translation import translated
from gan_jax.run import Run
from gan_jax.watches import Watch


def make_evaluation(config, built, dataset, workdir: Path, experiment) -> Watch | None:
    """The metrics that the config asks for; None where `evaluate_every` is 0.

    What is measured goes to evaluation.jsonl as well, with its protocol; the samples
    are those that the command would draw with seed 0. Where `config.best` improves, the
    state is kept in the folder best.
    """
    if not config.evaluate_every:
        return None
    names = choice.chosen(config, dataset.info, built.game)
    n = choice.sample_size(config, dataset.info)
    shape = dataset.info["shape"]
    network = load_features(choice.features_for(shape)) if len(shape) == 3 else None
    split = config.data.get("split", "train")
    reference = Real.of(config, built.scaling, split, dataset.info, dataset.arrays)
    modes = known_modes(dataset.info)

    @functools.cache
    def held_out():
        name = config.data.validation_split
        return Real.of(config, built.scaling, name, dataset.info, dataset.validation)

    lend = None if dataset.validation is None else held_out

    @functools.cache
    def to_be_translated():
        entry, sets = to_translate(config), dataset.sets(dataset.validation)
        info = dataset.info["other"] if entry == "other" else dataset.info
        of_set = config[entry].validation_split, info, sets[-1], entry
        return Real.of(config, built.scaling, *of_set)

    def draw(run):
        """Samples, the labels asked for, and what they were made of, or None."""
        if not built.game.translate:
            return run.sample(n), run.labels(n), None
        shown = translated(run, to_be_translated(), n)
        return shown.made, shown.asked(dataset.info["classes"]), shown

    def measure(state):
        run = Run(workdir, config, state, built)
        try:
            samples, asked, shown = draw(run)
        except UsageError as error:  # they overflow, before a loss or parameter does
            raise DivergedError(f"diverged: {error}") from None
        case = Case(
            *(samples, network, reference, lend, lend, modes),
            asked=asked,
            learned=Learned.of(run),
            translated=shown,
        )
        about = judge.about(run, experiment, inputs=shown and shown.name)
        try:
            judged = [found for found, _ in judge.judge(case, names, **about)]
        except NotFiniteError as error:  # of samples that are so large
            raise DivergedError(f"diverged: {error}") from None
        values = {}
        for name, found in zip(names, judged, strict=True):
            if name == config.best and _improves(found, workdir, config):
                save_alone(workdir / "best", state)
            append(workdir, found)
            values |= found.values
        return values

    perfect = {name: None for metric in names for name in choice.drawn(metric, network)}
    if "modes" in names:
        perfect |= modes_of_the_data(modes, n)
    if "stacked_modes" in names:
        perfect |= triples_of_the_data(n)
    return Watch(config.evaluate_every, lambda state: state, measure, perfect)


def _improves(found, workdir, config):
    """Whether the state that is kept, if one is, was measured to be worse."""
    name, value = next(iter(found.values.items()))
    kept = saved_steps(workdir / "best")
    earlier = [
        other.values[name]
        for other in read(workdir)
        if other.protocol == found.protocol and other.step in kept
    ]
    better = choice.BETTER[config.best]
    return not earlier or value == better([value, *earlier])
