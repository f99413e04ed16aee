"""Types and ranges of a config's fields: what is accepted, said before a run begins."""

import inspect
import math
import typing

from gan_jax import build
from gan_jax.errors import UsageError

_PLAIN = (bool, int, float, str)
_COUNTS = (
    "steps",
    "batch_size",
    "d_steps",
    "g_steps",
    "log_every",
    "validate_every",
    "sample_every",
    "checkpoint_every",
)
_TURNS = ("alternating", "simultaneous")
# what a number of this name may be, wherever it stands
_RANGES = {
    "learning_rate": (lambda x: x > 0, "must be positive"),
    "momentum": (lambda x: 0 <= x < 1, "must be in [0, 1)"),
    "b1": (lambda x: 0 <= x < 1, "must be in [0, 1)"),
    "b2": (lambda x: 0 <= x < 1, "must be in [0, 1)"),
    "ema_decay": (lambda x: 0 <= x < 1, "must be in [0, 1)"),
    "seed": (lambda x: 0 <= x < 2**32, "must be in [0, 2^32)"),
    "dim": (lambda x: x >= 1, "must be at least 1"),
    "size": (lambda x: x >= 1, "must be at least 1"),
    "width": (lambda x: x >= 1, "must be at least 1"),
    "widths": (lambda x: all(w >= 1 for w in x), "each must be at least 1"),
    "limit": (lambda x: x > 0, "must be positive"),
    "norm": (lambda x: x > 0, "must be positive"),
    "sample_grid": (
        lambda x: len(x) == 2 and min(x) >= 1,
        "must be two numbers, rows and columns",
    ),
} | {name: (lambda x: x >= 1, "must be at least 1") for name in _COUNTS}


def validate(config) -> None:
    """Refuses, with everything that is wrong, a config that no run could be made of."""
    problems = []
    for entry in build.ENTRIES:
        problems += _entry_problems(entry, config[entry])
    for name, value in config.items():
        spec = value.items() if name in build.ENTRIES else [("", value)]
        for key, item in spec:
            field = f"{name}.{key}" if key else name
            in_range, message = _RANGES.get(key or name, (lambda x: True, ""))
            if not in_range(item):
                problems.append(f"config.{field}={item}: {message}")
    if config.turns not in _TURNS:
        problems.append(
            f"config.turns={config.turns}: {build.nearest(config.turns, _TURNS)}"
        )
    if config.turns == "simultaneous" and (config.d_steps, config.g_steps) != (1, 1):
        problems.append("config.turns=simultaneous needs d_steps=1 and g_steps=1")
    if problems:
        raise UsageError("; ".join(problems))


def _entry_problems(entry, spec):
    """Unknown and missing keywords of one entry."""
    try:
        accepted = keyword_types(entry, spec.name)
    except UsageError as error:
        return [str(error)]
    given = [key for key in spec if key != "name"]
    unknown = [
        f"config.{entry}.{key}: {entry} {spec.name} has no such keyword; "
        f"{build.nearest(key, accepted)}"
        for key in given
        if key not in accepted
    ]
    parameters = build.keywords(build.resolve(entry, spec.name))
    missing = [
        f"{entry} {spec.name} needs --config.{entry}.{key}="
        for key, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and key not in given
    ]
    return unknown + missing


def keyword_types(entry: str, name: str) -> dict[str, object]:
    """The keywords that an entry of this name accepts, each with its type."""
    accepted = {}
    for function in build.signatures(entry, name):
        hints = typing.get_type_hints(function)
        for key, parameter in build.keywords(function).items():
            accepted[key] = _keyword_type(hints.get(key), parameter.default)
    return accepted


def _keyword_type(hint, default):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    optional = len(arguments) == 2 and type(None) in arguments
    if hint in _PLAIN or origin in (tuple, typing.Literal):
        return hint
    if optional and arguments[0] in _PLAIN:
        return hint
    # optax annotates its numbers with wide unions: there the default tells
    return type(default) if isinstance(default, _PLAIN) else float


_PLAIN = (bool, int, float, str)


def plain_type(value):
    """The type of a config's own field, told by its value."""
    if isinstance(value, tuple):
        return tuple[type(value[0]) if value else str, ...]
    return type(value)


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
        return f"{_describe(arguments[0])}s separated by commas".removeprefix("a ")
    if origin is typing.Literal:
        return " or ".join(arguments)
    if origin is not None:
        return f"{_describe(arguments[0])} or none"
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}
    return names[kind]
