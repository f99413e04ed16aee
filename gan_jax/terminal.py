"""What a command does about the terminal it is started from: Ctrl-C, and its streams.

Nothing here is done by an import of the package, only by `python -m gan_jax.COMMAND`.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

from gan_jax.errors import StorageError

_SECONDS_LATER = 0.05


def is_command() -> bool:
    """Whether Python is about to run a module of this package, which it imports now."""
    asked = [argument.removeprefix("-m") for argument in sys.orig_argv]
    return sys.argv[:1] == ["-m"] and any(name.startswith("gan_jax.") for name in asked)


def prepare() -> None:
    """For the seconds of importing: Ctrl-C ends the process without a traceback.

    And streams that are closed become those of no file: the next file to be opened
    would have the number of one, and be written to by whatever reports an error.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)


@contextlib.contextmanager
def attached() -> Iterator[None]:
    """Within it Ctrl-C is a KeyboardInterrupt that nothing swallows, and a stderr that
    is gone or full ends nothing.

    Raises StorageError where stdout cannot be written; BrokenPipeError where nobody
    reads it any more.
    """
    streams, hook = (sys.stdout, sys.stderr), sys.unraisablehook
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = _raised_again(hook)
    with open(os.devnull, "w") as nowhere:
        sys.stdout = _Results(streams[0] or nowhere)
        sys.stderr = _Remarks(streams[1] or nowhere)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            sys.unraisablehook = hook
            if handler is signal.SIG_DFL:
                signal.signal(signal.SIGINT, handler)


def _raised_again(hook):
    """A hook for what Python ignores, such as an error in a callback of the collector.

    A KeyboardInterrupt that came there comes again a moment later, elsewhere.
    """

    def hooked(ignored):
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            again = os.getpid(), signal.SIGINT
            threading.Timer(_SECONDS_LATER, os.kill, again).start()
        # said of a checkpoint that turned out damaged while it was being read
        elif str(ignored.exc_value) != "Event loop is closed":
            hook(ignored)

    return hooked


class _Stream:
    """A stream of text, of which nothing differs but what `write` and `flush` raise."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)


class _Remarks(_Stream):
    """What cannot be written is dropped."""

    def write(self, text):
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self):
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Results(_Stream):
    """What cannot be written is a StorageError."""

    def write(self, text):
        with _told():
            return self._stream.write(text)

    def flush(self):
        with _told():
            self._stream.flush()


@contextlib.contextmanager
def _told():
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_the_rest_of_stdout()
        raise StorageError(f"stdout cannot be written: {error.strerror}") from None


def drop_the_rest_of_stdout() -> None:
    """What is still to be flushed, or Python would fail at it once more at its end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
