"""The first state of a run: fresh, or with the networks of one that is trained."""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.build import initial_state
from gan_jax.errors import UsageError
from gan_jax.loop.log import say
from gan_jax.run import load
from gan_jax.state import TrainState


def first_state(config, built) -> TrainState:
    """What a run of `config` starts with, at step 0 and with fresh optimizers.

    config.init_from: the work directory of a run whose players' parameters and
    statistics, and the average of G, are taken as far as they fit; "none" for none

    Says what does not fit and so begins anew. Raises UsageError where there is no such
    run, or where nothing fits.
    """
    state = initial_state(config, built)
    if config.init_from == "none":
        return state
    run = load(config.init_from)
    fit = _Fit()
    d, g = (
        dataclasses.replace(
            player,
            params=fit(f"{name} parameters", player.params, trained.params),
            stats=fit(f"{name} statistics", player.stats, trained.stats),
        )
        for name, player, trained in (
            ("D's", state.d, run.state.d),
            ("G's", state.g, run.state.g),
        )
    )
    state = dataclasses.replace(state, d=d, g=g)
    if state.g_ema is not None:
        average = fit("the average's", state.g_ema, run.state.sampler)
        state = dataclasses.replace(state, g_ema=average)
    if not fit.taken:
        raise UsageError(
            f"config.init_from={config.init_from}: nothing of its networks fits; "
            f"{fit.anew[0]}"
        )
    say(f"starts from step {int(run.state.step):,} of {run.workdir}")
    if fit.anew:
        more = f" and {len(fit.anew) - 10:,} more" if len(fit.anew) > 10 else ""
        said = ", ".join(fit.anew[:10]) + more
        say(f"note: {len(fit.anew):,} of its arrays do not fit and begin anew: {said}")
    return state


class _Fit:
    """Takes arrays from trained trees, and remembers how many, and which did not fit.

    taken: how many fitted; anew: a description of each that did not
    """

    def __init__(self):
        self.taken, self.anew = 0, []

    def __call__(self, what, fresh, trained):
        known = dict(jax.tree_util.tree_leaves_with_path(trained))

        def choose(path, leaf):
            found = known.get(path)
            if found is not None and (found.shape, found.dtype) == (
                leaf.shape,
                leaf.dtype,
            ):
                self.taken += 1
                return jnp.array(found)  # a copy: states are donated
            there = "absent" if found is None else list(found.shape)
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            self.anew.append(f"{what} {name} {list(leaf.shape)} (there: {there})")
            return leaf

        return jax.tree_util.tree_map_with_path(choose, fresh)
