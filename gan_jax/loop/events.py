"""TensorBoard's events of a run, written by the thread that logs.

tensorboardX's `SummaryWriter` has a thread of its own, which dies of a full disk with a
traceback; the next events would wait for it for ever.
"""

import time
from pathlib import Path

import numpy as np
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import image, scalar

from gan_jax.files import named


class Events:
    """A file of events in `folder`; TensorBoard drops earlier ones after `step`."""

    def __init__(self, folder: Path, step: int):
        self._folder = folder
        folder.mkdir(exist_ok=True)
        # tensorboardX names files by the second, and writes over one that is there
        suffix = f".{time.time_ns()}"
        self._file = EventsWriter(str(folder / "events"), filename_suffix=suffix)
        start = SessionLog(status=SessionLog.START)
        self._write(step=step + 1, session_log=start)

    def write_scalars(self, step: int, metrics: dict[str, float]) -> None:
        """Numbers of a step. Raises OSError, as all of this does."""
        for name, value in metrics.items():
            self._write(step=step, summary=scalar(name, value))

    def write_image(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture of a step, uint8 [H, W, 3]."""
        self._write(step=step, summary=image(name, picture, dataformats="HWC"))

    def close(self) -> None:
        with named(self._folder):
            self._file.close()

    def _write(self, **content):
        with named(self._folder):
            self._file.write_event(Event(wall_time=time.time(), **content))
