"""Optimizers whose numbers are data.

An optimizer is a function numbers -> optax.GradientTransformation, called inside the
training step with the values of that step: a schedule can change every one of them, and
`vmap` can train many of them in one program.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


def optimizer(name, structure, constraint, decay=None):
    """A decay, the optax optimizer `name`, a constraint: a function of their numbers.

    structure:  keywords that shape the program, such as nesterov=False
    constraint: a factory in `constraints`, called with numbers["constraint"]
    decay:      likewise one in `decays`, with numbers["decay"]; None for no such link,
                which leaves the optimizer's state as it would be alone

    The rest of the numbers are the optimizer's own: learning_rate, b1, momentum, ...
    """

    def transformation(numbers):
        numbers = dict(numbers)
        of_decay = numbers.pop("decay", {})
        of_constraint = numbers.pop("constraint", {})
        first = [] if decay is None else [decay(**of_decay)]
        own = getattr(optax, name)(**numbers, **structure)
        return optax.chain(*first, own, constraint(**of_constraint))

    return transformation


class Renewed(NamedTuple):
    """An optimizer's state, and how often it has begun anew."""

    inner: Any
    times: jax.Array


def renewed(make, steps):
    """numbers -> transformation: that of `make`, but it begins anew at some steps.

    Its first update at each of these steps, or after it, finds it as it was at the
    start, moments and counts. As PGGAN's code has it where layers come in, since the
    moments tell of another loss (Karras et al. 2018).
    """

    def transformation(numbers):
        tx = make(numbers)

        def init(params):
            return Renewed(tx.init(params), jnp.zeros((), jnp.int32))

        def update(updates, state, params):
            passed = numbers["step"] >= jnp.asarray(steps)
            times = jnp.sum(passed, dtype=jnp.int32)
            inner = jax.tree.map(
                lambda new, old: jnp.where(times == state.times, old, new),
                tx.init(params),
                state.inner,
            )
            updates, inner = tx.update(updates, inner, params)
            return updates, Renewed(inner, times)

        return optax.GradientTransformation(init, update)

    return transformation
