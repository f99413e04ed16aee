"""The loop: data -> train_step -> log, pictures, checkpoints."""

import contextlib
import functools
import math
from pathlib import Path

import jax
import jax.numpy as jnp

from gan_jax import build
from gan_jax.checkpoint import Checkpoints, restore, saved_steps
from gan_jax.data.stream import minibatch_indices
from gan_jax.errors import DivergedError, Interrupted, UsageError
from gan_jax.log import Album, MetricLog, Progress, say, write_curves
from gan_jax.signals import Signals
from gan_jax.state import TrainState
from gan_jax.train_step import make_train_step, make_turns, turn_keys
from gan_jax.validation import validate
from gan_jax.watch import make_held_out, make_painter
from gan_jax.workdir import claim, refuse_another_run, write_record

# More updates of D than these are dispatched one by one: unrolled into one program they
# would compile for minutes.
_MAX_UNROLLED = 8


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
        write_record(workdir, config, experiment, dataset.info)
        return _loop(config, workdir, dataset, built, state)


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


def _loop(config, workdir, dataset, built, state):
    """Trains to config.steps; shows, logs and saves on the way."""
    view_key, sample_key, held_out_key = jax.random.split(build.loop_key(config), 3)
    dispatch = _make_dispatch(config, built, dataset, view_key)
    paint = make_painter(config, built, dataset, sample_key)
    held_out = make_held_out(config, built, dataset, held_out_key)
    start = int(state.step)
    with (
        Checkpoints(workdir / "checkpoints", start) as checkpoints,
        MetricLog(workdir, start) as log,
        Album(workdir, start) as album,
        Progress(start, config.steps, config.batch_size * config.d_steps) as progress,
        Signals() as signals,
        contextlib.ExitStack() as leaving,
    ):
        leaving.callback(write_curves, workdir, built.loss)
        if start == 0:
            album.add(0, paint(state))
        unchecked = []
        for step in range(start + 1, config.steps + 1):
            state, metrics = dispatch(state, step - 1)
            if step == start + 1:
                jax.block_until_ready(metrics)
                progress.compiled(step)
            unchecked.append((step, metrics))
            signal = signals.received  # asked once: it may come at any time
            last = step == config.steps or signal is not None
            logs = step % config.log_every == 0
            validates = held_out is not None and step % config.validate_every == 0
            paints = step % config.sample_every == 0 or step == config.steps
            saves = step % config.checkpoint_every == 0 or last
            if not (logs or validates or paints or saves):
                continue
            metrics = _finite_metrics(unchecked, checkpoints)
            if logs:
                progress.update(step, metrics)
            with progress.pause():
                if validates or paints or saves:
                    _require_finite(state, checkpoints)
                row = (metrics if logs else {}) | (held_out(state) if validates else {})
                if row:
                    log.write(step, row)
                if paints:
                    picture = paint(state)
                    album.add(step, picture)
                    log.add_picture(step, picture)
                if saves:
                    checkpoints.save(state)
                if saves and not last:  # the last curves are drawn on leaving
                    write_curves(workdir, built.loss)
            if signal is not None and step < config.steps:
                raise Interrupted(
                    signal,
                    f"interrupted and saved at step {step:,}; the same command goes on",
                )
    say(f"done: {config.steps:,} steps, in {workdir}")
    return state


def _finite_metrics(unchecked, checkpoints):
    """The newest of the metrics on the host, once all of them are seen finite."""
    for step, metrics in jax.device_get(unchecked):
        for name in sorted(metrics, key=lambda name: "loss" not in name):
            if not math.isfinite(metrics[name]):
                what = f"{name} became {metrics[name]} at step {step:,}"
                _diverged(what, checkpoints)
    unchecked.clear()
    return {name: float(value) for name, value in metrics.items()}


@jax.jit
def _is_finite(state):
    """Whether every number of the state is finite: one program, one answer."""
    leaves = jax.tree.leaves(state)
    floats = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.stack([jnp.isfinite(x).all() for x in floats]).all()


def _require_finite(state, checkpoints):
    # the losses of a step tell of the parameters before it, not after
    if not _is_finite(state):
        where = f"a parameter is not finite after step {int(state.step):,}"
        _diverged(where, checkpoints)


def _diverged(what, checkpoints):
    step = checkpoints.latest
    saved = "none" if step is None else f"step {step:,}"
    raise DivergedError(f"diverged: {what}; last good checkpoint: {saved}")


def _make_dispatch(config, built, dataset, key):
    """(state, step) -> (state, metrics): the training step on its minibatches.

    The whole data set lies on the device; only indices travel.
    """
    k, n, size = config.d_steps, config.batch_size, dataset.size
    parts = built.game, built.d_tx, built.g_tx, built.schedule
    arrays = jax.device_put(dataset.arrays)

    def batch_of(arrays, indices, step, j):
        view_key = jax.random.fold_in(jax.random.fold_in(key, step), j)
        return dataset.view(arrays, indices, view_key)

    def indices(step):
        return minibatch_indices(config.seed, step * k, k, n, size)

    if k <= _MAX_UNROLLED:
        train_step = make_train_step(*parts, config.turns, config.g_steps)

        @functools.partial(jax.jit, donate_argnums=0)
        def whole(state, arrays, indices):
            rows = [batch_of(arrays, indices[j], state.step, j) for j in range(k)]
            return train_step(
                state, jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
            )

        return lambda state, step: whole(state, arrays, indices(step))

    def compiled(turn):
        def on_minibatch(state, arrays, indices, key, j):
            return turn(state, batch_of(arrays, indices, state.step, j), key)

        return jax.jit(on_minibatch, donate_argnums=0)

    d_turn, g_turn = map(compiled, make_turns(*parts))

    def by_turns(state, step):
        rows = indices(step)
        keys = turn_keys(state, k + config.g_steps)
        for j in range(k):
            state, d_metrics = d_turn(state, arrays, rows[j], keys[j], j)
        for j in range(k, k + config.g_steps):
            state, g_metrics = g_turn(state, arrays, rows[-1], keys[j], k - 1)
        return state.replace(step=state.step + 1), d_metrics | g_metrics

    return by_turns
