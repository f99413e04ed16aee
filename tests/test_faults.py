"""Faults made on purpose, as `python -m gan_jax.faults` makes them for its table."""

import errno
import os
import re
import signal
import threading

import pytest

from gan_jax import cli, main
from gan_jax.faults.__main__ import attempt, make_undisturbed
from gan_jax.faults.kinds import FAULTS, Fault
from gan_jax.faults.trial import Ended, Setting, Trial, in_a_process
from gan_jax.loop.checkpoint import Checkpoints
from gan_jax.loop.log import Album, MetricLog

# those that need a process of their own take seconds: the rest is for the command
APART = (
    "Ctrl-C while Python imports",
    "Ctrl-C in a callback of the garbage collector",
)


def in_this_process(arguments, setting, meanwhile):
    """How a command ended; what it said is left to be captured."""
    assert setting == Setting()
    numbers = signal.SIGHUP, signal.SIGTERM
    # what comes too late, when the run is over, must not end the tests
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    own = (os.getpid(),)
    thread = threading.Thread(target=meanwhile, args=own) if meanwhile else None
    if thread:
        thread.start()
    try:
        status = cli.run(main.main, arguments)
    finally:
        if thread:
            thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    return Ended(status, "")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return make_undisturbed(tmp_path_factory.mktemp("undisturbed"), in_this_process)


@pytest.fixture
def trial(tmp_path, undisturbed, capsys):
    def launch(arguments, setting, meanwhile):
        if setting != Setting():
            return in_a_process(arguments, setting, meanwhile)
        capsys.readouterr()
        ended = in_this_process(arguments, setting, meanwhile)
        return ended._replace(said=capsys.readouterr().err)

    return Trial(tmp_path, undisturbed, launch)


@pytest.mark.parametrize(
    "name", [name for name, fault in FAULTS.items() if not fault.apart or name in APART]
)
def test_a_run_survives(trial, name):
    assert attempt(FAULTS[name], trial).outcome == "survived"


def test_what_is_not_survived_is_said(trial):
    def change_the_log(trial):
        trial.finish_beforehand()
        log = trial.workdir / "metrics.jsonl"
        log.write_text(log.read_text().replace("1", "2", 1))
        return trial.train()

    fault = Fault(change_the_log, 0, "draws the curves anew")
    assert attempt(fault, trial).outcome == "other bits"
    wrong = Fault(lambda trial: trial.train(), 1, "^done")
    assert attempt(wrong, trial).outcome == ("status 0 instead of 1; it did not say so")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\nmore"),
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
    ],
)
def test_memory_that_ends_is_one_line(trial, monkeypatch, error):
    original = MetricLog.write

    def out_of_memory(self, step, row):
        if step == 20:
            raise error
        original(self, step, row)

    monkeypatch.setattr(MetricLog, "write", out_of_memory)
    ended = trial.train()
    assert ended.status == 1
    assert "Traceback" not in ended.said
    last = ended.said.splitlines()[-1]
    assert re.match(r"gan_jax: out of memory near step 2\d", last)
    assert str(error).partition("\n")[0] in last
    assert "; last good checkpoint: step 10, from which the same command" in last
    for help_ in ("config.batch_size", "config.accumulate", "--dry_run"):
        assert help_ in last
    monkeypatch.undo()
    assert trial.train().status == 0
    assert trial.is_as_undisturbed()


def test_what_is_no_lack_of_memory_keeps_its_traceback(trial, monkeypatch):
    def wrong(self, step, row):
        raise RuntimeError("a bug")

    monkeypatch.setattr(MetricLog, "write", wrong)
    with pytest.raises(RuntimeError, match="a bug") as raised:
        trial.train()
    assert raised.value.__notes__ == ["near step 1"]


@pytest.mark.parametrize("owner", [MetricLog, Album, Checkpoints])
def test_a_disk_that_is_full_is_one_line(trial, monkeypatch, owner):
    """At a log, a picture, a checkpoint; the run goes on once there is room."""
    name = {MetricLog: "write", Album: "add", Checkpoints: "save"}[owner]
    original = getattr(owner, name)

    def full(self, *arguments):
        step = getattr(arguments[0], "step", arguments[0])
        if step == 20:
            raise OSError(errno.ENOSPC, "No space left on device", "x")
        original(self, *arguments)

    monkeypatch.setattr(owner, name, full)
    ended = trial.train()
    assert ended.status == 1
    last = ended.said.splitlines()[-1]
    assert last.startswith("gan_jax: x cannot be used: No space left on device; ")
    assert "; last good checkpoint: step 10" in last
    assert "Traceback" not in ended.said
    monkeypatch.undo()
    assert trial.train().status == 0
    assert trial.is_as_undisturbed()
