"""One experiment, alone or beside its PyTorch twin."""

import contextlib
from typing import Any

import jax

from gan_jax.benchmark import timing
from gan_jax.benchmark.ours import Ours
from gan_jax.benchmark.peer import Theirs, find_twin
from gan_jax.benchmark.startup import startup
from gan_jax.data.loading import load_training_data


def measure(values, config, changes) -> dict:
    """The steps of an experiment, their costs, and the time to the first of them.

    values:  the flags
    changes: of the experiment's config, which are in `config` already
    """
    peer = values.peer or values.peer_compile or values.peer_python
    twin = find_twin(values.config, changes) if peer else None
    result = {}
    if values.startup:
        result["first_step_s"] = startup(values.config, changes)
    dataset = load_training_data(config)
    with contextlib.ExitStack() as stack:
        ours = Ours(config, dataset)
        sides: dict[str, Any] = {"ours": ours}
        if peer:
            how = values.peer_compile, values.peer_python
            sides["peer"] = Theirs(twin, config, dataset, *how)
            stack.callback(sides["peer"].close)
            ready = sides["peer"].ready
            _same_networks(ours.parameters, ready["parameters"])
            result["peer"] = {
                "torch": ready["torch"],
                "threads": ready["threads"],
                "compile": values.peer_compile,
            }
        steps = timing.warm_up(sides, ours.period)
        ours.compilations.clear()
        times = timing.alternate(sides, steps, values.repeats)
        if values.profile:
            with jax.profiler.trace(values.profile):
                ours.take(10)
    result["step_s"] = times["ours"]
    if peer:
        result["peer"]["step_s"] = times["peer"]
    return result | ours.costs()


def _same_networks(ours, theirs):
    if ours != theirs:
        raise RuntimeError(f"parameters differ: ours {ours}, the twin's {theirs}")
