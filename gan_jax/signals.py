"""Ctrl-C and SIGTERM as a wish that the loop can grant when its state is whole."""

import signal
import threading


class Signals:
    """While entered, `received` is the number of the first signal, or None.

    A second one raises KeyboardInterrupt at once. Outside of the main thread, where
    Python allows no handlers, signals keep their usual meaning.
    """

    def __init__(self):
        self.received: int | None = None

    def __enter__(self):
        self._previous = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *error):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number, frame):
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
