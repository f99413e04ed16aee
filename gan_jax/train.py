"""The loop: data -> train_step -> log, pictures, checkpoints."""

import contextlib
import functools
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import build
from gan_jax.checkpoint import Checkpoints, restore, saved_steps
from gan_jax.dispatch import make_dispatch
from gan_jax.errors import DivergedError, Interrupted, UsageError
from gan_jax.log import Album, MetricLog, Progress, say, write_curves
from gan_jax.painters import make_painter
from gan_jax.signals import Signals
from gan_jax.state import TrainState
from gan_jax.validation import validate
from gan_jax.watches import make_watches
from gan_jax.workdir import (
    claim,
    forget_after,
    refuse_another_run,
    write_record,
)


def train(config, workdir, experiment: str = "custom") -> TrainState:
    """Trains `config` to config.steps, from the newest checkpoint in `workdir` if any.

    Raises UsageError before anything is written where the run cannot be made;
    DivergedError when a loss is no longer finite; Interrupted after SIGINT or SIGTERM,
    with the state saved.
    """
    validate(config)
    workdir = Path(workdir)
    refuse_another_run(workdir, config, experiment)
    dataset = build.load_dataset(config)
    if config.batch_size > dataset.size:
        raise UsageError(
            f"config.batch_size={config.batch_size} is larger than the data: "
            f"{dataset.size:,} examples"
        )
    if dataset.validation and len(dataset.validation["x"]) < config.pack:
        raise UsageError(
            f"config.pack={config.pack} is larger than the held-out data: "
            f"{len(dataset.validation['x']):,} examples"
        )
    if config.evaluate_every or config.best != "none":
        from gan_jax.metrics import judge  # half a second, which other runs gain

        judge.refuse(config, dataset)
    shape = tuple(dataset.info["shape"])
    built = build.build(config, shape, dataset.mean)
    init = functools.partial(build.initial_state, config, built, shape)
    like = jax.eval_shape(init)  # refuses a size that a network cannot make
    with claim(workdir):
        refuse_another_run(workdir, config, experiment)  # one that came in between
        resumes = bool(saved_steps(workdir / "checkpoints"))
        state = restore(workdir / "checkpoints", like) if resumes else init()
        _announce(config, dataset, state, workdir, resumes)
        if int(state.step) >= config.steps:
            done = f"already trained to step {int(state.step):,}"
            say(f"{done}; a larger --config.steps trains on")
            return state
        forget_after(workdir, int(state.step) if resumes else None)
        write_record(workdir, config, experiment, dataset.info)
        return _loop(config, workdir, experiment, dataset, built, state)


def _announce(config, dataset, state, workdir, resumes):
    def parameters(player):
        size = sum(leaf.size for leaf in jax.tree.leaves(player.params))
        return f"{size:,} parameters"

    shape = "x".join(map(str, dataset.info["shape"]))
    say(f"data: {config.data.name}, {dataset.size:,} examples of {shape}")
    say(
        f"generator: {config.generator.name}, {parameters(state.g)}; "
        f"discriminator: {config.discriminator.name}, {parameters(state.d)}"
    )
    how = f"resumes from step {int(state.step):,}" if resumes else "starts fresh"
    say(f"work directory: {workdir}, {how}")


def _loop(config, workdir, experiment, dataset, built, state):
    """Trains to config.steps; shows, logs and saves on the way.

    What a dispatch leaves to be seen and saved is computed on the device at once, and
    read, drawn and written while the device is busy with the next one.
    """
    view_key, sample_key, held_out_key = jax.random.split(build.loop_key(config), 3)
    dispatch = make_dispatch(config, built, dataset, view_key)
    painter = make_painter(config, built, dataset, sample_key)
    watches = make_watches(
        config, built, dataset, held_out_key, sample_key, workdir, experiment
    )
    perfect = {name: v for watch in watches for name, v in watch.perfect.items()}
    every = [config.log_every, config.sample_every, config.checkpoint_every]
    every += [watch.every for watch in watches]
    step = int(state.step)
    with (
        Checkpoints(workdir / "checkpoints", step) as checkpoints,
        MetricLog(workdir, step) as log,
        Album(workdir, step) as album,
        Progress(step, config.steps, config.batch_size * config.d_steps) as progress,
        Signals() as signals,
        contextlib.ExitStack() as leaving,
    ):
        leaving.callback(write_curves, workdir, built.loss, perfect)
        unchecked = []

        def look(step, state, last):
            """Queues on the device what step's end is due; () -> None does the rest."""

            def due(interval):
                return step > 0 and step % interval == 0

            logs = due(config.log_every)
            looking = [watch for watch in watches if due(watch.every)]
            paints = step % config.sample_every == 0 or step == config.steps
            saves = due(config.checkpoint_every) or last
            seen = list(unchecked) if logs or looking or paints or saves else []
            del unchecked[: len(seen)]
            finite = _is_finite(state) if looking or paints or saves else True
            watched = [(watch.read, watch.compute(state)) for watch in looking]
            samples = painter.sample(state) if paints else None
            saved = _copy(state) if saves else None

            def finish():
                metrics = _finite_metrics(seen, checkpoints)
                if not finite:
                    # the losses of a step tell of the parameters before it, not after
                    what = f"a parameter is not finite after step {step:,}"
                    _diverged(what, checkpoints)
                row = metrics if logs else {}
                if logs:
                    progress.update(step, metrics)
                for read, values in watched:
                    row = row | read(values)
                if row:
                    log.write(step, row)
                if paints:
                    picture = painter.paint(samples)
                    album.add(step, picture)
                    if step:
                        log.add_picture(step, picture)
                if saves:
                    checkpoints.save(saved)
                if saves and not last:  # the last curves are drawn on leaving
                    write_curves(workdir, built.loss, perfect)

            return finish

        finish = look(0, state, last=False) if step == 0 else lambda: None
        start, signal, metrics = step, None, None
        while step < config.steps and signal is None:
            stop = min([config.steps, step + dispatch.most, *_next(step, every)])
            before = metrics
            state, metrics = dispatch.run(state, step, stop)
            unchecked.append((step, stop, metrics))
            finish()
            jax.block_until_ready(before)  # at most two dispatches are under way
            if step == start:
                jax.block_until_ready(metrics)
                progress.compiled(stop)
            step = stop
            signal = signals.received  # asked once: it may come at any time
            finish = look(step, state, step == config.steps or signal is not None)
        finish()
        if signal is not None and step < config.steps:
            raise Interrupted(
                signal,
                f"interrupted and saved at step {step:,}; the same command goes on",
            )
    say(f"done: {config.steps:,} steps, in {workdir}")
    return state


def _next(step, intervals):
    """The next multiple of each interval after `step`."""
    return [interval * (step // interval + 1) for interval in intervals]


@jax.jit
def _copy(state):
    """The state in buffers of its own, which the next dispatch does not take over."""
    return jax.tree.map(jnp.copy, state)


def _finite_metrics(seen, checkpoints):
    """The newest of the metrics on the host, once all of them are seen finite."""
    newest = {}
    for start, stop, metrics in jax.device_get(seen):
        columns = {name: np.ravel(v)[: stop - start] for name, v in metrics.items()}
        for i in range(stop - start):
            for name in sorted(columns, key=lambda name: "loss" not in name):
                value = columns[name][min(i, len(columns[name]) - 1)]
                if not math.isfinite(value):
                    what = f"{name} became {value} at step {start + i + 1:,}"
                    _diverged(what, checkpoints)
        newest = {name: float(column[-1]) for name, column in columns.items()}
    return newest


@jax.jit
def _is_finite(state):
    """Whether every number of the state is finite: one program, one answer."""
    leaves = jax.tree.leaves(state)
    floats = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.stack([jnp.isfinite(x).all() for x in floats]).all()


def _diverged(what, checkpoints):
    step = checkpoints.latest
    saved = "none" if step is None else f"step {step:,}"
    raise DivergedError(f"diverged: {what}; last good checkpoint: {saved}")
