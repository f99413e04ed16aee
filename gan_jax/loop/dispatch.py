"""Training steps as compiled programs: what is sent to the devices at a time.

The one place that knows which backend wants what. A data set that fits lies on the
devices; only the numbers of the examples travel.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data.stream import Records
from gan_jax.errors import UsageError
from gan_jax.lazy_turns import make_lazy_turns, with_lazy_turns
from gan_jax.loop import parallel
from gan_jax.loop.compiler import compiled, convolutions
from gan_jax.pace import Pace
from gan_jax.train_step import (
    algorithm_1,
    count,
    make_train_step,
    turn_keys,
)
from gan_jax.turns import make_turns

# More updates of D than these are dispatched one by one: unrolled into one program they
# would compile for minutes.
_MAX_UNROLLED = 8
_MOST_STEPS = 100


class Dispatch(NamedTuple):
    """run:      (state, feed, start, stop) -> (state, metrics): the steps after `start`
              up to `stop`, on the minibatches of the feed; takes over the buffers of
              `state`. Leaves of `metrics` are scalars, or arrays that begin with one
              value a step; the losses come with every step, all metrics with those that
              are logged.
    most:     steps that one call may take
    programs: (state, feed) -> [(program, arguments, times)], what one step runs:
              functions that are called and lowered as those of `jax.jit`, and how
              often each is called, less than once where it is not in every step
    ends:     steps that no call may pass, but only come to
    """

    run: Callable
    most: int
    programs: Callable
    ends: tuple[int, ...] = ()


def make_dispatch(config, built, dataset, mesh, population=False) -> Dispatch:
    """The training steps of an experiment on the devices of `mesh`.

    population: whether leaves of the state, of the feed's indices and key, and of the
                metrics begin with an axis of members, which train side by side; one
                whose loss is no longer finite stays as it was before that update
    """

    def of(game):
        return _of_game(game, config, built, dataset, mesh, population)

    if not built.game.phases:
        return of(built.game)
    phases = [(first, of(game)) for first, game in built.game.phases]

    def run(state, feed, start, stop):
        current = [dispatch for first, dispatch in phases if first <= start][-1]
        return current.run(state, feed, start, stop)

    ends = tuple(first for first, _ in phases)
    return phases[-1][1]._replace(run=run, ends=ends)


def _of_game(game, config, built, dataset, mesh, population) -> Dispatch:
    """The training steps of one game, which is the same all through."""
    k, pace = config.d_steps, Pace.of(config)
    parts = game, built.d_tx, built.g_tx, built.schedule

    def batch_of(arrays, indices, key, step, j):
        view_key = jax.random.fold_in(jax.random.fold_in(key, step), j)
        if indices is None:  # the examples themselves
            arrays = jax.tree.map(lambda leaf: leaf[j], arrays)
        else:
            indices = indices[j]
        return parallel.spread(dataset.view(arrays, indices, view_key))

    def lift(program, *in_axes):
        if not population:
            return program
        return jax.vmap(program, in_axes, spmd_axis_name="member")

    guarded = frozen_once_diverged if population else lambda step: step
    turns_of_a_step = len(algorithm_1(max(k, pace.long), config.g_steps))
    lazy = make_lazy_turns(*parts, turns_of_a_step)

    def afterwards(turn):
        """A lazy turn as a program of its own, on the last minibatch of its step."""

        def on_minibatch(state, arrays, indices, key):
            last = count(arrays if indices is None else indices) - 1
            batch = batch_of(arrays, indices, key, state.step - 1, last)
            return parallel.replicated(turn(state, batch))

        return compiled(lift(on_minibatch, 0, None, 0, 0))

    by_itself = [(every, afterwards(guarded(turn))) for every, turn in lazy]
    if k > _MAX_UNROLLED or not pace.steady:
        turns = {name: guarded(turn) for name, turn in make_turns(*parts).items()}
        take, programs = _by_turns(turns, batch_of, lift, pace, config.g_steps)
        return _single_steps(take, programs, by_itself, mesh)

    def step_of(train_step):
        def step(state, arrays, indices, key):
            rows = [batch_of(arrays, indices, key, state.step, j) for j in range(k)]
            batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
            return parallel.replicated(train_step(state, batch))

        return guarded(step)

    train_step = make_train_step(*parts, config.turns, config.g_steps)
    most = _steps_per_dispatch(config, isinstance(dataset.arrays, Records))
    if most == 1:
        # a convolution inside of a condition is slow on CPU, as inside of a loop
        take, programs = _one_by_one(step_of(train_step), lift, config.log_every)
        return _single_steps(take, programs, by_itself, mesh)
    # a lazy turn's loss that is not finite shows in the next step's
    return _many(step_of(with_lazy_turns(train_step, lazy)), lift, mesh, k, most)


def _steps_per_dispatch(config, streams):
    """How many steps one program takes; one, where their data are read meanwhile."""
    if streams or config.steps_per_dispatch:
        return config.steps_per_dispatch or 1
    # on CPU a loop inside of a program costs convolutions twenty times their time
    on_cpu = jax.default_backend() == "cpu"
    return 1 if on_cpu else min(config.log_every, _MOST_STEPS)


def frozen_once_diverged(step):
    """A step that leaves the state as it was where a loss is not finite.

    A member of a population cannot stop alone.
    """

    def guarded(state, *arguments):
        moved, metrics = step(state, *arguments)
        losses = [value for name, value in metrics.items() if is_minimised(name)]
        finite = jnp.isfinite(jnp.stack(losses)).all()

        def keep(new, old):
            return new if new is old else jnp.where(finite, new, old)

        return jax.tree.map(keep, moved, state), metrics

    return guarded


def is_minimised(metric: str) -> bool:
    """Whether a metric of a step is a part of what a player minimises."""
    return metric.endswith(("loss", "penalty"))


def _single_steps(take, programs, lazy, mesh):
    """A dispatch of single steps, and after each the lazy turns whose time it is.

    take: (state, examples, start) -> (state, metrics), the step after `start` steps
    """

    def run(state, feed, start, stop):
        examples = *feed.fetch(start, 1), feed.key
        with parallel.within(mesh):
            state, metrics = take(state, examples, start)
            for every, turn in lazy:
                if stop % every == 0:
                    state, seen = turn(state, *examples)
                    metrics = metrics | seen
        return state, metrics

    def all_programs(state, feed):
        arguments = state, *feed.fetch(0, 1), feed.key
        now_and_then = [(turn, arguments, 1 / every) for every, turn in lazy]
        return programs(state, feed) + now_and_then

    return Dispatch(run, 1, all_programs)


def _one_by_one(step, lift, log_every):
    """A program a step; one that leaves out what nobody reads between the logs.

    The norms of gradients and updates read all of them from memory once more, a tenth
    of the time of an MLP's step. Both programs give the same bits of the state.
    """

    def losses_only(state, *arguments):
        state, metrics = step(state, *arguments)
        return state, {name: x for name, x in metrics.items() if is_minimised(name)}

    in_axes = 0, None, 0, 0
    logged = compiled(lift(step, *in_axes))
    between = compiled(lift(losses_only, *in_axes))

    def take(state, examples, start):
        program = logged if (start + 1) % log_every == 0 else between
        return program(state, *examples)

    def programs(state, feed):
        return [(between, (state, *feed.fetch(0, 1), feed.key), 1)]

    return take, programs


def _many(step, lift, mesh, k, most):
    """A program for any number of steps up to `most`: the same bits however cut."""

    def steps(state, arrays, indices, key, count):
        first = state, arrays, indices[:k], key
        if jax.default_backend() == "cpu" and convolutions(step, *first):
            raise UsageError(
                f"config.steps_per_dispatch={most}, but a CPU runs convolutions in a "
                "loop twenty times slower; leave it at 0"
            )
        row = jax.eval_shape(step, *first)[1]
        empty = jax.tree.map(lambda leaf: jnp.zeros((most, *leaf.shape)), row)

        def body(i, carry):
            state, metrics = carry
            rows = jax.lax.dynamic_slice_in_dim(indices, i * k, k)
            state, row = step(state, arrays, rows, key)
            return state, jax.tree.map(lambda all, x: all.at[i].set(x), metrics, row)

        return jax.lax.fori_loop(0, count, body, (state, empty))

    program = compiled(lift(steps, 0, None, 0, 0, None))

    def run(state, feed, start, stop):
        arrays, indices = feed.fetch(start, stop - start)
        missing = most * k - indices.shape[-2]
        padding = [(0, 0)] * (indices.ndim - 2) + [(0, missing), (0, 0)]
        rows = np.pad(indices, padding)
        with parallel.within(mesh):
            return program(state, arrays, rows, feed.key, stop - start)

    one = compiled(lift(step, 0, None, 0, 0))
    return Dispatch(
        run, most, lambda state, feed: [(one, (state, *feed.fetch(0, 1), feed.key), 1)]
    )


def _by_turns(turns, batch_of, lift, pace, g_steps):
    """A program for each player's update, called in the order of Algorithm 1."""

    def program(turn):
        def on_minibatch(state, arrays, indices, key, turn_key, j):
            batch = batch_of(arrays, indices, key, state.step, j)
            return parallel.replicated(turn(state, batch, turn_key))

        return compiled(lift(on_minibatch, 0, None, 0, 0, 0, None))

    of = {player: program(turn) for player, turn in turns.items()}

    def take(state, examples, start):
        plan = algorithm_1(pace.at(start), g_steps)
        keys = lift(lambda state: turn_keys(state, len(plan)), 0)(state)
        metrics, trace = {}, {}  # of what is minimised: once no number, always none
        for i, (player, j) in enumerate(plan):
            state, seen = of[player](state, *examples, keys[..., i], j)
            for name in filter(is_minimised, seen):
                trace[name] = trace.get(name, 0.0) + 0 * seen[name]
            metrics |= seen
        metrics |= {name: metrics[name] + trace[name] for name in trace}
        return state.replace(step=state.step + 1), metrics

    def programs(state, feed):
        arrays, rows = feed.fetch(0, 1)
        arguments = state, arrays, rows, feed.key, state.key, 0
        return [(of["d"], arguments, pace.usual), (of["g"], arguments, g_steps)]

    return take, programs
