"""What is known of a result: runs of one experiment, as a small JSON file keeps them.

An entry has cells, as a sweep has: what is compared, each the runs that differ in their
seed alone. A single experiment is one cell without overrides. What was measured before
there was a ledger is `told`, in words.
"""

import contextlib
import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from gan_jax.config.files import (
    experiments_dir,
    fields,
    from_json,
    load_experiment,
    own_experiment,
    what_it_is,
)
from gan_jax.errors import UsageError
from gan_jax.files import write_text
from gan_jax.metrics.protocol import Measurement, Protocol
from gan_jax.sweep.points import resolve

_SECONDS_FOR_LOCK = 60


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A run as far as the step that was judged.

    seconds:      of its processes up to there, imports and compilation among them
    memory:       bytes that these had at the most
    cores:        how many it could use
    samples:      checksum of the pixels of the picture of its samples at that step
    measurements: of that step, in the order in which they were made; of what run, the
                  entry says
    logged:       the newest of what the log tells of the samples
    """

    seed: int
    step: int
    seconds: float | None = None
    memory: int | None = None
    processor: str | None = None
    cores: int | None = None
    devices: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    samples: str | None = None
    measurements: list[Measurement] = field(default_factory=list)
    logged: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Runs that differ in their seed alone; overrides: what sets a sweep's apart."""

    overrides: dict = field(default_factory=dict)
    runs: list[Trained] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A result.

    experiment: the name of its file, without the suffix
    changes:    of the file's config: {"pack": 2}
    checksum:   of the config, see `config_checksum`; of a sweep, that of its base
    shown:      the values that a row of a table shows of it, by name; none: all
    seen:       what was seen in the pictures, in words
    note:       what else has to be known, as of the machine
    told:       of results without runs: `short`, the cell of a table, and `text`
    real:       what held-out examples got where samples were judged
    """

    experiment: str
    changes: dict = field(default_factory=dict)
    checksum: str | None = None
    shown: list[str] = field(default_factory=list)
    seen: str = ""
    note: str = ""
    told: dict[str, str] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    real: list[Measurement] = field(default_factory=list)


def directory() -> Path:
    """Where the project's own entries are."""
    return experiments_dir() / "results"


def config_checksum(config) -> str:
    """16 hexadecimal digits of what makes a run what it is, whatever its seed.

    Fields that younger versions brought count where they are not as before.
    """
    before = fields(from_json({}))
    kept = {
        name: x
        for name, x in what_it_is(config).items()
        if name not in before or x != before[name]
    }
    text = json.dumps(kept, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_current(entry: Entry) -> bool:
    """Whether the experiment's file, changed as said, is what the runs were of."""
    file = own_experiment(entry.experiment)
    if file is None:
        return False
    base, _ = load_experiment(str(file))
    try:
        config = resolve(base, {}, entry.changes)
    except UsageError:  # it has not what was changed any more
        return False
    return config_checksum(config) == entry.checksum


def read(folder: Path) -> dict[str, Entry]:
    """All entries of a folder by name, in alphabetical order."""
    return {file.stem: _load(file) for file in sorted(folder.glob("*.json"))}


@contextlib.contextmanager
def alone(folder: Path):
    """While entered, no other process adds to a ledger."""
    lock = folder.with_name(f".{folder.name}.lock")
    try:
        with filelock.FileLock(lock, timeout=_SECONDS_FOR_LOCK):
            yield
    except (OSError, filelock.Timeout) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--ledger={folder} cannot be written: {reason}") from None


def write(folder: Path, name: str, entry: Entry) -> Path:
    """Writes an entry, as the same bytes for the same content; returns its file."""
    if not re.fullmatch(r"\w[-\w]*", name):
        raise UsageError(f"--name={name}: letters, digits, - and _")
    file = folder / f"{name}.json"
    folder.mkdir(exist_ok=True)
    write_text(file, json.dumps(_packed(entry), indent=1, ensure_ascii=False) + "\n")
    return file


def _packed(entry):
    """As JSON values: what is empty is left out, and protocols are listed once."""
    protocols = []

    def number(protocol):
        values = {k: x for k, x in protocol.items() if x is not None}
        if values not in protocols:
            protocols.append(values)
        return protocols.index(values)

    def pack(value):
        if isinstance(value, Protocol):
            return number(dataclasses.asdict(value))
        if dataclasses.is_dataclass(value):
            own = {x.name: getattr(value, x.name) for x in dataclasses.fields(value)}
            kept = {k: x for k, x in own.items() if x not in (None, "", [], {})}
            return {name: pack(item) for name, item in kept.items()}
        return [pack(item) for item in value] if isinstance(value, list) else value

    packed = pack(entry)
    return packed | ({"protocols": protocols} if protocols else {})


def _load(file):
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        protocols = [Protocol(**x) for x in values.pop("protocols", [])]

        def measured(values):
            return Measurement(**values | {"protocol": protocols[values["protocol"]]})

        def trained(values):
            found = [measured(x) for x in values.pop("measurements", [])]
            return Trained(**values, measurements=found)

        cells = [
            Cell(
                overrides=cell.get("overrides", {}),
                runs=[trained(x) for x in cell["runs"]],
            )
            for cell in values.pop("cells", [])
        ]
        real = [measured(x) for x in values.pop("real", [])]
        entry = Entry(**values, cells=cells, real=real)
        if not entry.cells and not {"short", "text"} <= entry.told.keys():
            raise ValueError("neither cells nor told")
        return entry
    except (ValueError, KeyError, TypeError, IndexError, UsageError) as error:
        raise UsageError(f"{file} is no entry of a ledger: {error}") from None
