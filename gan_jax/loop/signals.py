"""Ctrl-C and SIGTERM as a wish that the loop can grant when its state is whole."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils


class Signals:
    """While entered, `received(step)` is the number of the first signal, or None.

    A second one raises KeyboardInterrupt at once. Outside of the main thread, where
    Python allows no handlers, signals keep their usual meaning. In a job of several
    hosts JAX listens for SIGTERM, and all processes are told of it after the same step;
    Ctrl-C is made one.
    """

    def __init__(self):
        self._first: int | None = None
        self._shared = jax.process_count() > 1

    def __enter__(self):
        self._previous = {}
        on_main_thread = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if on_main_thread else ()
        for number in numbers:
            if not self._shared:
                self._previous[number] = signal.signal(number, self._handle)
            elif number == signal.SIGINT:
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
        if self._first is not None:
            raise KeyboardInterrupt
        self._first = number


def _pass_on(number, frame):
    signal.raise_signal(signal.SIGTERM)


@contextlib.contextmanager
def caught_signals(patience: int) -> Iterator[list[int]]:
    """The SIGINT and SIGTERM that came; KeyboardInterrupt after `patience` of them.

    For what starts runs, which have handlers of their own while they train.
    """
    received = []

    def handle(number, frame):
        received.append(number)
        if len(received) > patience:
            raise KeyboardInterrupt

    numbers = signal.SIGINT, signal.SIGTERM
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
