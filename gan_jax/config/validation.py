"""Types and ranges of a config's fields: what is accepted, said before a run begins."""

import inspect
import math
import typing

import ml_collections
import numpy as np

from gan_jax import build
from gan_jax.errors import UsageError

_PLAIN = (bool, int, float, str)
_COUNTS = (
    "steps",
    "batch_size",
    "pack",
    "d_steps",
    "g_steps",
    "log_every",
    "validate_every",
    "sample_every",
    "checkpoint_every",
)
# the fields of a config beside its entries, and their types
FIELDS = dict.fromkeys(_COUNTS, int) | {
    "seed": int,
    "steps_per_dispatch": int,
    "devices": int,
    "evaluate_every": int,
    "evaluate_metrics": tuple[str, ...],
    "evaluate_samples": int,
    "best": str,
    "turns": typing.Literal["alternating", "simultaneous"],
    "dtype": typing.Literal["float32", "bfloat16"],
    "matmul_precision": typing.Literal["highest", "high", "default"],
    "ema_decay": float,
    "sample_grid": tuple[int, ...],
}
_AT_LEAST_ONE = (lambda x: x >= 1, "must be at least 1")
_POSITIVE = (lambda x: x > 0, "must be positive")
_NOT_NEGATIVE = (lambda x: x >= 0, "must not be negative")
_FRACTION = (lambda x: 0 <= x < 1, "must be in [0, 1)")
_LENGTH = (lambda x: 0 < x <= 1e6, "must be in (0, 1e6]")  # far from overflows
_ANY = (lambda x: True, "")


def _between(low, high):
    return (lambda x: low <= x <= high, f"must be between {low} and {high:,}")


# what a number of this name may be, wherever it stands
RANGES = dict.fromkeys(_COUNTS, _AT_LEAST_ONE) | {
    "seed": (lambda x: 0 <= x < 2**32, "must be in [0, 2^32)"),
    "steps_per_dispatch": _NOT_NEGATIVE,
    "devices": _NOT_NEGATIVE,
    "evaluate_every": _NOT_NEGATIVE,
    "evaluate_samples": _NOT_NEGATIVE,
    "sample_grid": (
        lambda x: len(x) == 2 and min(x) >= 1,
        "must be two numbers, rows and columns",
    ),
    # optimizers, constraints, schedules
    "learning_rate": _POSITIVE,
    "momentum": _FRACTION,
    "b1": _FRACTION,
    "b2": _FRACTION,
    "ema_decay": _FRACTION,
    "limit": _POSITIVE,
    "decay": _POSITIVE,
    "min_learning_rate": _NOT_NEGATIVE,
    "final_momentum": _FRACTION,
    "saturate_epoch": (lambda x: x >= 2, "must be at least 2"),
    "steps_per_epoch": _AT_LEAST_ONE,
    # losses: any target will do
    "real_target": _ANY,
    "fake_target": _ANY,
    "g_target": _ANY,
    # data, scalings, priors
    "channels": (lambda x: np.min(x) >= 1, "must be at least 1"),
    "size": _between(1, 10**7),
    "workers": _between(0, 256),
    "modes": _between(1, 10**4),
    "radius": _LENGTH,
    "side": _between(1, 100),
    "spacing": _LENGTH,
    "std": (lambda x: 0 <= x <= 1e6, "must be in [0, 1e6]"),
    "means": (lambda x: 0 <= max(map(abs, x), default=-1) <= 1e6, "must be in +-1e6"),
    "stds": (lambda x: x and 0 <= min(x) <= max(x) <= 1e6, "must be in [0, 1e6]"),
    "weights": (lambda x: min(x, default=0) > 0, "each must be positive"),
    "norm": _POSITIVE,
    "dim": _AT_LEAST_ONE,
    "low": _ANY,
    "high": _ANY,
    # networks
    "depth": _AT_LEAST_ONE,
    "dense_pieces": _AT_LEAST_ONE,
    "dropout": _FRACTION,
    "init_range": _POSITIVE,
    "input_dropout": _FRACTION,
    "kernel": _AT_LEAST_ONE,
    "output_init_range": _POSITIVE,
    "pieces": _AT_LEAST_ONE,
    "slope": _NOT_NEGATIVE,
    "units": _AT_LEAST_ONE,
    "width": _AT_LEAST_ONE,
    "widths": (lambda x: min(x, default=1) >= 1, "each must be at least 1"),
}


def validate(config) -> None:
    """Refuses, with everything that is wrong, a config that no run could be made of."""
    accepted = [*FIELDS, *build.ENTRIES]
    problems = [f"config.{name} is missing" for name in accepted if name not in config]
    problems += [
        f"unknown field config.{name}; {build.nearest(name, accepted)}"
        for name in config
        if name not in accepted
    ]
    if not problems:
        for name, kind in FIELDS.items():
            problems += _value_problems(name, config[name], kind)
        for entry in build.ENTRIES:
            problems += _entry_problems(entry, config[entry])
    if problems:
        raise UsageError("; ".join(problems))
    if config.turns == "simultaneous" and (config.d_steps, config.g_steps) != (1, 1):
        raise UsageError("config.turns=simultaneous needs d_steps=1 and g_steps=1")
    if config.batch_size % config.pack:
        raise UsageError(
            f"config.batch_size={config.batch_size} is no multiple of "
            f"config.pack={config.pack}, the examples that D judges at once"
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
        accepted = keyword_types(entry, spec.name)
    except UsageError as error:
        return [str(error)]
    problems = []
    for key, value in spec.items():
        if key in accepted:
            problems += _value_problems(f"{entry}.{key}", value, accepted[key])
        elif key != "name":
            problems.append(
                f"config.{entry}.{key}: {entry} {spec.name} has no such keyword; "
                f"{build.nearest(key, accepted)}"
            )
    parameters = build.keywords(build.resolve(entry, spec.name))
    return problems + [
        f"{entry} {spec.name} needs --config.{entry}.{key}="
        for key, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and key not in spec
    ]


def _value_problems(field, value, kind):
    """What is wrong with the value of one field: its type, or its range."""
    if not _fits(value, kind):
        return [f"config.{field}={value!r}: expected {_describe(kind)}"]
    in_range, message = RANGES.get(field.rpartition(".")[2], _ANY)
    ok = value is None or in_range(value)
    return [] if ok else [f"config.{field}={value}: {message}"]


def keyword_types(entry: str, name: str) -> dict[str, object]:
    """The keywords that an entry of this name accepts, each with its type."""
    accepted = {}
    for function in build.signatures(entry, name):
        hints = _hints(function)
        for key, parameter in build.keywords(function).items():
            if kind := _keyword_type(hints.get(key), parameter.default):
                accepted[key] = kind
    return accepted


def _hints(function):
    try:
        return typing.get_type_hints(getattr(function, "func", function))
    except NameError:  # some of optax's types exist for type checkers alone
        return {}


def _keyword_type(hint, default):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    optional = len(arguments) == 2 and type(None) in arguments
    if hint in _PLAIN or origin in (tuple, typing.Literal):
        return hint
    if optional and arguments[0] in _PLAIN:
        return hint
    # optax annotates its numbers with wide unions: there the default tells
    if isinstance(default, _PLAIN):
        return type(default)
    if default is None:  # a number that may be absent, or what no text can say
        return float | None if float in arguments else None
    return float


def _fits(value, kind):
    """Whether a value is of a type; an integer will do for a number."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(x, arguments[0]) for x in value)
    if origin is typing.Literal:
        return value in arguments
    if origin is not None:  # a plain type or None
        return value is None or _fits(value, arguments[0])
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def parse(field: str, text: str, kind) -> object:
    """`text` as a value of a type: plain, Literal, tuple[..., ...], or `| None`."""
    try:
        return _convert(text.strip(), kind)
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"--{field}={text}: expected {_describe(kind)}") from None


def _convert(text, kind):
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        items = [item.strip(" '\"") for item in text.strip("()[]").split(",")]
        return tuple(_convert(item, arguments[0]) for item in items if item)
    if origin is typing.Literal:
        if text not in arguments:
            raise ValueError
        return text
    if origin is not None:  # a plain type or None
        if text.lower() == "none":
            return None
        return _convert(text, arguments[0])
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    if kind is int:  # 1e3 and 1000.0 are integers too
        number = float(text)
        if not number.is_integer():
            raise ValueError
        return int(text) if text.lstrip("+-").isdigit() else int(number)
    if kind is float and not math.isfinite(float(text)):
        raise ValueError
    return kind(text)


def _describe(kind):
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        _, noun = _describe(arguments[0]).split()  # without its article
        return f"{noun}s separated by commas"
    if origin is typing.Literal:
        return " or ".join(arguments)
    if origin is not None:
        return f"{_describe(arguments[0])} or none"
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}
    return names[kind]
