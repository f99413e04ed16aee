"""One progress display for all points of a sweep, read from their work directories."""

import contextlib
import threading
import time
from pathlib import Path

from tqdm import tqdm

from gan_jax.loop.log import say
from gan_jax.sweep.folder import FINAL, newest_step, read_status
from gan_jax.sweep.points import place

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """A bar of all steps on a terminal; elsewhere a plain line every few seconds.

    A line tells of every point that ends. While entered, a thread of its own looks at
    the folder, so that any engine may wait as it likes.

    steps: that each point is trained to, by name
    """

    def __init__(self, folder: Path, steps: dict[str, int]):
        self._folder, self._steps = folder, steps
        self._before = {name: self._written(name) for name in steps}
        self._reached = {name: newest_step(place(folder, name)) for name in steps}
        self._running: dict[str, None] = {}
        self._over: dict[str, str] = {}
        for name, last in steps.items():
            status = read_status(place(folder, name))
            if status is None or status.status not in FINAL:
                continue
            if status.status != "done" or (status.step or 0) >= last:
                self._over[name], self._reached[name] = status.status, last
        self._lock, self._left = threading.Lock(), threading.Event()
        self._printed, self._said = time.monotonic(), None
        self._bar = tqdm(
            total=sum(steps.values()), initial=self._sum(), disable=None,
            dynamic_ncols=True, unit="step",
            bar_format="{desc} {bar} {n_fmt}/{total_fmt} steps, {remaining} left",
        )  # fmt: skip
        self._start = time.monotonic(), self._sum()

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._left.set()
        self._thread.join()
        self._look()
        self._bar.close()

    def _watch(self):
        while not self._left.wait(_SECONDS_BETWEEN_LOOKS):
            with contextlib.suppress(OSError):  # a file that is just being replaced
                self._look()

    def _look(self):
        with self._lock:
            for name in [x for x in self._steps if self._over.get(x) not in FINAL]:
                self._reached[name] = newest_step(place(self._folder, name))
                written = self._written(name)
                status = read_status(place(self._folder, name))
                if written == self._before[name] or status is None:
                    continue
                self._before[name] = written
                if status.status == "running":  # again, if it was interrupted
                    self._running[name] = None
                    self._over.pop(name, None)
                elif status.status in (*FINAL, "interrupted"):
                    self._running.pop(name, None)
                    self._over[name] = status.status
                    if status.status in FINAL:
                        self._reached[name] = self._steps[name]
                    said = f": {status.error}" if status.error else ""
                    say(f"{name}: {status.status}{said}")
            self._bar.set_description_str(self._counts(), refresh=False)
            self._bar.update(self._sum() - self._bar.n)
            self._bar.refresh()
            now = time.monotonic()
            news = self._counts(), self._sum()
            due = now - self._printed >= _SECONDS_BETWEEN_LINES
            if self._bar.disable and due and news != self._said:
                self._printed, self._said = now, news
                say(self._line(now))

    def _counts(self):
        over = list(self._over.values())
        counts = [f"{len(over)}/{len(self._steps)} points"]
        counts += [
            f"{over.count(status)} {status}"
            for status in ("diverged", "failed", "interrupted")
            if status in over
        ]
        return ", ".join([*counts, f"{len(self._running)} running"])

    def _line(self, now):
        begin, first = self._start
        done, total = self._sum(), sum(self._steps.values())
        text = f"{self._counts()}, step {done:,} of {total:,}"
        if done > first:
            left = (total - done) * (now - begin) / (done - first)
            text += f", {tqdm.format_interval(left)} left"
        points = [
            f"{name} {self._reached[name]:,}/{self._steps[name]:,}"
            for name in list(self._running)[:2]
        ]
        more = ["..."] if len(self._running) > 2 else []
        return "; ".join([text, *points, *more])

    def _sum(self):
        return sum(
            min(self._reached[name], steps) for name, steps in self._steps.items()
        )

    def _written(self, name):
        """By which file a point's status is known: each is written into its own."""
        try:
            found = (place(self._folder, name) / "status.json").stat()
            return found.st_mtime_ns, found.st_ino
        except FileNotFoundError:
            return None
