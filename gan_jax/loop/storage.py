"""What a run says where its work directory cannot be written any more."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from gan_jax.errors import StorageError
from gan_jax.loop.checkpoint import saved_steps

_MOST = 150  # letters of a reason


@contextlib.contextmanager
def told_in_one_line(workdir: Path) -> Iterator[None]:
    """Within it an OSError becomes a StorageError: what failed, and what is kept."""
    try:
        yield
    except OSError as error:
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
