"""What a command does about its terminal: Ctrl-C, and streams that are gone."""

import os
import signal
import sys
import threading
import types

import pytest

from gan_jax import cli, terminal
from gan_jax.errors import StorageError
from gan_jax.loop.signals import Signals, caught_signals


class Gone:
    """A stream that cannot be written, and what else it has."""

    name = "gone"

    def write(self, text):
        raise OSError(5, "Input/output error")

    flush = property(lambda self: lambda: self.write(""))


def test_a_stderr_that_is_gone_ends_nothing(monkeypatch, capsys):
    def command(arguments):
        print("to nobody", file=sys.stderr)
        sys.stderr.flush()
        assert sys.stderr.name == "gone"
        print("done")

    monkeypatch.setattr(sys, "stderr", Gone())
    assert cli.run(command, []) == 0
    assert capsys.readouterr().out == "done\n"
    assert isinstance(sys.stderr, Gone)  # as it was


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_was_closed_is_none(monkeypatch, stream):
    monkeypatch.setattr(sys, stream, None)
    seen = []

    def command(arguments):
        print("to nobody", file=getattr(sys, stream), flush=True)
        seen.append(getattr(sys, stream))

    assert cli.run(command, []) == 0
    assert seen[0] is not None


def test_a_stdout_that_is_gone_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "drop_the_rest_of_stdout", lambda: None)
    monkeypatch.setattr(sys, "stdout", Gone())
    assert cli.run(lambda arguments: print("result"), []) == 1
    said = capsys.readouterr().err
    assert said == "gan_jax: stdout cannot be written: Input/output error\n"


def test_what_the_system_says_is_one_line_and_a_bug_keeps_its_traceback(capsys):
    def full(arguments):
        raise OSError(28, "No space left on device", "x.png")

    assert cli.run(full, []) == 1
    said = capsys.readouterr().err
    assert said == "gan_jax: [Errno 28] No space left on device: 'x.png'\n"

    def failing(arguments):
        raise StorageError("checkpoints cannot be used")

    assert cli.run(failing, []) == 1
    with pytest.raises(ZeroDivisionError):
        cli.run(lambda arguments: 1 / 0, [])


def test_only_a_command_of_the_package_is_prepared(monkeypatch):
    for argv, orig_argv, expected in (
        (["-m"], ["python", "-m", "gan_jax.main", "--help"], True),
        (["-m"], ["python", "-mgan_jax.sample"], True),
        (["-m"], ["python", "-m", "pytest"], False),
        (["/tmp/x.py"], ["python", "/tmp/x.py", "gan_jax.main"], False),
        ([], ["python"], False),
    ):
        monkeypatch.setattr(sys, "argv", argv)
        monkeypatch.setattr(sys, "orig_argv", orig_argv)
        assert terminal.is_command() is expected


def test_an_interrupt_that_python_ignores_comes_again(monkeypatch):
    """And what else it ignores is reported as ever."""
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    bug, interrupt = (
        types.SimpleNamespace(exc_type=kind, exc_value=kind("x"))
        for kind in (ValueError, KeyboardInterrupt)
    )

    def command(arguments):
        sys.unraisablehook(bug)
        sys.unraisablehook(interrupt)
        threading.Event().wait(60)

    assert cli.run(command, []) == 130
    assert reported == [bug]


@pytest.fixture
def hang_up():
    """A SIGHUP that is not ignored, as it is in the background; what it does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield signal.SIG_DFL
    signal.signal(signal.SIGHUP, before)


def test_a_hang_up_is_one_wish_however_often_it_comes(hang_up):
    with Signals() as signals:
        assert signals.received(0) is None
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received(0) == signal.SIGHUP
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    with caught_signals(patience=1) as received:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert received == [signal.SIGHUP]
    assert signal.getsignal(signal.SIGHUP) is hang_up


def test_a_hang_up_that_is_ignored_stays_so():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals, caught_signals(patience=0) as received:
            os.kill(os.getpid(), signal.SIGHUP)
            assert (signals.received(0), received) == (None, [])
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_command_whose_results_find_no_room_says_so(start, finish):
    program = "import os, runpy, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 1)\n"
    program += "sys.argv[1:] = ['--print_config']\n"
    program += "runpy.run_module('gan_jax.main', run_name='__main__')"
    outcome = finish(start("-c", program))
    line = "gan_jax: stdout cannot be written: No space left on device\n"
    assert (outcome.status, outcome.err) == (1, line)
