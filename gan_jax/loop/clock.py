"""How long a run took to its checkpoints: times.jsonl in its work directory.

A line for each of them: the step that its process went on from, the step, and the
seconds since that process began. What is logged of a run depends on the run alone;
this file on the machine and on what else it had to do.
"""

import contextlib
import json
import time
from pathlib import Path

import psutil

from gan_jax.files import named

FILE = "times.jsonl"


def process_start() -> float:
    """When this process began, as `time.time` tells it."""
    return psutil.Process().create_time()


class Clock:
    """Notes when a run that goes on from `start`, 0 if afresh, came to its steps.

    began: when its process did, as `time.time` tells it
    """

    def __init__(self, workdir: Path, start: int, began: float):
        self._file, self._start = workdir / FILE, start
        self._offset = began - time.time() + time.monotonic()
        if not start:
            self._file.unlink(missing_ok=True)

    def note(self, step: int) -> None:
        """Here the state of `step` is saved."""
        seconds = round(time.monotonic() - self._offset, 2)
        row = {"start": self._start, "step": step, "seconds": seconds}
        with named(self._file), self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")


def seconds_until(workdir: Path, step: int) -> float | None:
    """How long the processes that led to a saved step worked; None if not known.

    What a process did after its last checkpoint before it was killed is not counted.
    """
    rows, total = _read(workdir / FILE), 0.0
    while rows:
        row = rows.pop()
        if row["step"] != step:
            continue
        total, step = total + row["seconds"], row["start"]
        if not step:
            return round(total, 2)
    return None


def _read(path):
    """The rows that are whole, in order."""
    rows = []
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                rows.append({x: row[x] + 0 for x in ("start", "step", "seconds")})
    return rows
