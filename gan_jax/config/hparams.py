"""The numbers of a config that are data in its program, not part of its shape."""

import optax

from gan_jax.config import resolve
from gan_jax.config.numbers import NUMBERS, by_field
from gan_jax.config.types import keyword_kinds
from gan_jax.errors import UsageError


def hparams(config) -> dict:
    """The numbers as `TrainState.hparams` has them: nested, by the paths of `NUMBERS`.

    What an entry has no numbers of leaves no key, but for a constraint.
    """
    found = {"ema_decay": config.ema_decay}
    for entry, path in NUMBERS.items():
        values = entry_numbers(config, entry)
        if not values and path[-1] != "constraint":
            continue
        inner = found
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        known = inner.get(path[-1], {})
        if not isinstance(known, dict):
            player = config[f"{path[0]}_optimizer"].name
            raise UsageError(
                f"{path[0]}_optimizer {player} has a number {path[-1]} of its own; "
                f"config.{entry}.name has to be none beside it"
            )
        inner[path[-1]] = known | values
    return found


def number_fields(config) -> dict[str, float]:
    """The same by the config's fields: {"d_optimizer.learning_rate": 2e-4}.

    Members of a population may differ in them.
    """
    found = by_field(hparams(config))
    if not config.ema_decay:  # then there is no average
        del found["ema_decay"]
    return found


def entry_numbers(config, entry: str) -> dict[str, float]:
    """The keywords that an entry gives, as far as they are numbers.

    A keyword is one if its type is float; optax's, whose types are wide, if its default
    is no integer. Flags, names, counts and whatever has several values shape the
    program.
    """
    spec = config[entry]
    if resolve.ENTRIES[entry].module is optax:
        return _optax_numbers(entry, spec)
    kinds = keyword_kinds(entry, spec.name)
    return {
        key: float(value)
        for key, value in resolve.arguments(spec).items()
        if kinds[key].type in (float, float | None) and value is not None
    }


def default_numbers(entry: str, name: str) -> dict[str, float]:
    """The numbers that an entry of this name has where a config does not give them."""
    parameters = resolve.keywords(entry, resolve.resolve(entry, name))
    return {
        key: float(parameters[key].default)
        for key, kind in keyword_kinds(entry, name).items()
        if kind.type is float and type(parameters[key].default) in (int, float)
    }


def _optax_numbers(entry, spec):
    accepted = resolve.keywords(entry, resolve.resolve(entry, spec.name))
    return {
        key: float(value)
        for key, value in resolve.arguments(spec).items()
        if type(value) in (int, float) and type(accepted[key].default) is not int
    }


def structure_of(config, entry: str) -> dict:
    """The keywords that an entry gives and that are no numbers."""
    numbers = entry_numbers(config, entry)
    given = resolve.arguments(config[entry])
    return {key: value for key, value in given.items() if key not in numbers}
