"""What a run carries from step to step."""

from typing import Any

import flax
import jax
import jax.numpy as jnp

PyTree = Any


@flax.struct.dataclass
class Player:
    """One side of the game: what it learns, what it carries, its optimizer's memory.

    params: one network's parameters, or a dict of several networks'
    stats:  what is carried along but not optimised, such as batch-norm statistics
    """

    params: PyTree
    stats: PyTree
    opt_state: PyTree = None


@flax.struct.dataclass
class TrainState:
    """Everything a step reads and writes; saved whole, it resumes bit for bit.

    step:    train steps taken so far (int32)
    key:     the run's random key; never replaced, only folded with the step
    g_ema:   (params, stats) of G averaged over its updates; None when averaging is off
    hparams: the numbers of the run (learning rates, betas, decay of the average, ...)
             as float32 leaves, so that `vmap` can train many of them in one program
    """

    step: jax.Array
    key: jax.Array
    d: Player
    g: Player
    g_ema: PyTree
    hparams: PyTree

    @property
    def sampler(self) -> tuple[PyTree, PyTree]:
        """(params, stats) of the generator to sample from: the average when on."""
        return self.g_ema or (self.g.params, self.g.stats)


def keys_of(seed: int) -> dict[str, jax.Array]:
    """The keys of all that is random in a run of this seed.

    state: of its first state, and in it of every training step
    views, samples, held_out: of what is random outside of its training step
    """
    state, rest = jax.random.split(jax.random.key(seed))
    names = "views", "samples", "held_out"
    others = zip(names, jax.random.split(rest, len(names)), strict=True)
    return {"state": state, **dict(others)}


def init_state(game, d_tx, g_tx, hparams, key, batch, ema=False) -> TrainState:
    """A fresh state for `game`; `batch` shows the shapes of one minibatch.

    d_tx, g_tx: numbers -> optax.GradientTransformation, as in `make_train_step`
    ema:        whether to keep an average of G

    No leaf shares its buffer with the arguments or with another leaf, so that the state
    may be donated to a jitted step.
    """
    init_key, key = jax.random.split(key)
    hparams = jax.tree.map(lambda x: jnp.array(x, jnp.float32), hparams)
    # a game may give one array twice, or keep what it gives
    players = jax.tree.map(jnp.array, game.init(init_key, batch))
    (d_params, d_stats), (g_params, g_stats) = players
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=key,
        d=Player(d_params, d_stats, d_tx(hparams).init(d_params)),
        g=Player(g_params, g_stats, g_tx(hparams).init(g_params)),
        g_ema=jax.tree.map(jnp.copy, (g_params, g_stats)) if ema else None,
        hparams=hparams,
    )


def averaged(old, new, decay):
    """The average `old` with `new` in it; what is no number to be averaged is new."""
    weight = 1 - decay

    def leaf(old, new):
        is_float = jnp.issubdtype(new.dtype, jnp.floating)
        return weight * new + (1 - weight) * old if is_float else new

    return jax.tree.map(leaf, old, new)
