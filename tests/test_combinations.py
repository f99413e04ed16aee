"""Every loss beside every penalty, normaliser and weight trains, alone and in company.

The lists are made from the modules, so that what is added to one of them is tried here.
Of a normaliser there is one program, which takes the numbers of a loss and of a penalty
as data: alone it runs one of them, under `vmap` all of them side by side.
"""

import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import layers, losses, penalties, priors
from gan_jax.config import resolve
from gan_jax.games.gan import game as gan
from gan_jax.losses import Loss
from gan_jax.models import mlp
from gan_jax.networks import network
from gan_jax.state import init_state
from gan_jax.train_step import make_train_step

N = 4


def every_loss():
    plain = [name for name in resolve.available("loss") if name != "f_gan"]
    made = {name: getattr(losses, name)() for name in plain}
    for divergence in typing.get_args(losses.Divergence):
        made[f"f_gan {divergence}"] = losses.f_gan(divergence=divergence)
    return made


def every_penalty():
    made = {name: getattr(penalties, name)() for name in resolve.available("penalty")}
    nothing = penalties.Penalty(lambda critic, real, fake, key: 0.0, False)
    return {name: penalty or nothing for name, penalty in made.items()}


LOSSES, PENALTIES = every_loss(), every_penalty()
# what makes D's slope at an example its own; batch norm does not, and is refused
NORMS = [name for name in typing.get_args(mlp.Norm) if name != "batch"]
PLAYERS = [("norm", name) for name in NORMS] + [
    ("weight", name) for name in typing.get_args(layers.WeightName) if name != "plain"
]


def one_of(functions, which, *inputs):
    """The value of the function of this number, which may be data."""
    scalars = [lambda *x, f=f: jnp.asarray(f(*x), jnp.float32) for f in functions]
    return jax.lax.switch(which, scalars, *inputs)


@functools.cache
def program(field, name):
    """(number of a loss, of a penalty) -> metrics of two steps, how far they went.

    And their grid, and what the program says of all of it at once.
    """
    D = network(mlp.Discriminator(widths=(8, 8), **{field: name}))
    G = network(mlp.Generator(shape=(3,), widths=(8,), output="linear"))

    def two_steps(loss, penalty):
        chosen = Loss(
            d=lambda *s: one_of([each.d for each in LOSSES.values()], loss, *s),
            g=lambda *s: one_of([each.g for each in LOSSES.values()], loss, *s),
            equilibrium=None,
            logits=False,
        )

        def of(critic, real, fake, key):
            choices = [
                functools.partial(each.of, critic) for each in PENALTIES.values()
            ]
            return one_of(choices, penalty, real, fake, key)

        game = gan(G, D, chosen, priors.normal(dim=2), lambda numbers: of)
        x = 2 + jax.random.normal(jax.random.key(7), (2, 1, N, 3))
        adam = lambda numbers: optax.adam(1e-2)  # noqa: E731
        state = init_state(game, adam, adam, {}, jax.random.key(0), {"x": x[0, 0]})
        step = make_train_step(game, adam, adam)
        moved, metrics = jax.lax.scan(step, state, {"x": x})
        change = [
            optax.tree.norm(jax.tree.map(jnp.subtract, a.params, b.params))
            for a, b in ((moved.d, state.d), (moved.g, state.g))
        ]
        return metrics, jnp.stack(change)

    grid = np.indices((len(LOSSES), len(PENALTIES))).reshape(2, -1).astype(np.int32)
    members = jax.jit(jax.vmap(two_steps))(*grid)
    return jax.jit(two_steps), grid, jax.device_get(members)


@pytest.mark.parametrize(("field", "name"), PLAYERS)
def test_two_steps_of_everything_side_by_side_are_finite(field, name):
    _, grid, (metrics, change) = program(field, name)
    assert grid.shape[1] == len(LOSSES) * len(PENALTIES) >= 13 * 9
    for metric, values in metrics.items():
        assert np.isfinite(values).all(), metric
    assert np.isfinite(change).all()
    assert (change > 1e-4).all()  # both players have moved
    free = list(PENALTIES).index("none")
    assert (metrics["d_penalty"][grid[1] == free] == 0).all()
    assert (metrics["d_penalty"][grid[1] != free] >= 0).all()
    assert metrics["d_penalty"].max() > 1e-3


# without and with statistics that each step carries on; the others differ in D alone
@pytest.mark.parametrize(("field", "name"), [("norm", "none"), ("weight", "spectral")])
def test_each_alone_is_as_in_company(field, name):
    alone, grid, (metrics, _) = program(field, name)
    for i in range(grid.shape[1]):
        mine, _ = alone(*grid[:, i])
        for metric in ("d_loss", "g_loss", "d_penalty"):
            np.testing.assert_allclose(
                *(mine[metric], metrics[metric][i]), rtol=1e-3, atol=1e-5
            )


def test_losses_and_penalties_differ_in_what_they_say():
    """Or the numbers above would choose nothing."""
    _, grid, (metrics, _) = program("norm", "none")
    free = grid[1] == list(PENALTIES).index("none")
    # cross-entropy is that of two losses and of one of f-GAN's divergences
    assert len(np.unique(metrics["d_loss"][free, 0].round(6))) == len(LOSSES) - 2
    first = grid[0] == 0
    distinct = np.unique(metrics["d_penalty"][first, 0].round(6))
    assert len(distinct) >= len(PENALTIES) - 2  # two are zero where slopes are small
