"""A minibatch in parts: the gradient of all of it, in the memory of one part."""

import jax
import jax.numpy as jnp

from gan_jax.games import Game
from gan_jax.networks import same_update
from gan_jax.turns import is_lost


def accumulated(game: Game, parts: int, together: int = 1) -> Game:
    """The same game, with losses that are means over the parts of a minibatch.

    One part is computed after the other, with its gradient ("gradient accumulation"),
    so that what lies between a loss and its gradient takes the memory of one part. Each
    has as many of the examples, and draws latents and all else by a key of its own.

    Where a loss is a mean over examples, losses and gradients are those of the whole
    minibatch. What compares examples with each other compares those of one part, as in
    a smaller minibatch: batch norm ("ghost batch norm", Hoffer et al. 2017), the
    deviation in a minibatch, `losses.relativistic_average`, features whose means are
    matched, EBGAN's term that pulls away. Statistics pass from part to part, as from
    minibatch to minibatch: a running average or BEGAN's k moves at each of them, and
    only a power iteration is made once an update.

    The losses can be differentiated in their first argument alone, as `Game` says.

    parts:    they divide the minibatch
    together: neighbours that D judges as one (config.pack), which no part divides
    """

    def of(loss):
        return _in_parts(loss, parts, together)

    return game._replace(
        d_loss=of(game.d_loss),
        g_loss=of(game.g_loss),
        lazy=tuple(lazy._replace(loss=of(lazy.loss)) for lazy in game.lazy),
    )


def _in_parts(loss, parts, together):
    """`loss`, one part after the other; its gradient is known with its value."""
    # on CPU a loop inside of a program costs convolutions twenty times their time
    unroll = parts if jax.default_backend() == "cpu" else 1

    def split(x):  # [n, ...] -> [parts, n / parts, ...]
        # every so many of them: what lies on one device stays there
        x = x.reshape(-1, parts, together, *x.shape[1:])
        return jnp.moveaxis(x, 1, 0).reshape(parts, -1, *x.shape[3:])

    def mean(params, stats, opponent, numbers, batch, key):
        """What the loss returns, and its gradient."""

        each = jax.tree.map(split, batch), jax.random.split(key, parts)

        def add(carry, i):
            moved, total = carry
            # Each part waits for the gradients of the one before: XLA would begin parts
            # that are not in a loop at once, and their memory would add up.
            i += is_lost(total)  # where it is, no part matters any more
            part = jax.tree.map(lambda x: x[i], each)
            found, grads = jax.value_and_grad(loss, has_aux=True)(
                params, same_update(stats, moved), opponent, numbers, *part
            )
            value, (moved, metrics) = found
            return (moved, jax.tree.map(jnp.add, total, grads)), (value, metrics)

        first = stats, jax.tree.map(jnp.zeros_like, params)
        (moved, total), said = jax.lax.scan(
            add, first, jnp.arange(parts), unroll=unroll
        )
        value, metrics = jax.tree.map(lambda x: jnp.mean(x, axis=0), said)
        return (value, (moved, metrics)), jax.tree.map(lambda x: x / parts, total)

    def in_parts(params, *rest):
        @jax.custom_vjp
        def found(params):
            return mean(params, *rest)[0]

        def backward(grads, cotangents):
            return (jax.tree.map(lambda x: cotangents[0] * x, grads),)

        found.defvjp(lambda params: mean(params, *rest), backward)
        return found(params)

    return in_parts
