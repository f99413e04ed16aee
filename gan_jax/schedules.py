"""How the numbers of a run change with its steps.

A schedule is a pure function (hparams, step) -> numbers; each factory's keywords are
those of `config.schedule`. Its horizon is its own, never the run's length: or training
on would not equal having trained longer.
"""

from typing import Annotated

import jax.numpy as jnp
import numpy as np

from gan_jax.config.ranges import Count, Fraction, NotNegative, Positive, Range
from gan_jax.errors import UsageError


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
