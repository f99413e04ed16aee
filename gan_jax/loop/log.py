"""What a run says while it trains: progress for people, metrics for files."""

import contextlib
import functools
import json
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan_jax import pictures
from gan_jax.errors import UsageError
from gan_jax.files import named, write_text
from gan_jax.loop import multihost

_SECONDS_BETWEEN_LINES = 5.0
Series = tuple[np.ndarray, np.ndarray]  # rising steps [n] and values [n], none NaN

_SHOWN = {"d_loss": "D loss", "g_loss": "G loss", "d_real": "D(x)", "d_fake": "D(G(z))"}


def say(line: str) -> None:
    """A line for the person who watches; files and pipes on stdout stay clean.

    Of a job on several hosts one process speaks.
    """
    if multihost.is_chief():
        tqdm.write(line, file=sys.stderr)


class MetricLog:
    """metrics.jsonl, one JSON object a line, and TensorBoard events beside it.

    The file depends on the run alone, not on its speed or interruptions: opened at the
    step where a run goes on, it forgets what was written after that step.
    """

    def __init__(self, workdir: Path, step: int):
        path = workdir / "metrics.jsonl"
        rows = [row for row in _read_rows(path) if row["step"] <= step]
        write_text(path, "".join(map(_line, rows)))
        self._file = path.open("a")
        self._workdir, self._step = workdir, step

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()
        if "_events" in vars(self):
            self._events.close()

    @functools.cached_property
    def _events(self):
        # a second, which the first step gains
        from gan_jax.loop.events import Events

        return Events(self._workdir / "tensorboard", self._step)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """One row: the step and its metrics."""
        with named(self._workdir / "metrics.jsonl"):
            self._file.write(_line({"step": step, **metrics}))
            self._file.flush()
        self._events.write_scalars(step, metrics)

    def add_picture(self, step: int, picture: np.ndarray) -> None:
        """The samples' picture [H, W, 3], for TensorBoard."""
        self._events.write_image(step, "samples", picture)


def _line(row):
    return json.dumps(row) + "\n"


def _read_rows(path: Path, strict: bool = False) -> list[dict]:
    """The rows of a metrics.jsonl; a line torn by a crash is left out.

    So is a whole line that is no row, but a UsageError if `strict`.
    """
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            row = json.loads(line)
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                rows.append(row)
            elif strict:
                raise UsageError(f"{path} is not the log of a run: {line[:40]!r}")
    return rows


def read_metrics(workdir: Path) -> dict[str, np.ndarray]:
    """What a run logged, one array a metric; NaN where a step lacks one.

    Raises UsageError where that is no log.
    """
    rows = _read_rows(workdir / "metrics.jsonl", strict=True)
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        name: np.array([row.get(name, np.nan) for row in rows], np.float64)
        for name in names
    }


def read_series(workdir: Path) -> dict[str, Series]:
    """The course of every metric that a run logged; empty before the first row."""
    metrics = read_metrics(workdir)
    if not metrics:
        return {}
    steps = metrics.pop("step")
    series = {}
    for name, values in metrics.items():
        known = ~np.isnan(steps) & ~np.isnan(values)
        if known.any():
            order = np.argsort(steps[known], kind="stable")
            series[name] = steps[known][order], values[known][order]
    return series


def pictures_by_step(workdir: Path) -> dict[int, Path]:
    """The pictures of a run's samples by their steps, in order."""
    files = (workdir / "samples").glob("*.png")
    return dict(sorted((int(x.stem), x) for x in files if x.stem.isdigit()))


def write_curves(workdir: Path, loss, perfect: dict[str, float]) -> None:
    """Draws losses.png and, of the metrics in `perfect`, quality.png: what was logged.

    perfect: values that samples of the data itself would get, by name
    """
    metrics = read_metrics(workdir)
    if logged := {name: best for name, best in perfect.items() if name in metrics}:
        pictures.write_quality(workdir / "quality.png", metrics, logged)
    if metrics:  # last, so that it tells of both: see `curves_are_current`
        pictures.write_curves(workdir / "losses.png", metrics, loss)


def curves_are_current(workdir: Path) -> bool:
    """Whether losses.png is whole and shows all that was logged; so is quality.png."""
    log, quality = workdir / "metrics.jsonl", workdir / "quality.png"
    if not _read_rows(log):
        return True
    if quality.exists() and not pictures.is_whole(quality):
        return False
    return _is_current(workdir / "losses.png", [log])


def _is_current(picture, sources):
    """Whether it is whole, and not older than what it is drawn from."""
    if not pictures.is_whole(picture):
        return False
    drawn = picture.stat().st_mtime_ns
    return all(source.stat().st_mtime_ns <= drawn for source in sources)


class Album:
    """samples/*.png, one picture a step, and samples.gif of them all on leaving.

    Beside pictures of text lies the text, samples/*.txt.
    """

    def __init__(self, workdir: Path, step: int):
        self._folder = workdir / "samples"
        self._animation = workdir / "samples.gif"
        self._folder.mkdir(exist_ok=True)
        for file in [*self._files(), *self._files("txt")]:
            if int(file.stem) > step:  # painted after the checkpoint that goes on
                file.unlink()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.animate()

    def animate(self) -> None:
        """Draws samples.gif of all pictures; those that are torn are left out."""
        files = self._files()
        try:
            if files:
                pictures.write_animation(self._animation, files)
        except Exception as error:  # many kinds are raised for torn files
            if getattr(error, "errno", None):  # said by the disk
                raise
            found = [file for file in files if pictures.is_whole(file)]
            torn = len(files) - len(found)
            say(f"pictures in {self._folder} that are torn and left out: {torn}")
            if found:
                pictures.write_animation(self._animation, found)

    def is_current(self) -> bool:
        """Whether samples.gif is whole, and not older than what it shows."""
        files = self._files()
        return not files or _is_current(self._animation, files)

    def add(self, step: int, picture: np.ndarray, text: str | None = None) -> None:
        """The picture of a step, and what is written on it."""
        pictures.write_image(self._folder / f"{step:08d}.png", picture)
        if text is not None:
            write_text(self._folder / f"{step:08d}.txt", text)

    def _files(self, suffix="png"):
        files = self._folder.glob(f"*.{suffix}")
        return sorted(file for file in files if file.stem.isdigit())


class Progress:
    """A bar on a terminal; elsewhere a plain line every few seconds."""

    def __init__(self, step: int, total: int, images_per_step: int):
        self._total, self._images_per_step = total, images_per_step
        self._step, self._time = step, time.monotonic()
        self._printed = -_SECONDS_BETWEEN_LINES
        self._bar = tqdm(
            total=total, initial=step, disable=None, dynamic_ncols=True, leave=True,
            bar_format="{n_fmt}/{total_fmt} {bar} {desc}",
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._bar.close()

    def compiled(self, step: int) -> None:
        """The first step is over: what it took is compilation, not training."""
        say(f"first step after {time.monotonic() - self._time:.1f} s")
        self._step, self._time = step, time.monotonic()

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """Shows the metrics of `step`, the rate since the last show, the time left."""
        now = time.monotonic()
        due = now - self._printed >= _SECONDS_BETWEEN_LINES or step == self._total
        if self._bar.disable and not due:
            return
        shown = [f"{_SHOWN[k]} {metrics[k]:.3f}" for k in _SHOWN if k in metrics]
        if step > self._step:  # the first step tells no rate
            rate = (step - self._step) / max(now - self._time, 1e-9)
            left = tqdm.format_interval((self._total - step) / rate)
            images = rate * self._images_per_step
            shown += [f"{rate:.3g} steps/s", f"{images:,.0f} images/s", f"{left} left"]
        self._step, self._time, self._printed = step, now, now
        text = "  ".join(shown)
        self._bar.update(step - self._bar.n)
        self._bar.set_description_str(text)
        if self._bar.disable:
            say(f"step {step}/{self._total}  {text}")
