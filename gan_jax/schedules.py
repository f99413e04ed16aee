"""How the numbers of a run change with its steps.

A schedule is a pure function (hparams, step) -> numbers; each factory's keywords are
those of `config.schedule`. `hparams` are numbers as `gan_jax.config.numbers` knows
them, and to change one that a config does not give is refused. A horizon is a
schedule's own, never the run's length: or training on would not equal having trained
longer.
"""

from typing import Annotated

import jax.numpy as jnp
import numpy as np

from gan_jax.config.numbers import by_field, replace
from gan_jax.config.ranges import (
    Count,
    CountOrZero,
    Fraction,
    NotNegative,
    Positive,
    Range,
)
from gan_jax.errors import UsageError, nearest


def constant():
    """The numbers stay as they are."""
    return lambda hparams, step: hparams


def goodfellow_2014(
    *,
    decay: Positive = 1.000004,
    min_learning_rate: NotNegative = 1e-6,
    final_momentum: Fraction = 0.7,
    saturate_epoch: Annotated[int, Range(lambda x: x >= 2, "must be at least 2")] = 250,
    steps_per_epoch: Count = 500,
):
    """The schedules of the experiments of 2014, for both players.

    The learning rate falls with every update, lr / decay^t, not below
    `min_learning_rate`. The momentum grows with the epoch, linearly from its configured
    value in the first to `final_momentum` in epoch `saturate_epoch`, and stays there.
    """
    # decay^t by repeated float32 rounding of `decay` would be 5 % off after a million
    rate = np.log(decay)

    def schedule(hparams, step):
        step = jnp.asarray(step, jnp.float32)
        epoch = jnp.floor(step / steps_per_epoch)
        progress = jnp.clip(epoch / (saturate_epoch - 1), 0.0, 1.0)

        def at_step(numbers):
            if "momentum" not in numbers:
                raise UsageError(
                    "schedule goodfellow_2014 needs optimizers with momentum, such as "
                    "sgd with --config.d_optimizer.momentum=0.5 and the same for g"
                )
            lr, momentum = numbers["learning_rate"], numbers["momentum"]
            return numbers | {
                "learning_rate": jnp.maximum(
                    lr * jnp.exp(-rate * step), min_learning_rate
                ),
                "momentum": momentum + progress * (final_momentum - momentum),
            }

        return hparams | {"d": at_step(hparams["d"]), "g": at_step(hparams["g"])}

    return schedule


def linear(*, steps: Count, start: CountOrZero = 0):
    """Both learning rates fall linearly to zero, in `steps` steps from step `start` on.

    That of WGAN-GP's ResNets and of SNGAN: lr max(0, 1 - step / 100,000).
    """
    rates = "d_optimizer.learning_rate", "g_optimizer.learning_rate"

    def schedule(hparams, step):
        left = jnp.float32(start + steps) - jnp.asarray(step, jnp.float32)
        share = jnp.clip(left / jnp.float32(steps), 0.0, 1.0)
        return _change("linear", hparams, rates, lambda field, rate: rate * share)

    return schedule


def exponential(*, steps: Count, start: CountOrZero = 0, final: Positive = 0.01):
    """Both learning rates fall by equal factors, to `final` times what they are, in
    `steps` steps from step `start` on, and go on to fall.

    That of BiGAN: as many epochs at a constant rate as on the way to a hundredth of it.
    """
    rates = "d_optimizer.learning_rate", "g_optimizer.learning_rate"

    def schedule(hparams, step):
        share = (jnp.asarray(step, jnp.float32) - start) / jnp.float32(steps)
        factor = jnp.float32(final) ** jnp.maximum(share, 0.0)
        return _change("exponential", hparams, rates, lambda field, rate: rate * factor)

    return schedule


def burn_in(*, steps: Count, numbers: tuple[str, ...], initial: tuple[float, ...]):
    """Numbers go from `initial` values to those of the config by half a cosine.

    From a at step 0 to b at step T = `steps`, a + (1 - cos(pi t / T)) / 2 (b - a), and
    b ever after (R3GAN, Huang et al. 2024). Of "ema_decay", the decay of the average,
    it is the half-life that moves so: the steps in which a weight halves, 0 at decay 0.

    numbers: their fields in the config, such as "d_optimizer.learning_rate"
    initial: a value for each
    """
    if len(numbers) != len(initial):
        raise UsageError(
            f"schedule burn_in: {len(numbers)} numbers {numbers} but {len(initial)} "
            f"initial values {initial}; one each"
        )
    first = dict(zip(numbers, initial, strict=True))
    if not 0 <= first.get("ema_decay", 0) < 1:
        raise UsageError("schedule burn_in: the initial ema_decay must be in [0, 1)")

    def schedule(hparams, step):
        progress = jnp.asarray(step, jnp.float32) / jnp.float32(steps)
        # (1 - cos(2 x)) / 2 = sin(x)^2, where nothing cancels
        share = jnp.square(jnp.sin(jnp.pi / 2 * progress))

        def change(field, last):
            middle = _between(field, first[field], last, share)
            return jnp.where(progress < 1, middle, last)

        return _change("burn_in", hparams, first, change)

    return schedule


def ema_rampup(*, share: Positive = 0.05):
    """The average of G remembers no more than a share of what has been trained so far.

    Its half-life, the steps in which a weight halves, is that of the config's
    "ema_decay", but at the most `share` of the steps taken (StyleGAN2-ADA, Karras et
    al. 2020, arXiv:2006.06676): what G was at first is soon forgotten.
    """

    def schedule(hparams, step):
        so_far = share * jnp.asarray(step, jnp.float32)

        def change(field, decay):
            return jnp.where(so_far < _half_life(decay), jnp.exp2(-1 / so_far), decay)

        return _change("ema_rampup", hparams, ("ema_decay",), change)

    return schedule


def _between(field, a, b, share):
    """What lies at `share` of the way from a to b."""
    if field == "ema_decay":
        return jnp.exp2(-1 / ((1 - share) * _half_life(a) + share * _half_life(b)))
    return (1 - share) * a + share * b


def _half_life(decay):
    """x with decay^x = 1/2; by log1p, since decays are near one."""
    return -jnp.log(2.0) / jnp.log1p(decay - 1.0)


def _change(schedule, hparams, fields, change):
    """The numbers with change(field, number) in place of those of some fields."""
    known = by_field(hparams)
    for field in fields:
        if field not in known:
            raise UsageError(
                f"schedule {schedule}: the config has no number {field!r}; "
                f"{nearest(field, known)}"
            )
    return replace(hparams, {field: change(field, known[field]) for field in fields})
