"""Signals as a wish that the loop can grant when its state is whole."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils

_SECONDS_TOGETHER = 1.0


class Signals:
    """While entered, `received(step)` is the number of the first signal, or None.

    Ctrl-C, SIGTERM, or SIGHUP of a terminal that was closed; a hang-up that is ignored,
    as under nohup, stays so. Another Ctrl-C or SIGTERM raises KeyboardInterrupt at
    once. Another SIGHUP does not, since a terminal and its shell send one each; nor
    does a second SIGTERM within a second, since whoever ends a tree of processes tells
    each of them, and a parent tells its children again. Outside of the main thread,
    where Python allows no handlers, signals keep their usual meaning. In a job of
    several hosts JAX listens for SIGTERM, and all processes are told of it after the
    same step; the others are made one.
    """

    def __init__(self):
        self._first: int | None = None
        self._first_at = -math.inf
        self._shared = jax.process_count() > 1

    def __enter__(self):
        self._previous = {}
        on_main_thread = threading.current_thread() is threading.main_thread()
        for number in _wanted() if on_main_thread else ():
            if not self._shared:
                self._previous[number] = signal.signal(number, self._handle)
            elif number != signal.SIGTERM:
                self._previous[number] = signal.signal(number, _pass_on)
        return self

    def __exit__(self, *error):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def received(self, step: int) -> int | None:
        """The signal that came, asked for after `step`."""
        if self._shared and multihost_utils.reached_preemption_sync_point(step):
            return signal.SIGTERM
        return self._first

    def _handle(self, number, frame):
        now = time.monotonic()
        if self._first is None:
            self._first, self._first_at = number, now
        elif (
            number == self._first == signal.SIGTERM
            and now - self._first_at < _SECONDS_TOGETHER
        ):
            return
        elif number in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt


def _wanted():
    """Those that end a run, but for a hang-up that is ignored."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, "SIGHUP", None)  # there is none on Windows
    if hang_up and signal.getsignal(hang_up) is not signal.SIG_IGN:
        numbers.append(hang_up)
    return numbers


def _pass_on(number, frame):
    signal.raise_signal(signal.SIGTERM)


@contextlib.contextmanager
def caught_signals(patience: float) -> Iterator[list[int]]:
    """The signals that came, as for `Signals`; KeyboardInterrupt after `patience`.

    For what starts runs, which have handlers of their own while they train.
    """
    received = []

    def handle(number, frame):
        if received and number not in (signal.SIGINT, signal.SIGTERM):
            return
        received.append(number)
        if len(received) > patience:
            raise KeyboardInterrupt

    previous = {number: signal.signal(number, handle) for number in _wanted()}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
