"""Experiments: Python files that define get_config(), and what a command line changes.

An entry of a config is a name and the keywords of the function that the name stands for
(see `resolve.ENTRIES`), so its fields are checked and typed against that function's
signature. All else is a plain field of `experiments/default.py`.
"""

import contextlib
import importlib.util
import json
import re
import sys
import types
import zlib
from pathlib import Path

import ml_collections

from gan_jax.config.resolve import ENTRIES, OPTIONAL
from gan_jax.config.types import keyword_kinds, parse
from gan_jax.config.validation import FIELDS, is_entry
from gan_jax.errors import UsageError, nearest

# Fields that may change when a run goes on in its work directory.
FREE_FIELDS = (
    "steps",
    "log_every",
    "validate_every",
    "sample_every",
    "checkpoint_every",
    "steps_per_dispatch",
    "devices",
    "data.stream",
    "data.workers",
    "evaluate_every",
    "evaluate_metrics",
    "evaluate_samples",
    "best",
    "on_divergence",
)

# fields that younger versions brought, with what older ones did
_LATER = {
    "accumulate": 1,
    "augmentation": {"name": "none"},
    "best": "none",
    "d_decay": {"name": "none"},
    "d_steps_long": (),
    "devices": 0,
    "dtype": "float32",
    "dynamics": {"name": "none"},
    "ema_start": 0,
    "evaluate_every": 0,
    "evaluate_metrics": (),
    "evaluate_samples": 0,
    "g_decay": {"name": "none"},
    "game": {"name": "gan"},
    "init_from": "none",
    "matmul_precision": "high",
    "on_divergence": "stop",
    "pack": 1,
    "penalty": {"name": "none"},
    "steps_per_dispatch": 0,
}


def experiments_dir() -> Path:
    """The project's own experiments: in the installed package, or beside it."""
    package = Path(__file__).parents[1]
    installed, checkout = package / "experiments", package.parent / "experiments"
    return installed if installed.is_dir() else checkout


def find_experiment(path: str) -> Path:
    """The file that `path` names; the project's own are found from any directory."""
    given = Path(path).expanduser()
    if given.is_file():
        return given.resolve()
    own = {
        Path("experiments", file.relative_to(experiments_dir())): file
        for file in experiments_dir().rglob("[a-z]*.py")
    }
    for name, file in own.items():  # ablations/priors.py and priors.py will do as well
        if given.parts == name.parts[-len(given.parts) :]:
            return file
    names = [name.as_posix() for name in own]
    raise UsageError(f"no config file {path!r}; {nearest(path, names)}")


def own_experiment(name: str) -> Path | None:
    """The project's own file of an experiment that a run was recorded under, if any.

    A record is data, which may come from anywhere: no other file is run for its sake.
    """
    own = {file.stem: file for file in experiments_dir().rglob("[a-z]*.py")}
    return own.get(name)


def load_module(path: str) -> types.ModuleType:
    """The module of an experiment's file, run anew.

    The file may say ``from . import default`` wherever it lies: it is loaded as part of
    a package that holds its own directory and the project's experiments. So is the
    package above, of ``from .. import default``, with the directory above.
    """
    file = find_experiment(path)
    if file.suffix != ".py":
        raise UsageError(
            f"config file {path} is no Python file; an experiment defines get_config()"
        )
    above = "_experiments_" + re.sub(r"\W", "_", str(file.parent))
    folders = {above: file.parent.parent, f"{above}.here": file.parent}
    for name, folder in folders.items():
        package = types.ModuleType(name)
        package.__path__ = [str(folder), str(experiments_dir())]
        sys.modules.setdefault(name, package)
    spec = importlib.util.spec_from_file_location(f"{above}.here.{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    with in_file(path):
        spec.loader.exec_module(module)
    return module


def load_experiment(path: str):
    """The config of an experiment, locked, and the docstring of its file."""
    module = load_module(path)
    with in_file(path):
        get_config = getattr(module, "get_config", None)
        if get_config is None:
            raise UsageError(f"config file {path} defines no get_config()")
        config = get_config()
        if not isinstance(config, ml_collections.ConfigDict):
            raise UsageError(
                f"config file {path}: get_config() must return a ConfigDict"
            )
        config = from_json(to_json(config))  # as it will be read from its record
    return config, module.__doc__ or ""


@contextlib.contextmanager
def in_file(path: str):
    """Whatever a user's file raises is the user's to mend: a UsageError names it."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"config file {path}: {what}") from error


@contextlib.contextmanager
def told_of(path: Path):
    """Within it a UsageError begins with the file that is to be mended."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def override(config, changes: list[tuple[str, str]]) -> None:
    """Applies what a command line says of a config: ("loss.name", "least_squares"), ...

    Another name drops the other keywords of its entry, which belonged to the old one;
    the order of the changes does not matter.
    """
    with config.unlocked():
        for field, text in changes:
            entry, _, key = field.partition(".")
            if entry in OPTIONAL and key == "name" and entry not in config:
                config[entry] = ml_collections.ConfigDict({"name": text})
            if key and entry in ENTRIES and not is_entry(config.get(entry)):
                raise UsageError(
                    f"--config.{field}: config.{entry} of the file has to be a "
                    "ConfigDict with a name and its keywords"
                )
            if key == "name" and entry in ENTRIES and text != config[entry].name:
                config[entry] = ml_collections.ConfigDict({"name": text})
        for field, text in changes:
            entry, _, key = field.partition(".")
            if key == "name" and entry in ENTRIES:
                continue
            if key and entry in ENTRIES:
                accepted = keyword_kinds(entry, config[entry].name)
                if key not in accepted:
                    raise UsageError(
                        f"unknown field config.{field}: {entry} {config[entry].name} "
                        f"has no keyword {key!r}; {nearest(key, accepted)}"
                    )
                config[entry][key] = parse(f"config.{field}", text, accepted[key])
            elif field not in FIELDS:
                raise UsageError(
                    f"unknown field config.{field}; "
                    f"{nearest(field, list(fields(config)))}"
                )
            else:
                config[field] = parse(f"config.{field}", text, FIELDS[field])


def fields(config) -> dict[str, object]:
    """Every field of a config with its value: {"steps": 2000, "loss.name": ...}."""
    flat = {}
    for name, value in config.items():
        if isinstance(value, ml_collections.ConfigDict):
            flat |= {f"{name}.{key}": value[key] for key in value}
        else:
            flat[name] = value
    return flat


def to_json(config) -> dict:
    """The config as JSON values; `from_json` is the way back."""
    return json.loads(json.dumps(config.to_dict()))


def from_json(values: dict):
    """A locked config from what `to_json` gave, in this version or an older one."""

    def restore(value):
        if isinstance(value, dict):
            return {key: restore(item) for key, item in value.items()}
        return tuple(map(restore, value)) if isinstance(value, list) else value

    return ml_collections.ConfigDict(restore(_LATER | values)).lock()


def title(experiment: str, config) -> str:
    """What a run trains, whatever its seed: its experiment and what was changed of it.

    As "ring pack=2 batch_size=200"; a file that is not the project's own is told from
    others by a checksum.
    """
    own = own_experiment(experiment)
    if own is None:
        text = json.dumps(what_it_is(config), sort_keys=True)
        return f"{experiment} {zlib.crc32(text.encode()):08x}"
    changed = [f"{name}={x}" for name, x in changes_of(own, config).items()]
    return " ".join([experiment, *changed])


def what_it_is(config) -> dict[str, object]:
    """The fields that make a run what it is, whatever its seed."""
    free = ("seed", *FREE_FIELDS)
    return {name: x for name, x in fields(config).items() if name not in free}


def changes_of(file: Path, config) -> dict[str, object]:
    """What a config has that its experiment's file has not, whatever its seed."""
    base = fields(load_experiment(str(file))[0])
    ours = what_it_is(config)
    return {name: x for name, x in ours.items() if base.get(name) != x}


def changed_fields(old, new) -> list[str]:
    """The fields, among those that make a run what it is, in which two configs differ.

    Each with its two values: "batch_size: 64 -> 128".
    """
    before, after = fields(old), fields(new)
    names = [name for name in sorted(before | after) if name not in FREE_FIELDS]
    absent = "absent"
    return [
        f"{name}: {before.get(name, absent)} -> {after.get(name, absent)}"
        for name in names
        if before.get(name, absent) != after.get(name, absent)
    ]
