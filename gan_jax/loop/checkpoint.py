"""Checkpoints of whole training states, through Orbax.

Orbax writes each atomically and in the background. What it lacks is added here: a
checksum for every leaf (a flipped bit would load silently), and falling back to the
checkpoint before when the newest is damaged.
"""

import contextlib
import errno
import functools
import logging
import os
import shutil
import sys
import traceback
import warnings
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import DamagedError, UsageError, is_of_memory, may_pass
from gan_jax.loop import multihost

_KEEP = 3


def _orbax():
    """Orbax's module, whose import takes as long as that of flax."""
    from orbax.checkpoint import v1

    return v1


class Checkpoints:
    """Writes checkpoints under `root`, keeping the newest few.

    step: where the run goes on; checkpoints of later steps, which are damaged or which
          the other members of a population lack, are moved to `root`-set-aside

    Use as a context manager: leaving it waits for what is still being written.
    """

    def __init__(self, root: Path, step: int):
        if multihost.is_chief():
            for saved in saved_steps(root):
                if saved > step:
                    _move_away(root, saved)
            root.mkdir(parents=True, exist_ok=True)
        multihost.wait_for_all("later checkpoints are set aside")
        self._root, self._latest = root, max(saved_steps(root), default=None)
        _quiet_orbax()
        ocp = _orbax()
        # else threads wait for minutes for a folder that cannot be made
        how = ocp.options.AsyncOptions(create_directories_asynchronously=False)
        self._context = functools.partial(ocp.Context, async_options=how)
        self._orbax = ocp.training.Checkpointer(
            str(root.absolute()),
            cleanup_tmp_directories=True,
            preservation_policy=ocp.training.preservation_policies.LatestN(_KEEP),
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with self._writing():
            self._orbax.close()

    @property
    def latest(self) -> int | None:
        """The step saved last, the disk permitting; None before the first."""
        return self._latest

    def save(self, state) -> None:
        """Saves `state` under its step, unless that is there.

        Waits for the state to be computed, but not for the disk: a step that is given
        its buffers meanwhile works on copies. Raises OSError where there is no folder
        to write to, or no room: also at the next call, or on leaving, of what was still
        being written.
        """
        step = int(state.step)
        if step == self._latest:
            return
        if multihost.is_chief():
            self._refuse_lack_of_room(state)
        about = {"crc32": checksums(state)}
        with self._writing(), self._context():
            self._orbax.save_async(step, state, force=True, custom_metadata=about)
        self._latest = step

    def _refuse_lack_of_room(self, state):
        """Raises OSError where the folder is gone, which Orbax would make anew."""
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        if shutil.disk_usage(self._root).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._root))

    @contextlib.contextmanager
    def _writing(self):
        """Within it, whatever Orbax raises is an OSError of the folder."""
        try:
            yield
        except Exception as error:
            said = [each for each in _chain(error) if getattr(each, "errno", None)]
            number = said[0].errno if said else errno.EIO
            reason = said[0].strerror if said else _one_line(error)
            if any(map(is_of_memory, _chain(error))):
                number = errno.ENOMEM
            raise OSError(number, reason, str(self._root)) from None


def save_alone(root: Path, state) -> None:
    """Saves `state` as the one checkpoint under `root`; returns when it is written."""
    step = int(state.step)
    with Checkpoints(root, step) as checkpoints:
        checkpoints.save(state)
    for other in saved_steps(root):
        if other != step:
            shutil.rmtree(root / str(other))


def saved_steps(root: Path) -> list[int]:
    """The steps with a finished checkpoint under `root`, oldest first."""
    if not root.is_dir():
        return []
    return sorted(int(path.name) for path in root.iterdir() if path.name.isdigit())


def _move_away(root: Path, step: int) -> None:
    folder = root.with_name(f"{root.name}-set-aside")
    folder.mkdir(exist_ok=True)
    target = folder / str(step)
    shutil.rmtree(target, ignore_errors=True)  # of an earlier time
    (root / str(step)).rename(target)


def restore(root: Path, like, step: int | None = None, mesh=None):
    """The state saved at `step`, or the newest one that is whole.

    like: a state, or its shapes as `jax.eval_shape` gives them
    mesh: the devices to put it on; None for the default one. It does not matter which
          devices it was saved from

    Damaged checkpoints are passed over with a line on stderr. Raises DamagedError where
    none is left, UsageError where one is not there, or cannot be read for a reason that
    may pass.
    """
    _quiet_orbax()
    steps = saved_steps(root)
    if step is not None and step not in steps:
        found = ", ".join(map(str, steps)) or "none"
        raise UsageError(f"no checkpoint of step {step} in {root}; there are: {found}")
    place = (
        jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        if mesh is None
        else jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    )
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), like
    )
    for candidate in [step] if step is not None else reversed(steps):
        try:
            return _load(root / str(candidate), like)
        except Exception as error:  # Orbax raises many kinds for a damaged file
            chain = list(_chain(error))
            reason = _one_line(chain[-1])
            if any(map(may_pass, chain)):
                raise UsageError(
                    f"checkpoint {candidate} in {root} cannot be read now ({reason})"
                ) from None
            print(f"checkpoint {candidate} is damaged ({reason})", file=sys.stderr)
    if step is not None:
        others = ", ".join(str(other) for other in steps if other != step) or "none"
        raise DamagedError(f"checkpoint {step} in {root} is damaged; others: {others}")
    raise DamagedError(f"no checkpoint in {root} can be read")


def _chain(error):
    """The error, and what it was raised for, one after the other."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]


def _quiet_orbax():
    """Its threads and tasks log their tracebacks beside raising them; we say a line."""
    for name in ("", "absl", "asyncio"):
        logger = logging.getLogger(name)
        if _is_not_orbax not in logger.filters:
            logger.addFilter(_is_not_orbax)
    unfinished = r"coroutine 'Store\._get_array_metadatas' was never awaited"
    warnings.filterwarnings("ignore", unfinished, RuntimeWarning)


def _is_not_orbax(record):
    places = [record.pathname]
    if record.exc_info:
        places += [frame.filename for frame in traceback.extract_tb(record.exc_info[2])]
    return not any(f"{os.sep}orbax{os.sep}" in place for place in places)


def _load(path: Path, like):
    ocp, path = _orbax(), path.absolute()
    _open_all(path)
    saved = ocp.metadata(path).custom_metadata["crc32"]
    state = ocp.load(path, like, checkpointable_name="state")
    wrong = [leaf for leaf, crc in checksums(state).items() if saved.get(leaf) != crc]
    if wrong:
        raise ValueError(f"checksum mismatch in {', '.join(wrong[:3])}")
    return state


def _open_all(path):
    """Raises the OSError of what cannot be opened, which Orbax has other words for."""

    def refuse(error):
        raise error

    for folder, _, files in os.walk(path, onerror=refuse):
        for file in files:
            open(os.path.join(folder, file), "rb").close()


def checksums(tree) -> dict[str, int]:
    """CRC-32 of every leaf's bytes, by its path."""

    def crc(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return zlib.crc32(np.ascontiguousarray(leaf))

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): crc(leaf)
        for path, leaf in leaves
    }
