"""Games made of a game, of players that look further than at the next gradient.

The keywords of each factory are those of `config.dynamics`, and its numbers are data.
A factory returns (game, d_tx) -> game, where d_tx is D's optimizer, or None where the
game stays as it is.

What plain gradients do around an equilibrium, and these instead, `dirac_gan` shows.
Reverse mode alone: the convolutions of `layers.convolution` have no forward mode.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
import optax

from gan_jax.config.ranges import NotNegative, between
from gan_jax.games import Game
from gan_jax.state import Player
from gan_jax.turns import play


def none() -> None:
    """The game as it is."""


def unrolled(*, k: Annotated[int, between(1, 20)] = 5):
    """G's loss against the D of k updates later, differentiated through them.

    Unrolled GAN (Metz et al. 2017, eq. 8 to 10). D looks ahead by its own optimizer,
    its moments included, on the minibatch and the latents of G's update, as in the
    authors' code; what it has moved by is then forgotten, and D itself moves by one.

    k: each of the updates is part of G's program, which takes long to compile
    """

    def of(game: Game, d_tx) -> Game:
        def tx(numbers):
            return _differentiable(d_tx(numbers))

        def g_loss(params, stats, d, numbers, batch, key):
            g = Player(params, stats)
            for _ in range(k):
                d, _ = play("d", tx, game.d_loss, d, g, numbers, batch, key)
            return game.g_loss(params, stats, d, numbers, batch, key)

        return game._replace(g_loss=g_loss)

    return of


def _differentiable(tx) -> optax.GradientTransformation:
    """`tx` with a derivative in gradients also where they are 0: there it is 0.

    Adam's is infinite, a root's at 0. What stays at 0 is what a loss does not depend
    on, such as D's last bias where it sees differences of scores alone.
    """

    def update(grads, state, params):
        grads = jax.tree.map(lambda g: jnp.where(g == 0, 0.0, g), grads)
        return tx.update(grads, state, params)

    return optax.GradientTransformation(tx.init, update)


def consensus(*, gamma: NotNegative = 10.0):
    """Both players also minimise gamma / 2 |v|^2, v the gradients of both.

    Consensus optimization (Mescheder et al. 2017, eq. 10).
    """

    def of(game: Game, d_tx) -> Game:
        def energy(d: Player, g: Player, numbers, batch, key):
            of_d = jax.grad(
                lambda p: game.d_loss(p, d.stats, g, numbers, batch, key)[0]
            )
            of_g = jax.grad(
                lambda p: game.g_loss(p, g.stats, d, numbers, batch, key)[0]
            )
            v = of_d(d.params), of_g(g.params)
            weight = numbers.get("dynamics", {}).get("gamma", gamma)
            return weight / 2 * _dot(v, v)

        def d_loss(params, stats, g, numbers, batch, key):
            found = game.d_loss(params, stats, g, numbers, batch, key)
            extra = energy(Player(params, stats), g, numbers, batch, key)
            return _with_penalty(found, extra)

        def g_loss(params, stats, d, numbers, batch, key):
            found = game.g_loss(params, stats, d, numbers, batch, key)
            extra = energy(d, Player(params, stats), numbers, batch, key)
            return _with_penalty(found, extra)

        return game._replace(d_loss=d_loss, g_loss=g_loss)

    return of


def symplectic(*, weight: NotNegative = 1.0):
    """Gradients v + weight A^T v, A the antisymmetric part of the Jacobian of v.

    Symplectic gradient adjustment (Balduzzi et al. 2018, eq. 5), which takes away what
    makes players go round. For player 1 against player 2, A^T v has the part

        (grad_1 |v_2|^2 / 2 - grad_1 <grad_2 L_1, v_2 held still>) / 2,

    the gradient of a function, which is added to its loss.
    """

    def of(game: Game, d_tx) -> Game:
        def adjusted(own, rivals, mine, theirs, numbers):
            """own, rivals: (mine, theirs) -> loss, (stats, metrics) of either player"""
            found = own(mine, theirs)
            v = jax.grad(lambda p: rivals(mine, p)[0])(theirs)
            mixed = jax.grad(lambda p: own(mine, p)[0])(theirs)
            twist = _dot(v, v) / 2 - _dot(mixed, jax.lax.stop_gradient(v))
            scale = numbers.get("dynamics", {}).get("weight", weight)
            return _with_penalty(found, scale / 2 * twist)

        def losses(d_stats, g_stats, numbers, batch, key):
            def of_d(d_params, g_params):
                g = Player(g_params, g_stats)
                return game.d_loss(d_params, d_stats, g, numbers, batch, key)

            def of_g(g_params, d_params):
                d = Player(d_params, d_stats)
                return game.g_loss(g_params, g_stats, d, numbers, batch, key)

            return of_d, of_g

        def d_loss(params, stats, g, numbers, batch, key):
            of_d, of_g = losses(stats, g.stats, numbers, batch, key)
            rivals = _swapped(of_g)
            return adjusted(of_d, rivals, params, g.params, numbers)

        def g_loss(params, stats, d, numbers, batch, key):
            of_d, of_g = losses(d.stats, stats, numbers, batch, key)
            return adjusted(of_g, _swapped(of_d), params, d.params, numbers)

        return game._replace(d_loss=d_loss, g_loss=g_loss)

    return of


def _swapped(function):
    return lambda a, b: function(b, a)


def _dot(a, b):
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)
    return sum(jax.tree.leaves(products))


def _with_penalty(found, extra):
    """What a player's loss has returned, with `extra` to be minimised beside it."""
    value, (stats, metrics) = found
    bare, before = metrics.get("loss", value), metrics.get("penalty", 0.0)
    metrics = metrics | {"loss": bare, "penalty": before + extra}
    return value + extra, (stats, metrics)
