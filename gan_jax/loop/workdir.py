"""The work directory of a run: its record, and whose it is."""

import contextlib
import json
import math
import shutil
from pathlib import Path

import filelock
import jax

from gan_jax import provenance
from gan_jax.config.files import changed_fields, from_json, to_json
from gan_jax.errors import InUseError, UsageError
from gan_jax.files import write_text
from gan_jax.loop import clock
from gan_jax.loop.checkpoint import saved_steps
from gan_jax.metrics.protocol import forget


def write_record(
    workdir: Path, config, experiment: str, info: dict, divergences=()
) -> None:
    """Writes config.json: what the run is, and what it was run with.

    divergences: after which it went back, see `loop.divergence`
    """
    devices = jax.devices()
    record = {
        "experiment": experiment,
        "config": to_json(config),
        "data": info,
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "devices": [f"{device.platform}: {device.device_kind}" for device in devices],
    }
    if divergences:
        record["divergences"] = [each._asdict() for each in divergences]
    write_text(workdir / "config.json", json.dumps(record, indent=2) + "\n")


def read_record(workdir: Path) -> dict | None:
    """The content of a work directory's config.json; None where there is none."""
    path = workdir / "config.json"
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text())
        from_json(record["config"]), record["data"]["shape"], record["experiment"]
        [(each["what"], each["back_to"]) for each in record.get("divergences", ())]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path} is not the record of a run") from None
    return record


def refuse_another_run(workdir, config, experiment):
    """Raises UsageError where the directory holds a run that this one is not."""
    if not workdir.exists():
        return
    if not workdir.is_dir():
        raise UsageError(f"work directory {workdir} is a file")
    if not saved_steps(workdir / "checkpoints"):
        return  # whatever was tried here came to nothing
    record = read_record(workdir)
    if record is None:
        raise UsageError(f"{workdir} has checkpoints, but no config.json")
    if record["experiment"] != experiment:
        raise UsageError(
            f"{workdir} holds a run of experiment {record['experiment']}, not of "
            f"{experiment}; choose another --workdir"
        )
    changed = changed_fields(from_json(record["config"]), config)
    if changed:
        raise UsageError(
            f"{workdir} holds a run of another config ({'; '.join(changed)}); undo the "
            "change to go on with it, or choose another --workdir"
        )


def refuse_other_data(workdir: Path, info: dict) -> None:
    """Raises UsageError where the run of the directory was trained on other data.

    info: of the data that it would go on with. What was fitted to data may differ in
          its last digits, as it does between machines
    """
    if not saved_steps(workdir / "checkpoints"):
        return
    record = read_record(workdir)
    there, now = record["data"], json.loads(json.dumps(info))
    changed = [name for name in there.keys() & now.keys() if _differ(there, now, name)]
    if changed:
        raise UsageError(
            f"{workdir} holds a run on other data (changed: "
            f"{', '.join(sorted(changed))}); bring them back to go on with it, or "
            "choose another --workdir"
        )


def _differ(there, now, name):
    (a, one), (b, other) = (jax.tree.flatten(x[name]) for x in (there, now))
    return one != other or any(
        x != y if isinstance(x, str) or isinstance(y, str) else not _close(x, y)
        for x, y in zip(a, b, strict=True)
    )


def _close(x, y):
    return math.isclose(x, y, rel_tol=1e-4, abs_tol=1e-6)


def forget_after(workdir: Path, step: int | None) -> None:
    """Removes what was measured and kept of steps that a run is about to take again.

    step: where it goes on; None where it starts afresh
    """
    forget(workdir, step)
    if step is None:
        (workdir / clock.FILE).unlink(missing_ok=True)
    for saved in saved_steps(workdir / "best"):
        if step is None or saved > step:
            shutil.rmtree(workdir / "best" / str(saved))


@contextlib.contextmanager
def claim(workdir, name=".lock", timeout=0.0):
    """Holds the work directory for this process alone, by a lock of this name.

    Raises InUseError where another process still does after `timeout` seconds,
    UsageError where there is no lock to be had.
    """
    lock = filelock.FileLock(workdir / name)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=timeout)
    except filelock.Timeout:
        raise InUseError(f"{workdir} is in use by another process") from None
    except OSError as error:
        raise UsageError(
            f"work directory {workdir} cannot be written: {error.strerror}"
        ) from None
    with lock:
        yield
