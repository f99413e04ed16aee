"""The faults, each a function that disturbs a `Trial`; `FAULTS` names all of them."""

import os
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from gan_jax.faults.trial import STEPS, Ended, Setting, Trial


class Fault(NamedTuple):
    """disturb: (trial) -> how the command that it befell ended
    status:  with which it has to end
    says:    of which its last line has to speak, a regular expression
    apart:   whether it needs a process of its own
    """

    disturb: Callable[[Trial], Ended]
    status: int
    says: str = "^done: "
    apart: bool = False


def _killed(trial):
    return trial.train(disturb=lambda pid: os.kill(pid, signal.SIGKILL))


def _hung_up(trial):
    return trial.train(disturb=lambda pid: os.kill(pid, signal.SIGHUP))


def _interrupted_in_a_callback(trial):
    """Of the garbage collector, before the first step: Python ignores what it raises"""
    return trial.train(setting=Setting(program=("-c", _INTERRUPTED)))


_INTERRUPTED = """
import gc, importlib, os, signal, sys
from gan_jax import cli, main

train = importlib.import_module("gan_jax.loop.train")  # gan_jax.train is its function
prepare = train.prepare

def callback(phase, info):
    gc.callbacks.remove(callback)
    os.kill(os.getpid(), signal.SIGINT)

def interrupted(config):
    gc.callbacks.append(callback)
    gc.collect()
    return prepare(config)

train.prepare = interrupted
sys.exit(cli.run(main.main))
"""


def _interrupted_while_importing(trial):
    """By a module in the place of one that the package imports."""
    place = trial.folder / "first"
    place.mkdir()
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    (place / "optax.py").write_text(text)
    path = os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])
    return trial.train(setting=Setting(environment={"PYTHONPATH": path}))


def _no_room(size):
    return lambda trial: trial.train(setting=Setting(file_size=size))


def _checkpoints_replaced(trial):
    place, taken = trial.workdir / "checkpoints", trial.folder / "taken"

    def replace(pid):
        place.rename(taken)
        place.write_text("")

    ended = trial.train(disturb=replace)
    place.unlink()
    taken.rename(place)
    return ended


def _renamed(trial):
    other = trial.folder / "renamed"
    ended = trial.train(disturb=lambda pid: trial.workdir.rename(other))
    if trial.workdir.exists():  # it was renamed while a checkpoint was being written
        trial.workdir.rename(trial.folder / "rest")
    other.rename(trial.workdir)
    return ended


def _streams(how):
    return lambda trial: trial.train(setting=Setting(streams=how))


def _pictures_torn(trial):
    trial.finish_beforehand()
    (trial.workdir / "samples.gif").write_bytes(b"")
    curves = trial.workdir / "losses.png"
    curves.write_bytes(curves.read_bytes()[:1000])
    return trial.train()


def _checkpoint_damaged(trial):
    """One bit in the middle of the largest file of the newest one."""
    trial.finish_beforehand()
    newest = trial.workdir / "checkpoints" / str(STEPS)
    largest = max(files_of(newest), key=lambda file: file.stat().st_size)
    flip(largest, largest.stat().st_size // 2, 0)
    return trial.train()


def files_of(folder):
    """The files below a folder, in the order of their names."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def flip(file, byte: int, bit: int) -> None:
    """Flips one bit of a file."""
    content = bytearray(file.read_bytes())
    content[byte] ^= 1 << bit
    file.write_bytes(content)


def _logs_torn(trial):
    """After which a checkpoint is taken away, too, so that the run has to go on."""
    trial.finish_beforehand()
    (trial.workdir / "checkpoints" / str(STEPS)).rename(trial.folder / "taken")
    for name in ("metrics.jsonl", "evaluation.jsonl"):
        with (trial.workdir / name).open("a") as file:
            file.write('{"step": 1')
    return trial.train()


def _record_edited(trial):
    trial.finish_beforehand()
    record = trial.workdir / "config.json"
    content = record.read_text()
    record.write_text(content.replace('"batch_size": 16', '"batch_size": 17'))
    ended = trial.train(f"--config.steps={STEPS + 1}")
    record.write_text(content)
    return ended


def _clock_moved_back(trial):
    """All files of a run that is interrupted are from a year to come."""
    trial.train(disturb=lambda pid: os.kill(pid, signal.SIGTERM))
    later = time.time() + 365 * 24 * 3600
    for file in files_of(trial.workdir):
        os.utime(file, (later, later))
    return trial.train()


def _diverged(trial):
    rate = "--config.g_optimizer.learning_rate=1e30"
    return trial.train(rate)


def _memory_limited(trial):
    """To less than the first state of a D of this width takes."""
    wide = "--config.discriminator.widths=1_000_000"
    return trial.train(wide, setting=Setting(memory=1_500_000_000))


def _two_at_once(trial):
    """The second one starts while the first is stopped in the middle."""
    ended = []

    def meet(pid):
        os.kill(pid, signal.SIGSTOP)
        ended.append(trial.train())
        os.kill(pid, signal.SIGCONT)

    trial.train(disturb=meet)
    return ended[0]


def _cache_of_garbage(trial):
    place = trial.folder / "cache"
    setting = Setting(
        environment={"GAN_JAX_CACHE": str(place), "JAX_COMPILATION_CACHE_DIR": None}
    )
    trial.train(f"--config.steps={STEPS // 2}", setting=setting)
    for file in files_of(place):
        file.write_bytes(b"garbage")
    return trial.train(setting=setting)


def _cache_that_is_none(trial):
    place = trial.folder / "cache"
    place.write_text("a file")
    environment = {"GAN_JAX_CACHE": str(place), "JAX_COMPILATION_CACHE_DIR": None}
    return trial.train(setting=Setting(environment=environment))


_NOT_WRITTEN = "^gan_jax: .* MiB are free there; (last good|no) checkpoint"
FAULTS = {
    "killed in the middle": Fault(_killed, -signal.SIGKILL, "", apart=True),
    "terminal closed (SIGHUP)": Fault(_hung_up, 129, "interrupted and saved at step"),
    "Ctrl-C while Python imports": Fault(
        _interrupted_while_importing, -signal.SIGINT, "^$", apart=True
    ),
    "Ctrl-C in a callback of the garbage collector": Fault(
        _interrupted_in_a_callback, 130, "^gan_jax 0", apart=True
    ),
    "stdin, stdout and stderr closed": Fault(_streams("closed"), 0, "", apart=True),
    "stdout and stderr full": Fault(_streams("full"), 0, "", apart=True),
    "no room for a log": Fault(_no_room(3_500), 1, _NOT_WRITTEN, apart=True),
    "no room for a checkpoint": Fault(_no_room(9_000), 1, _NOT_WRITTEN, apart=True),
    "no room for a picture": Fault(_no_room(60_000), 1, _NOT_WRITTEN, apart=True),
    "checkpoints/ replaced by a file": Fault(_checkpoints_replaced, 1, _NOT_WRITTEN),
    "work directory renamed": Fault(_renamed, 1, _NOT_WRITTEN),
    "pictures torn or missing": Fault(_pictures_torn, 0, "draws the curves anew"),
    "a bit of the newest checkpoint flipped": Fault(_checkpoint_damaged, 0),
    "last lines of both logs torn": Fault(_logs_torn, 0),
    "config.json edited by hand": Fault(
        _record_edited, 2, "batch_size: 17 -> 16.*undo the change"
    ),
    "clock moved back": Fault(_clock_moved_back, 0),
    "a loss that is not finite": Fault(
        _diverged, 3, "diverged: .*; last good checkpoint: none$"
    ),
    "two processes on one directory": Fault(
        _two_at_once, 2, "is in use by another process", apart=True
    ),
    "64 open files at the most": Fault(
        lambda trial: trial.train(setting=Setting(files=64)), 0, apart=True
    ),
    "a limit of memory": Fault(
        _memory_limited,
        1,
        "^gan_jax: out of memory: .*RLIMIT_DATA is .*; no checkpoint is left",
        apart=True,
    ),
    "a cache filled with garbage": Fault(_cache_of_garbage, 0, apart=True),
    "a cache that cannot be written": Fault(_cache_that_is_none, 0, apart=True),
}
