"""The points of a sweep, of the experiment's own file and of flags, and their names."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import ml_collections

from gan_jax.config.files import fields, from_json, in_file, override, to_json
from gan_jax.config.validation import validate
from gan_jax.errors import UsageError, nearest
from gan_jax.sweep.generators import Point, product

_LONGEST = 120  # letters of a name; file systems take 143 to 255
UNCHANGED = "unchanged"  # the name of a point without overrides


class Part(NamedTuple):
    """Points that multiply those of the other parts, and where they come from.

    source:  the function or the flag
    of_file: whether it is a function of the experiment's file
    """

    source: str
    points: list[Point]
    of_file: bool = False


# what an experiment defines and what flags add


def generators(module) -> dict[str, Callable]:
    """The sweeps of an experiment's file by the names that --sweep knows them by."""
    found = {}
    for attribute, function in vars(module).items():
        if not callable(function) or attribute.startswith("_"):
            continue
        if attribute in ("sweep", "population"):
            found[attribute] = function
        elif attribute.startswith("sweep_"):
            found[attribute.removeprefix("sweep_")] = function
    return found


def chosen(module, path: str, names: list[str] | None, grid: list[str]) -> list[Part]:
    """What of an experiment's sweeps is asked for, and what --grid adds.

    names: of --sweep; None for what is meant without one: sweep() and population(),
           where the file defines them, unless there is a grid
    """
    known = generators(module)
    if names is None:
        usual = () if grid else ("sweep", "population")
        names = [name for name in usual if name in known]
    parts = []
    for name in names:
        if name not in known:
            raise UsageError(
                f"--sweep={name}: {path} defines no sweep_{name}(); "
                f"{nearest(name, known) if known else 'it defines no sweep at all'}"
            )
        source = f"{known[name].__name__}()"
        with in_file(path):
            points = list(known[name]())
        for point in points:
            if not isinstance(point, dict) or not all(map(_is_field, point)):
                raise UsageError(
                    f"config file {path}: {source} must yield overrides such as "
                    f"{{'d_steps': 5}}, not {point!r}"
                )
        parts.append(Part(source, points, of_file=True))
    return parts + [Part(f"--grid {text}", list(parse_grid(text))) for text in grid]


def _is_field(name):
    return isinstance(name, str) and name != ""


def without(part: Part, field: str) -> Part:
    """The points of a part as they are but for a field, each of them once."""
    kept = []
    for point in part.points:
        rest = {name: value for name, value in point.items() if name != field}
        if rest not in kept:
            kept.append(rest)
    return part._replace(points=kept)


def parse_grid(text: str) -> list[Point]:
    """FIELD=VALUE,VALUE,..; a value that has commas itself is put into brackets."""
    field, equals, values = text.partition("=")
    items = _split(values)
    if not equals or not field or not all(items):
        raise UsageError(f"--grid {text}: expected FIELD=VALUE,VALUE,..")
    return [{field: item} for item in items]


def _split(text):
    """At the commas outside of brackets."""
    items, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            items.append("")
        else:
            items[-1] += letter
    return [item.strip() for item in items]


# what they are made into


def resolve(base, changes: dict[str, str], point: Point):
    """The config of a point: the experiment's, the common changes, the point's own.

    The same as that of `python -m gan_jax.main` with a flag for each of them.
    """
    config = from_json(to_json(base))
    overrides = changes | {field: as_text(value) for field, value in point.items()}
    override(config, list(overrides.items()))
    return config


def as_text(value) -> str:
    """A value as a command line would give it."""
    if isinstance(value, tuple | list):
        return f"({','.join(map(as_text, value))})"
    return str(value)


def combine(
    base, changes: dict[str, str], parts: list[Part]
) -> tuple[dict[str, Point], dict[str, ml_collections.ConfigDict]]:
    """The points of all parts multiplied, and their configs, by name.

    Each is resolved and validated. Raises UsageError with what is wrong with a point
    or with two of them.
    """
    points, configs, same = {}, {}, {}
    numbers_only = {
        field
        for part in parts
        if part.source == "population()"
        for point in part.points
        for field in point
    }
    for given in product(*(part.points for part in parts)):
        config = resolve(base, changes, given)
        values = fields(config)
        point = {field: values[field] for field in given}
        name = name_of(point)
        try:
            validate(config)
        except UsageError as error:
            raise UsageError(f"point {name}: {error}") from None
        _refuse_structure(config, numbers_only)
        content = json.dumps(to_json(config), sort_keys=True)
        if content in same:
            names = " and ".join(dict.fromkeys([same[content], name]))
            raise UsageError(f"a point is there twice: {names}")
        if name.lower() in {other.lower() for other in points}:
            raise UsageError(f"two points are named alike: {name}")
        same[content] = name
        points[name], configs[name] = point, config
    return points, configs


def _refuse_structure(config, numbers_only):
    """Fields of population() are numbers, data of one program, or the seed."""
    if not numbers_only - {"seed"}:
        return
    from gan_jax.config.hparams import number_fields

    numbers = number_fields(config)
    for field in sorted(numbers_only - {"seed"} - set(numbers)):
        raise UsageError(
            f"population(): {field} shapes the program, so its values cannot be "
            "trained in one; vary it in sweep(). Numbers of this experiment: seed, "
            f"{', '.join(sorted(numbers))}"
        )


def name_of(point: Point) -> str:
    """The name of a point, which its directory has: "loss.name=saturating,d_steps=5".

    Of the letters A-Z a-z 0-9 . _ = , + - alone, 120 at the most; a point that this
    does not spell out ends in a hash of it, so that names are as different as points.
    """
    if not point:
        return UNCHANGED
    spelt = ",".join(f"{field}={_spelt(value)}" for field, value in point.items())
    safe = re.sub(r"[^A-Za-z0-9._=,+-]", "-", spelt)
    faithful = all(
        re.fullmatch(r"[A-Za-z0-9._-]+", text)
        for value in point.values()
        for text in (value if isinstance(value, tuple) else (value,))
        if isinstance(text, str)
    )
    if faithful and safe == spelt and len(safe) <= _LONGEST:
        return safe
    content = json.dumps(list(point.items()))
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return f"{safe[: _LONGEST - 9]}-{digest}"


def _spelt(value):
    if isinstance(value, tuple):
        return "+".join(map(_spelt, value))
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def place(folder: Path, name: str) -> Path:
    """The work directory of a point; UsageError for one outside of the folder."""
    path = folder / name
    if path.resolve().parent != folder.resolve():
        raise UsageError(f"{name!r} is no name of a point")
    return path
