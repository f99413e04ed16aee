"""A tiny run that a fault befalls, and the same run undisturbed."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gan_jax
from gan_jax.loop.checkpoint import checksums

STEPS = 40
FLAGS = (
    f"--config.steps={STEPS}",
    "--config.log_every=1",
    "--config.checkpoint_every=10",
    "--config.sample_every=20",
    "--config.batch_size=16",
    "--config.generator.widths=16",
    "--config.discriminator.widths=16",
    "--config.prior.dim=8",
    "--config.sample_grid=2,2",
    "--config.devices=1",
)
_ROWS = 15  # of the log, after which a run is disturbed
_SECONDS = 0.005  # from one look at it to the next
_LONGEST = 300  # seconds that a command may take

COMMAND = ("-m", "gan_jax.main")

# what a process does before it becomes another: a fork of this one, which has threads
# of JAX, could not
_PREPARED = """
import os, resource, signal, sys

_, file_size, files, memory, streams, *command = sys.argv
limits = {"RLIMIT_FSIZE": file_size, "RLIMIT_NOFILE": files, "RLIMIT_DATA": memory}
for limit, value in limits.items():
    if int(value) > 0:
        resource.setrlimit(getattr(resource, limit), (int(value), int(value)))
if streams == "closed":
    os.closerange(0, 3)
for number in signal.SIGINT, signal.SIGHUP:  # in the background they are ignored
    signal.signal(number, signal.SIG_DFL)
os.execv(command[0], command)
"""


class Ended(NamedTuple):
    """How a command ended, and what it said on stderr."""

    status: int
    said: str


class Setting(NamedTuple):
    """What a process is given, beside its arguments.

    file_size:   bytes that a file may have, as if the disk were full then
    files:       that it may have open
    memory:      bytes that it may have
    streams:     "closed", or "full" as if stdout and stderr were on a full disk
    environment: None for a variable that is to be left out
    program:     of Python; what comes before its flags
    """

    file_size: int | None = None
    files: int | None = None
    memory: int | None = None
    streams: str | None = None
    environment: dict[str, str | None] = {}  # noqa: RUF012 - never changed
    program: tuple[str, ...] = COMMAND


# (arguments, setting, meanwhile) -> Ended; `meanwhile(pid)` is called in a thread
Launch = Callable[[list[str], Setting, Callable[[int], None] | None], Ended]


class Trial:
    """A run in a folder of its own.

    undisturbed: the work directory of the same run, to be compared with
    launch:      how a command is run: `in_a_process` unless told otherwise
    """

    def __init__(self, folder: Path, undisturbed: Path, launch: Launch):
        self.folder, self.workdir = folder, folder / "run"
        self._undisturbed, self._launch = undisturbed, launch

    def train(self, *changes: str, disturb=None, setting: Setting | None = None):
        """Trains the run or goes on with it; its `Ended`.

        disturb: (pid) -> None, called once some steps are logged
        """
        meanwhile = None
        if disturb is not None:

            def meanwhile(pid):
                self._wait_for_rows()
                disturb(pid)

        arguments = [*FLAGS, f"--workdir={self.workdir}", *changes]
        return self._launch(arguments, setting or Setting(), meanwhile)

    def finish_beforehand(self) -> None:
        """The run as it is when nothing disturbs it."""
        shutil.copytree(self._undisturbed, self.workdir)

    def is_as_undisturbed(self) -> bool:
        """Whether the log and the last state are equal to the last bit, and the
        pictures those of the same run."""
        pairs = [
            ((folder / "metrics.jsonl").read_bytes(), _of_state(folder))
            for folder in (self.workdir, self._undisturbed)
        ]
        pictures = ("losses.png", "samples.gif")
        drawn = [
            [(folder / name).read_bytes() for name in pictures]
            for folder in (self.workdir, self._undisturbed)
        ]
        return pairs[0] == pairs[1] and drawn[0] == drawn[1]

    def _wait_for_rows(self):
        log, deadline = self.workdir / "metrics.jsonl", time.monotonic() + _LONGEST
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if log.read_bytes().count(b"\n") >= _ROWS:
                    return
            time.sleep(_SECONDS)


def _of_state(folder):
    return checksums(gan_jax.load(folder).state)


def in_a_process(arguments, setting, meanwhile) -> Ended:
    """Runs a command in a process of its own."""
    given = os.environ | setting.environment
    limits = [
        str(setting.file_size or -1),
        str(setting.files or -1),
        str(setting.memory or -1),
        setting.streams or "open",
    ]
    program = [sys.executable, *setting.program]
    sink = None
    if setting.streams == "full":
        sink = open("/dev/full", "w")  # noqa: SIM115 - closed below
    process = subprocess.Popen(
        [sys.executable, "-c", _PREPARED, *limits, *program, *arguments],
        env={name: value for name, value in given.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=sink or subprocess.DEVNULL,
        stderr=sink or subprocess.PIPE,
        text=True,
    )
    if sink:
        sink.close()
    if meanwhile is not None:
        threading.Thread(target=meanwhile, args=(process.pid,), daemon=True).start()
    try:
        said = process.communicate(timeout=_LONGEST)[1]
    finally:
        process.kill()
    return Ended(process.returncode, said or "")
