"""How long a run took to its checkpoints: times.jsonl in its work directory.

A line for each of them: the step that its process went on from, the step, the seconds
since that process began, and the bytes of memory that it has had at the most, where
that is known. What is logged of a run depends on the run alone; this file on the
machine and on what else it had to do.
"""

import contextlib
import json
import time
from pathlib import Path

import psutil
from tqdm import tqdm

from gan_jax import memory
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

    def note(self, step: int) -> None:
        """Here the state of `step` is saved."""
        seconds = round(time.monotonic() - self._offset, 2)
        row = {"start": self._start, "step": step, "seconds": seconds}
        row["memory"] = max(filter(None, memory.peak()), default=None)
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


def memory_until(workdir: Path, step: int) -> int | None:
    """Bytes of memory that they had at the most; None if not known."""
    rows = [row for row in _read(workdir / FILE) if row["step"] <= step]
    return max((row["memory"] for row in rows if row["memory"]), default=None)


def said(workdir: Path, step: int) -> str:
    """How long a run took to a step, and its memory: "; 02:05, 1.3 GiB of memory"."""
    seconds, most = seconds_until(workdir, step), memory_until(workdir, step)
    if seconds is None:
        return ""
    beside = f", {most / 2**30:.2g} GiB of memory" if most else ""
    return f"; {tqdm.format_interval(seconds)}{beside}"


def _read(path):
    """The rows that are whole, in order."""
    rows = []
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                known = {x: row[x] + 0 for x in ("start", "step", "seconds")}
                rows.append(known | {"memory": row.get("memory")})
    return rows
