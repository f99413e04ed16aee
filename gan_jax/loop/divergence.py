"""What a run does where its numbers are no longer finite: config.on_divergence.

"halve_rates" goes back to the newest checkpoint, or to the start, with half the
learning rates of both players, and on from there; where a schedule changes them, with
half of what it gives. How often it did is in config.json and, as `rate_factor`, in
every row of training that is logged afterwards; where a run is resumed depends on its
steps alone, so that it ends bit for bit as if it had not been stopped.
"""

from typing import NamedTuple

import jax.numpy as jnp

from gan_jax.config.hparams import hparams
from gan_jax.config.numbers import by_field, replace
from gan_jax.errors import DivergedError, UsageError

MOST = 5  # times that a run goes back
_RATES = "d_optimizer.learning_rate", "g_optimizer.learning_rate"


class Divergence(NamedTuple):
    """what: became of which number at which step; back_to: the step it went back to"""

    what: str
    back_to: int


def refuse_what_cannot_go_back(config) -> None:
    """Raises UsageError for a config that has no learning rates to be halved."""
    numbers = by_field(hparams(config))
    missing = [field for field in _RATES if field not in numbers]
    if config.on_divergence == "halve_rates" and missing:
        raise UsageError(
            f"config.on_divergence=halve_rates needs --config.{missing[0]}="
        )


def known_before(record: dict | None, step: int) -> list[Divergence]:
    """Those of a work directory's record that a run which goes on at `step` has had."""
    found = [Divergence(**each) for each in (record or {}).get("divergences", ())]
    return [each for each in found if step and each.back_to <= step]


def rate_factor(config, divergences) -> float:
    """What the learning rates of the config are multiplied with."""
    return 0.5 ** len(divergences) if config.on_divergence == "halve_rates" else 1.0


def with_rates(state, config, factor: float):
    """The state with learning rates of `factor` times the config's."""
    if factor == 1:
        return state
    numbers = by_field(hparams(config))
    slower = {field: jnp.float32(factor * numbers[field]) for field in _RATES}
    return state.replace(hparams=replace(state.hparams, slower))


def scaling_rates(schedule, config):
    """`schedule` where rates are halved: it is given the config's, and what it gives is
    multiplied with the factor that those of the state have.

    A schedule that begins or ends at rates of its own would forget the factor.
    """
    numbers = by_field(hparams(config))
    rates = {field: numbers[field] for field in _RATES if numbers[field]}

    def scaled(hparams, step):
        now = by_field(hparams)
        # a power of two, and so exactly
        factors = {field: now[field] / jnp.float32(x) for field, x in rates.items()}
        asked = {field: now[field] / factors[field] for field in rates}
        given = schedule(replace(hparams, asked), step)
        return replace(
            given, {field: factors[field] * by_field(given)[field] for field in rates}
        )

    return scaled


def after(error: DivergedError, config, divergences, step: int) -> list[Divergence]:
    """All of them once a run goes back to `step`; raises the error where it does not.

    divergences: those before this one
    """
    if config.on_divergence == "stop":
        raise error
    if len(divergences) >= MOST:
        raise DivergedError(f"{error}; went back {MOST} times already") from None
    what = str(error).removeprefix("diverged: ").partition(";")[0]
    return [*divergences, Divergence(what, step)]
