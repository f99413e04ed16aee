"""What a config may say, held to it before a run begins."""

import typing

import ml_collections
import optax

from gan_jax.config import resolve
from gan_jax.config.ranges import (
    Count,
    CountOrZero,
    Decay,
    Fraction,
    Positive,
    Range,
    Seed,
)
from gan_jax.config.types import as_kind, is_required, keyword_kinds, problems
from gan_jax.errors import UsageError, nearest

_Grid = typing.Annotated[
    tuple[int, ...],
    Range(
        lambda x: len(x) == 2 and min(x) >= 1, "must be two numbers, rows and columns"
    ),
]
_LongTurns = typing.Annotated[
    tuple[int, ...],
    Range(
        lambda x: not x or (len(x) == 3 and x[0] >= 1 and x[1] >= 0 and x[2] >= 0),
        "must be empty or three numbers: updates of D, first steps, every so many",
    ),
]
# the fields of a config beside its entries
FIELDS = {
    name: as_kind(hint)
    for name, hint in {
        "seed": Seed,
        "steps": Count,
        "batch_size": Count,
        "pack": Count,
        "accumulate": Count,
        "d_steps": Count,
        "d_steps_long": _LongTurns,
        "g_steps": Count,
        "turns": typing.Literal["alternating", "simultaneous", "extragradient"],
        "dtype": typing.Literal["float32", "bfloat16"],
        "matmul_precision": typing.Literal["highest", "high", "default"],
        "ema_decay": Decay,
        "ema_start": CountOrZero,
        "init_from": str,
        "devices": CountOrZero,
        "steps_per_dispatch": CountOrZero,
        "evaluate_every": CountOrZero,
        "evaluate_metrics": tuple[str, ...],
        "evaluate_samples": CountOrZero,
        "best": str,
        "on_divergence": typing.Literal["stop", "halve_rates"],
        "log_every": Count,
        "validate_every": Count,
        "sample_every": Count,
        "checkpoint_every": Count,
        "sample_grid": _Grid,
    }.items()
}
# optax says no ranges
OPTAX = {
    "learning_rate": Positive,
    "momentum": Fraction,
    "b1": Fraction,
    "b2": Fraction,
}


def validate(config) -> None:
    """Refuses, with everything that is wrong, a config that no run could be made of."""
    accepted = [*FIELDS, *resolve.ENTRIES]
    found = [
        f"config.{name} is missing"
        for name in accepted
        if name not in config and name not in resolve.OPTIONAL
    ]
    found += [
        f"unknown field config.{name}; {nearest(name, accepted)}"
        for name in config
        if name not in accepted
    ]
    if not found:
        for name, kind in FIELDS.items():
            found += problems(name, config[name], kind)
        for entry in resolve.entries(config):
            found += _entry_problems(entry, config[entry])
    if found:
        raise UsageError("; ".join(found))
    _refuse_contradictions(config)


def _refuse_contradictions(config):
    """Raises UsageError for fields that are right each, and wrong together."""
    if config.turns != "alternating" and (config.d_steps, config.g_steps) != (1, 1):
        raise UsageError(f"config.turns={config.turns} needs d_steps=1 and g_steps=1")
    if config.turns != "alternating" and config.d_steps_long:
        raise UsageError("config.d_steps_long needs turns=alternating")
    if config.d_steps_long and config.d_steps_long[0] <= config.d_steps:
        raise UsageError(
            f"config.d_steps_long={config.d_steps_long}: its first number, the updates "
            f"of D in a long step, is to be more than d_steps={config.d_steps}"
        )
    if config.batch_size % config.pack:
        raise UsageError(
            f"config.batch_size={config.batch_size} is no multiple of "
            f"config.pack={config.pack}, the examples that D judges at once"
        )
    if config.batch_size % (config.accumulate * config.pack):
        packs = f" of packs of {config.pack}" if config.pack > 1 else ""
        raise UsageError(
            f"config.batch_size={config.batch_size} cannot be divided into "
            f"config.accumulate={config.accumulate} parts{packs}"
        )
    if config.accumulate > 1 and config.dynamics.name != "none":
        raise UsageError(
            f"config.accumulate={config.accumulate} is for losses that are means over "
            f"examples, but dynamics {config.dynamics.name} depend on the gradients of "
            "the whole minibatch; leave it at 1"
        )


def is_entry(spec) -> bool:
    """Whether it is what an entry of a config has to be: a name, and keywords."""
    is_dict = isinstance(spec, ml_collections.ConfigDict)
    return is_dict and isinstance(spec.get("name"), str)


def _entry_problems(entry, spec):
    """What is wrong with the name and the keywords of one entry."""
    if not is_entry(spec):
        return [f"config.{entry} has to be a ConfigDict with a name and its keywords"]
    try:
        accepted = keyword_kinds(entry, spec.name)
    except UsageError as error:
        return [str(error)]
    found = []
    for key, value in spec.items():
        if key in accepted:
            kind = accepted[key]
            if resolve.ENTRIES[entry].module is optax and key in OPTAX:
                kind = kind._replace(range=as_kind(OPTAX[key]).range)
            found += problems(f"{entry}.{key}", value, kind)
        elif key != "name":
            found.append(
                f"config.{entry}.{key}: {entry} {spec.name} has no such keyword; "
                f"{nearest(key, accepted)}"
            )
    parameters = resolve.keywords(entry, resolve.resolve(entry, spec.name))
    return found + [
        f"{entry} {spec.name} needs --config.{entry}.{key}="
        for key, parameter in parameters.items()
        if is_required(parameter) and key not in spec
    ]
