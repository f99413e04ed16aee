"""What a run says where its work directory cannot be written, or memory ends."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from gan_jax import memory
from gan_jax.errors import MemoryExhausted, StorageError, is_of_memory
from gan_jax.loop.checkpoint import saved_steps

_MOST = 150  # letters of a reason
_LESS_MEMORY = (
    "a smaller config.batch_size or a larger config.accumulate needs less, and "
    "--dry_run says how much"
)


@contextlib.contextmanager
def told_in_one_line(workdir: Path) -> Iterator[None]:
    """Within it an OSError becomes a StorageError: what failed, and what is kept.

    And what was raised for lack of memory a MemoryExhausted.
    """
    try:
        yield
    except Exception as error:
        if is_of_memory(error):
            kept = f"{_kept(workdir)}; {_LESS_MEMORY}"
            raise MemoryExhausted(memory.line(error, kept)) from None
        if not isinstance(error, OSError):
            raise
        raise StorageError(
            f"{_reason(error)}; {_room(workdir)}; {_kept(workdir)}"
        ) from None


def _reason(error):
    what = error.filename if isinstance(error.filename, str) else "a file of the run"
    return f"{what} cannot be used: {error.strerror or error}"[:_MOST]


def _room(workdir):
    """How much there is on the disk of the nearest folder that exists."""
    place = workdir.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return f"{shutil.disk_usage(place).free / 2**20:,.1f} MiB are free there"
    except OSError as error:
        return f"how much is free there is not known ({error.strerror})"


def _kept(workdir):
    try:
        steps = saved_steps(workdir / "checkpoints")
    except OSError:
        steps = []
    if not steps:
        return "no checkpoint is left there"
    return (
        f"last good checkpoint: step {steps[-1]:,}, from which the same command goes on"
    )
