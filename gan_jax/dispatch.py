"""Training steps as compiled programs: what is sent to the device at a time.

The one place that knows which backend wants what. The whole data set lies on the
device; only the numbers of the examples travel.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data.stream import minibatch_indices
from gan_jax.errors import UsageError
from gan_jax.train_step import make_train_step, make_turns, turn_keys

# More updates of D than these are dispatched one by one: unrolled into one program they
# would compile for minutes.
_MAX_UNROLLED = 8
_MOST_STEPS = 100
# Of XLA's two libraries of convolutions on CPU, the newer one is slower in training:
# these are its products and sums alone.
_CPU_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    )
}


class Dispatch(NamedTuple):
    """run:      (state, start, stop) -> (state, metrics): the steps after `start` up to
              `stop`, on their minibatches; takes over the buffers of `state`. Leaves of
              `metrics` are scalars, or arrays that begin with one value a step; the
              losses come with every step, all metrics with those that are logged.
    most:     steps that one call may take
    programs: (state) -> [(program, arguments, times)], what one step runs: functions
              made by `jax.jit`, and how often each is called
    """

    run: Callable
    most: int
    programs: Callable


def make_dispatch(config, built, dataset, key) -> Dispatch:
    """The training steps of an experiment; `key` is that of the views of its data."""
    k, n, size = config.d_steps, config.batch_size, dataset.size
    parts = built.game, built.d_tx, built.g_tx, built.schedule
    arrays = jax.device_put(dataset.arrays)

    def indices(step, count=1):
        return minibatch_indices(config.seed, step * k, count * k, n, size)

    def batch_of(arrays, indices, step, j):
        view_key = jax.random.fold_in(jax.random.fold_in(key, step), j)
        return dataset.view(arrays, indices, view_key)

    if k > _MAX_UNROLLED:
        turns = make_turns(*parts)
        return _by_turns(*turns, batch_of, arrays, indices, k, config.g_steps)

    train_step = make_train_step(*parts, config.turns, config.g_steps)

    def step(state, arrays, indices):
        rows = [batch_of(arrays, indices[j], state.step, j) for j in range(k)]
        batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
        return train_step(state, batch)

    most = _steps_per_dispatch(config)
    if most == 1:
        return _one_by_one(step, arrays, indices, config.log_every)
    return _many(step, arrays, indices, k, most)


def _steps_per_dispatch(config):
    if config.steps_per_dispatch:
        return config.steps_per_dispatch
    # on CPU a loop inside of a program costs convolutions twenty times their time
    on_cpu = jax.default_backend() == "cpu"
    return 1 if on_cpu else min(config.log_every, _MOST_STEPS)


def _one_by_one(step, arrays, indices, log_every):
    """A program a step; one that leaves out what nobody reads between the logs.

    The norms of gradients and updates read all of them from memory once more, a tenth
    of the time of an MLP's step. Both programs give the same bits of the state.
    """

    def losses_only(state, arrays, indices):
        state, metrics = step(state, arrays, indices)
        return state, {name: x for name, x in metrics.items() if "loss" in name}

    logged, between = compiled(step), compiled(losses_only)

    def run(state, start, stop):
        program = logged if stop % log_every == 0 else between
        return program(state, arrays, indices(start))

    return Dispatch(run, 1, lambda state: [(between, (state, arrays, indices(0)), 1)])


def _many(step, arrays, indices, k, most):
    """A program for any number of steps up to `most`: the same bits however cut."""

    def steps(state, arrays, indices, count):
        first = state, arrays, indices[:k]
        if _loops_slowly(step, *first):
            raise UsageError(
                f"config.steps_per_dispatch={most}, but a CPU runs convolutions in a "
                "loop twenty times slower; leave it at 0"
            )
        row = jax.eval_shape(step, *first)[1]
        empty = jax.tree.map(lambda leaf: jnp.zeros((most, *leaf.shape)), row)

        def body(i, carry):
            state, metrics = carry
            rows = jax.lax.dynamic_slice_in_dim(indices, i * k, k)
            state, row = step(state, arrays, rows)
            return state, jax.tree.map(lambda all, x: all.at[i].set(x), metrics, row)

        return jax.lax.fori_loop(0, count, body, (state, empty))

    program = compiled(steps)

    def run(state, start, stop):
        rows = indices(start, stop - start)
        rows = np.pad(rows, ((0, most * k - len(rows)), (0, 0)))
        return program(state, arrays, rows, stop - start)

    one = compiled(step)
    return Dispatch(run, most, lambda state: [(one, (state, arrays, indices(0)), 1)])


def _loops_slowly(step, *arguments):
    on_cpu = jax.default_backend() == "cpu"
    return on_cpu and "conv_general_dilated" in str(jax.make_jaxpr(step)(*arguments))


def _by_turns(d_turn, g_turn, batch_of, arrays, indices, k, g_steps):
    """A program for each player's update, called k and g_steps times a step."""

    def program(turn):
        def on_minibatch(state, arrays, indices, key, j):
            return turn(state, batch_of(arrays, indices, state.step, j), key)

        return compiled(on_minibatch)

    d_program, g_program = program(d_turn), program(g_turn)

    def run(state, start, stop):
        rows = indices(start)
        keys = turn_keys(state, k + g_steps)
        for j in range(k):
            state, d_metrics = d_program(state, arrays, rows[j], keys[j], j)
        for j in range(k, k + g_steps):
            state, g_metrics = g_program(state, arrays, rows[-1], keys[j], k - 1)
        return state.replace(step=state.step + 1), d_metrics | g_metrics

    def programs(state):
        arguments = (state, arrays, indices(0)[0], state.key, 0)
        return [(d_program, arguments, k), (g_program, arguments, g_steps)]

    return Dispatch(run, 1, programs)


def compiled(function):
    """`function`, jitted for this backend; it takes over its first argument."""
    return jax.jit(function, donate_argnums=0, compiler_options=_compiler_options())


@functools.cache
def _compiler_options():
    """Options of the compiler for this backend, where this version knows them."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return None
    return _CPU_OPTIONS
