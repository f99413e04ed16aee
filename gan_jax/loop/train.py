"""The loop: data -> train_step -> log, pictures, checkpoints."""

import contextlib
import functools
import time
from pathlib import Path

import jax
import numpy as np

from gan_jax import memory
from gan_jax.build import build, initial_state
from gan_jax.config.validation import validate
from gan_jax.data.feed import make_feed
from gan_jax.data.labels import describe
from gan_jax.data.loading import load_training_data
from gan_jax.data.stream import Records
from gan_jax.errors import DivergedError, Interrupted, UsageError
from gan_jax.init_from import first_state
from gan_jax.loop import clock, divergence, multihost, parallel
from gan_jax.loop.checkpoint import restore, saved_steps
from gan_jax.loop.dispatch import make_dispatch
from gan_jax.loop.log import Progress, say
from gan_jax.loop.observe import Observer, copied, mend_pictures
from gan_jax.loop.signals import Signals
from gan_jax.loop.storage import told_in_one_line
from gan_jax.loop.workdir import (
    claim,
    forget_after,
    read_record,
    refuse_another_run,
    refuse_other_data,
    write_record,
)
from gan_jax.networks import has_batch_norm
from gan_jax.paths import readable
from gan_jax.state import TrainState


def train(
    config, workdir, experiment: str = "custom", began: float | None = None
) -> TrainState:
    """Trains `config` to config.steps, from the newest checkpoint in `workdir` if any.

    began: the `time.time` that the run's times are counted from; None: now

    On the devices of `parallel.data_mesh`, which divide the minibatches. Raises
    UsageError before anything is written where the run cannot be made; DivergedError
    when a loss is no longer finite, unless config.on_divergence goes back; Interrupted
    after SIGINT, SIGTERM or SIGHUP, with the state saved; StorageError where the work
    directory can no longer be written; MemoryExhausted where memory is not enough.
    """
    began = time.time() if began is None else began
    validate(config)
    workdir = readable(Path(workdir))
    refuse_another_run(workdir, config, experiment)
    mesh = parallel.data_mesh(config)
    _refuse_on_several_hosts(config)
    divergence.refuse_what_cannot_go_back(config)
    dataset, built = prepare(config)
    # refuses a size that a network cannot make
    like = jax.eval_shape(functools.partial(initial_state, config, built))
    with (
        multihost.ends_with_the_job(),
        told_in_one_line(workdir),
        claim(workdir) if multihost.is_chief() else contextlib.nullcontext(),
    ):
        refuse_another_run(workdir, config, experiment)  # one that came in between
        refuse_other_data(workdir, dataset.info)
        state, resumes = _newest(config, built, workdir, like, mesh)
        step = int(state.step)
        announce(config, dataset, state, parallel.describe(mesh, config))
        how = f"resumes from step {step:,}" if resumes else "starts fresh"
        say(f"work directory: {workdir}, {how}")
        if step >= config.steps:
            say(f"already trained to step {step:,}; a larger --config.steps trains on")
            if multihost.is_chief():
                mend_pictures(config, built, dataset, workdir, experiment, step)
            return state
        of_run = config, built, dataset, workdir, experiment
        state = _train_on(*of_run, mesh, like, state, began)
    if multihost.is_chief():
        from gan_jax.diagnosis import in_a_line  # at the end, and not at every start

        say(in_a_line(workdir, built))
        took = clock.said(workdir, config.steps)
        say(f"done: {config.steps:,} steps, in {workdir}{took}")
    return state


def _train_on(config, built, dataset, workdir, experiment, mesh, like, state, began):
    """Trains from `state` to config.steps; goes back where the config says so."""
    step = int(state.step)
    divergences = divergence.known_before(read_record(workdir), step)
    if config.on_divergence == "halve_rates":
        schedule = divergence.scaling_rates(built.schedule, config)
        built = built._replace(schedule=schedule)
    dispatch = make_dispatch(config, built, dataset, mesh)
    times = clock.Clock(workdir, step, began)
    while True:
        factor = divergence.rate_factor(config, divergences)
        if multihost.is_chief():
            begin(workdir, config, experiment, dataset, step or None, divergences)
        multihost.wait_for_all("the work directory is ready")
        of_run = config, built, dataset, workdir, experiment
        observer = Observer(*of_run, step, factor, times)
        state = divergence.with_rates(state, config, factor)
        state = parallel.everywhere(state, mesh)
        try:
            with contextlib.closing(make_feed(config, dataset, mesh)) as feed:
                return run_steps(config, dispatch, feed, state, observer)
        except DivergedError as error:
            failed = error
        state, _ = _newest(config, built, workdir, like, mesh)
        step = int(state.step)
        divergences = divergence.after(failed, config, divergences, step)
        factor = divergence.rate_factor(config, divergences)
        say(f"{failed}; on from step {step:,} with {factor:g} of the learning rates")


def _newest(config, built, workdir, like, mesh):
    """The state that a run goes on from, and whether it is a saved one."""
    saved = saved_steps(workdir / "checkpoints")
    multihost.refuse_other_steps(max(saved, default=0))
    if not saved:
        return first_state(config, built), False
    state = restore(workdir / "checkpoints", like, mesh=mesh)
    multihost.refuse_other_steps(int(state.step))  # one may have found damage
    return state, True


def _refuse_on_several_hosts(config):
    """Raises UsageError for what one process of a job would do alone."""
    if jax.process_count() == 1:
        return
    if config.best != "none":
        raise UsageError(
            f"config.best={config.best}: of a job on several hosts one evaluates, but "
            "all of them save; leave it at none"
        )
    if config.on_divergence != "stop":
        raise UsageError(
            f"config.on_divergence={config.on_divergence}: a job on several hosts does "
            "not go back; leave it at stop"
        )


def prepare(config):
    """The data set and the functions of an experiment, once they are seen to fit."""
    dataset = load_training_data(config)
    built = build(config, dataset.info, dataset.mean)
    _refuse_unlabelled(config, dataset, built.game)
    if config.evaluate_every or config.evaluate_metrics or config.best != "none":
        from gan_jax.metrics import choice  # half a second, which other runs gain

        choice.refuse(config, dataset, built.game)
    return dataset, built


def _refuse_unlabelled(config, dataset, game):
    """Raises UsageError for data whose minibatches, drawn anew, come without labels."""
    if "y" not in game.given or isinstance(dataset.arrays, Records):
        return
    rows = np.zeros((config.batch_size * len(dataset.sizes),), np.int32)
    key = jax.random.key(0)
    batch = jax.eval_shape(dataset.view, dict(dataset.arrays), rows, key)
    if "y" not in batch:
        raise UsageError(
            f"game {config.game.name} is played with labels, but data "
            f"{config.data.name} draw every minibatch anew, without them"
        )


def announce(config, dataset, state, devices: str) -> None:
    """Says what is trained, and on what."""

    def parameters(player):
        size = sum(leaf.size for leaf in jax.tree.leaves(player.params))
        return f"{size:,} parameters"

    shape = "x".join(map(str, dataset.info["shape"]))
    say(f"data: {config.data.name}, {dataset.size:,} examples of {shape}")
    for note in dataset.notes:
        say(f"note: {note}")
    if dataset.other:
        say(f"other data: {config.other.name}, {dataset.other.size:,} examples")
    for info in (dataset.info, dataset.info.get("other", {})):
        if info.get("classes"):
            say(f"labels: {describe(tuple(info['classes']))}")
            break
    say(
        f"generator: {config.generator.name}, {parameters(state.g)}; "
        f"discriminator: {config.discriminator.name}, {parameters(state.d)}"
    )
    if config.accumulate > 1:
        stats = state.d.stats, state.g.stats
        norm = "; batch norm is of one part" if any(map(has_batch_norm, stats)) else ""
        n = config.batch_size // config.accumulate
        say(f"minibatches: in {config.accumulate} parts, of {n} examples each{norm}")
    if len(jax.devices()) > 1:
        say(f"devices: {devices}")


def begin(workdir, config, experiment, dataset, step, divergences=()) -> None:
    """Makes the work directory that of this run; `step`: where it goes on, or None.

    divergences: those after which it went back before that step
    """
    forget_after(workdir, step)
    write_record(workdir, config, experiment, dataset.info, divergences)


def run_steps(config, dispatch, feed, state, observer, members=1, own=copied):
    """Trains to config.steps, with an observer that shows, logs and saves on the way.

    own: what the observer asks for when it wants the state: (state, ...) -> a copy

    What a dispatch leaves to be seen and saved is computed on the device at once, and
    read, drawn and written while the device is busy with the next one.
    """
    step = observer.step
    examples = config.batch_size * config.d_steps * members
    with (
        memory.noted(lambda: f"near step {step:,}"),
        Signals() as signals,  # until all is written
        observer,
        Progress(step, config.steps, examples) as progress,
        multihost.ends_with_the_job(),  # before the others are left, which would wait
    ):
        start, signal, metrics, unseen = step, None, None, []

        def look(step, last):
            if not observer.due(step, last):
                return lambda: None
            finish = observer.look(step, functools.partial(own, state), last)
            seen = list(unseen)
            unseen.clear()

            def finish_and_show():
                if logged := finish(jax.device_get(seen)):
                    progress.update(step, logged)

            return finish_and_show

        finish = look(0, last=False) if step == 0 else lambda: None
        while step < config.steps and signal is None and not observer.over:
            ends = [every * (step // every + 1) for every in observer.every]
            ends += [end for end in dispatch.ends if end > step]
            stop = min([config.steps, step + dispatch.most, *ends])
            before = metrics
            state, metrics = dispatch.run(state, feed, step, stop)
            unseen.append((step, stop, metrics))
            finish()
            jax.block_until_ready(before)  # at most two dispatches are under way
            if step == start:
                jax.block_until_ready(metrics)
                progress.compiled(stop)
            step = stop
            signal = signals.received(step)  # asked once: it may come at any time
            finish = look(step, step == config.steps or signal is not None)
        finish()
        if signal is not None and step < config.steps:
            raise Interrupted(
                signal,
                f"interrupted and saved at step {step:,}; the same command goes on",
            )
    return state
