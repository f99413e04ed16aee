"""The metrics of `gan_jax.evaluate` while a run trains, and its best state."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp

from gan_jax import build
from gan_jax.checkpoint import save_alone
from gan_jax.errors import UsageError
from gan_jax.metrics import judge
from gan_jax.metrics.features import load_features
from gan_jax.metrics.modes import known_modes
from gan_jax.metrics.protocol import append, read
from gan_jax.run import Run
from gan_jax.watches import Watch


def make_evaluation(config, built, dataset, workdir: Path, experiment) -> Watch | None:
    """The metrics that the config asks for; None where `evaluate_every` is 0.

    What is measured goes to evaluation.jsonl as well, with its protocol; the samples
    are those that the command would draw with seed 0. Where `config.best` improves, the
    state is kept in the folder best.
    """
    _refuse(config)
    if not config.evaluate_every:
        return None
    names = config.evaluate_metrics or judge.suited(config, dataset.info)
    n = config.evaluate_samples or judge.sample_size(config, dataset.info)
    scaling = build.bind("scaling", config.scaling)()
    shape = dataset.info["shape"]
    network = load_features(judge.features_for(shape)) if len(shape) == 3 else None
    split = config.data.get("split", "train")
    reference = judge.Real.of(config, split, dataset, dataset.arrays)
    kept = None
    if dataset.validation is not None:
        name = config.data.validation_split
        kept = judge.Real.of(config, name, dataset, dataset.validation)
    lend = functools.partial(lambda real: real, kept) if kept else None
    copy = jax.jit(functools.partial(jax.tree.map, jnp.copy))

    def measure(state):
        run = Run(workdir, config, state, built.game, built.loss, dataset.info, scaling)
        case = judge.Case(
            run.sample(n), network, reference, lend, lend, known_modes(dataset.info)
        )
        about = judge.about(run, experiment)
        values = {}
        for name, (found, _) in zip(
            names, judge.judge(case, names, **about), strict=True
        ):
            if name == config.best and _improves(found, workdir, config):
                save_alone(workdir / "best", state)
            append(workdir, found)
            values |= found.values
        return values

    perfect = {name: None for metric in names for name in judge.drawn(metric, network)}
    return Watch(config.evaluate_every, copy, measure, perfect, at_start=True)


def _refuse(config):
    judge.require_metrics(config.evaluate_metrics)
    if config.best == "none":
        return
    if config.best not in judge.BETTER:
        accepted = build.nearest(config.best, [*judge.BETTER, "none"])
        raise UsageError(f"config.best={config.best}; {accepted}")
    if not config.evaluate_every:
        raise UsageError(f"config.best={config.best} needs config.evaluate_every")
    if config.evaluate_metrics and config.best not in config.evaluate_metrics:
        raise UsageError(
            f"config.best={config.best} is not among config.evaluate_metrics: "
            f"{', '.join(config.evaluate_metrics)}"
        )


def _improves(found, workdir, config):
    """Whether no earlier evaluation of this training was better."""
    name, value = next(iter(found.values.items()))
    earlier = [
        other.values[name]
        for other in read(workdir)
        if other.protocol == found.protocol
        and other.step < found.step
        and other.step % config.evaluate_every == 0
    ]
    better = judge.BETTER[config.best]
    return not earlier or value == better([value, *earlier])
