"""Types of a config's fields: whether a value is of one, and a text read as one.

A type is plain (bool, int, float, str), a Literal of texts, tuple[plain, ...], one of
these or None; or any of them with the values that are accepted, `Annotated` (`ranges`).
"""

import inspect
import math
import types
import typing
from typing import Any, NamedTuple

from gan_jax.config import resolve
from gan_jax.config.ranges import Range
from gan_jax.errors import UsageError

_PLAIN = (bool, int, float, str)


class Kind(NamedTuple):
    """What a field may be: its type, and which values of it, or all if None."""

    type: Any
    range: Range | None = None


def keyword_kinds(entry: str, name: str) -> dict[str, Kind]:
    """The keywords that an entry of this name accepts, each with its kind."""
    accepted = {}
    for function in resolve.signatures(entry, name):
        hints = _hints(function)
        for key, parameter in resolve.keywords(entry, function).items():
            kind = _keyword_kind(hints.get(key), parameter.default)
            if kind.type is not None:
                accepted[key] = kind
    return accepted


def _hints(function):
    try:
        plain = getattr(function, "func", function)
        return typing.get_type_hints(plain, include_extras=True)
    except NameError:  # some of optax's types exist for type checkers alone
        return {}


def _keyword_kind(hint, default) -> Kind:
    """The kind of a keyword; its type is None for what no text can say."""
    kind = as_kind(hint)
    arguments = typing.get_args(kind.type)
    optional = len(arguments) == 2 and type(None) in arguments
    if kind.type in _PLAIN or typing.get_origin(kind.type) in (tuple, typing.Literal):
        return kind
    if optional and (
        arguments[0] in _PLAIN or typing.get_origin(arguments[0]) is typing.Literal
    ):
        return kind
    # optax annotates its numbers with wide unions: there the default tells
    if isinstance(default, _PLAIN):
        return Kind(type(default))
    if default is None:  # a number that may be absent, or what no text can say
        return Kind(float | None if float in arguments else None)
    return Kind(float)


def as_kind(hint) -> Kind:
    """The type and the range of an annotation; of `Annotated[...] | None`, too."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *extras = typing.get_args(hint)
        ranges = [extra for extra in extras if isinstance(extra, Range)]
        return Kind(inner, ranges[0] if ranges else None)
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType) and len(parts) == 2:
        kind, other = as_kind(parts[0]), parts[1]
        if other is type(None) and kind.range is not None:
            return Kind(kind.type | None, kind.range)
    return Kind(hint)


def is_required(parameter: inspect.Parameter) -> bool:
    """Whether a keyword has to be given."""
    return parameter.default is inspect.Parameter.empty


def problems(field: str, value, kind: Kind) -> list[str]:
    """What is wrong with the value of a field: its type, or its range."""
    if not _fits(value, kind.type):
        return [f"config.{field}={value!r}: expected {_describe(kind.type)}"]
    if value is None or kind.range is None or kind.range.holds(value):
        return []
    return [f"config.{field}={value}: {kind.range.message}"]


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


def parse(field: str, text: str, kind: Kind) -> object:
    """`text` as a value of a kind's type; its range is not looked at yet."""
    try:
        return _convert(text.strip(), kind.type)
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"--{field}={text}: expected {_describe(kind.type)}") from None


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
