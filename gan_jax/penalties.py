"""Penalties on D, added to its loss: functions (critic, real, fake, key) -> scalar.

critic: x -> raw scores, D in its mode of training. The slope of a score is the length
of its gradient in all that it judges: in one example or, of a packed D, in m of them.
It is read off the gradient of the sum of all scores, and so D has to judge one by one;
beside the minibatch statistics of Karras et al. (2018) this is what their code does.

Each factory's keywords are the keywords of `config.penalty`; its numbers are data.
Whatever numbers D computes in, gradients are taken and summed in float32 at least.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.config.ranges import NotNegative


class Penalty(NamedTuple):
    """What is added to D's loss.

    of:             (critic, real, fake, key) -> scalar, with real and fake [n, ...]
    differentiates: whether it takes D's gradient in its input, where batch norm would
                    make every score one of all examples
    """

    of: Callable
    differentiates: bool


def none() -> None:
    """No penalty."""


def wgan_gp(*, weight: NotNegative = 10.0, target: NotNegative = 1.0) -> Penalty:
    """weight E (slope - target)^2 between real and fake (Gulrajani et al. 2017, eq. 3).

    Each real example is joined by a line to the fake one of its place in the minibatch,
    and a point is drawn from it, evenly and by itself.
    """

    def of(critic, real, fake, key):
        slopes = _slopes(critic, _between(key, real, fake))
        return weight * jnp.mean(jnp.square(slopes - target))

    return Penalty(of, differentiates=True)


def one_sided(*, weight: NotNegative = 10.0, target: NotNegative = 1.0) -> Penalty:
    """`wgan_gp` of the slopes above the target alone (WGAN-LP, Petzka et al. 2018).

    The best critic is nowhere steeper, and need not be as steep everywhere between.
    """

    def of(critic, real, fake, key):
        slopes = _slopes(critic, _between(key, real, fake))
        return weight * jnp.mean(jnp.square(jax.nn.relu(slopes - target)))

    return Penalty(of, differentiates=True)


def dragan(*, weight: NotNegative = 10.0, noise: NotNegative = 0.5) -> Penalty:
    """weight E (slope - 1)^2 near the data (Kodali et al. 2017), as their code has it.

    noise: what is added to an example is even in [0, noise std] at each of its numbers,
           where std is that of all numbers of the minibatch; a point is then drawn, as
           in `wgan_gp`, from the line between the two
    """

    def of(critic, real, fake, key):
        point_key, noise_key = jax.random.split(key)
        real = _at_least_float32(real)
        added = jax.random.uniform(noise_key, real.shape, real.dtype)
        near = real + noise * jnp.std(real) * added
        slopes = _slopes(critic, _between(point_key, near, real))
        return weight * jnp.mean(jnp.square(slopes - 1))

    return Penalty(of, differentiates=True)


def r1(*, gamma: NotNegative = 10.0) -> Penalty:
    """gamma / 2 E slope^2 over the data (Mescheder et al. 2018, eq. 9)."""

    def of(critic, real, fake, key):
        return gamma / 2 * jnp.mean(_squared_slopes(critic, real))

    return Penalty(of, differentiates=True)


def r2(*, gamma: NotNegative = 10.0) -> Penalty:
    """The same over the samples (Mescheder et al. 2018, eq. 10)."""

    def of(critic, real, fake, key):
        return gamma / 2 * jnp.mean(_squared_slopes(critic, fake))

    return Penalty(of, differentiates=True)


def r1_r2(*, gamma: NotNegative = 10.0) -> Penalty:
    """The sum of both, as R3GAN has it (Huang et al. 2024)."""
    return _sum(r1(gamma=gamma), r2(gamma=gamma))


def drift(*, weight: NotNegative = 1e-3) -> Penalty:
    """weight E score^2 over the data (Karras et al. 2018, appendix A.1).

    It keeps scores near 0 under a loss that sees differences of scores alone.
    """

    def of(critic, real, fake, key):
        return weight * jnp.mean(jnp.square(_at_least_float32(critic(real))))

    return Penalty(of, differentiates=False)


def wgan_gp_drift(
    *,
    weight: NotNegative = 10.0,
    target: NotNegative = 1.0,
    drift_weight: NotNegative = 1e-3,
) -> Penalty:
    """The sum of `wgan_gp` and `drift`, as PGGAN has it (Karras et al. 2018)."""
    return _sum(wgan_gp(weight=weight, target=target), drift(weight=drift_weight))


def _sum(one, other):
    def of(*arguments):
        return one.of(*arguments) + other.of(*arguments)

    return Penalty(of, one.differentiates or other.differentiates)


def _between(key, one, other):
    """An even draw from the line between each example and its other."""
    one, other = _at_least_float32(one), _at_least_float32(other)
    shape = len(one), *(1,) * (one.ndim - 1)
    place = jax.random.uniform(key, shape, one.dtype)  # one for all of its numbers
    return other + place * (one - other)


def _slopes(critic, x):
    """Of each score the length of its gradient, with derivatives also where it is 0.

    There the second one is 1e6; a slope of 1e-3 is off by a millionth of itself.
    """
    return jnp.sqrt(_squared_slopes(critic, x) + 1e-12)


def _squared_slopes(critic, x):
    scores, pull_back = jax.vjp(critic, _at_least_float32(x))
    (gradient,) = pull_back(jnp.ones_like(scores))
    # the examples that a score is about are neighbours
    gradient = gradient.reshape(len(scores), -1)
    return jnp.sum(jnp.square(gradient), axis=-1)


def _at_least_float32(x):
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
