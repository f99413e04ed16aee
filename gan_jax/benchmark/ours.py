"""An experiment of ours, compiled and ready to train."""

import math
import time

import jax

from gan_jax import memory
from gan_jax.benchmark.machine import matmul_rate
from gan_jax.build import build, initial_state
from gan_jax.data.feed import make_feed
from gan_jax.loop import costs, parallel
from gan_jax.loop.dispatch import make_dispatch
from gan_jax.state import TrainState

_COMPILED = "/jax/core/compile/backend_compile_duration"


class Training:
    """Training steps of one run or of the members of a population, one by one.

    Those of the last phase, where a game has some: of a network that has grown.

    dispatch, feed, state: as `train.run_steps` is given them
    """

    def __init__(self, config, dispatch, feed, state):
        self._dispatch, self._feed, self._state = dispatch, feed, state
        # both programs warm up, the one that logs, too
        logs = 1 + max(dispatch.ends, default=0) // config.log_every
        self._step = logs * config.log_every - 1
        if dispatch.ends:  # the state tells how far a network has grown
            self._state = jax.tree.map(
                lambda state: state.replace(step=state.step + self._step),
                state,  # or those of members that take turns
                is_leaf=lambda x: isinstance(x, TrainState),
            )

    def take(self, steps: int) -> float:
        """Trains; returns the seconds."""
        begin, last = time.perf_counter(), self._step + steps
        metrics = None
        while self._step < last:
            stop, before = min(last, self._step + self._dispatch.most), metrics
            advance = self._dispatch.run
            self._state, metrics = advance(self._state, self._feed, self._step, stop)
            jax.block_until_ready(before)  # as a run does: two dispatches at the most
            self._step = stop
        jax.block_until_ready(self._state)
        return time.perf_counter() - begin

    def programs(self) -> list:
        """What one step runs, as of `Dispatch.programs`."""
        return self._dispatch.programs(self._state, self._feed)

    @property
    def period(self) -> int:
        """Steps after which each of the programs was run, lazy turns among them."""
        now_and_then = [times for *_, times in self.programs() if times < 1]
        return math.lcm(*(round(1 / times) for times in now_and_then))


class Ours(Training):
    """A run of an experiment, on the devices that share its minibatches.

    parameters:   how many each player has: {"d": .., "g": ..}
    compilations: a list that grows by one with every program that is compiled
    """

    def __init__(self, config, dataset):
        built = build(config, dataset.info, dataset.mean)
        mesh = parallel.data_mesh(config)
        self._config, self._dataset, self._mesh = config, dataset, mesh
        state = initial_state(config, built)
        self.parameters = {
            name: sum(leaf.size for leaf in jax.tree.leaves(player.params))
            for name, player in (("d", state.d), ("g", state.g))
        }
        super().__init__(
            config,
            make_dispatch(config, built, dataset, mesh),
            make_feed(config, dataset, mesh),
            parallel.everywhere(state, mesh),
        )
        self.compilations = _count_compilations()

    def costs(self) -> dict:
        """Operations, memory and compilations."""
        recompilations = len(self.compilations)
        host_peak, device_peak = memory.peak()
        return {
            "parameters": self.parameters,
            "recompilations": recompilations,
            "flops": costs.operations_of_step(self._config, self._dataset),
            "matmul_flops_per_s": matmul_rate(),
            "memory": {
                "players": costs.size((self._state.d, self._state.g)),
                "temporary": costs.temporary(self.programs(), self._mesh),
                "device_peak": device_peak,
                "host_peak": host_peak,
            },
        }


def _count_compilations():
    """A list that grows by one with every program that is compiled from now on."""
    seen = []

    def listen(event, duration, **details):
        if event == _COMPILED:
            seen.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    return seen
