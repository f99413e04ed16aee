"""What a run says while it trains: progress for people, metrics for files."""

import contextlib
import functools
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan_jax import pictures
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
        kept = path.with_suffix(".jsonl.tmp")
        kept.write_text("".join(map(_line, rows)))
        os.replace(kept, path)
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
        from tensorboardX import SummaryWriter  # a second, which the first step gains

        folder = str(self._workdir / "tensorboard")
        return SummaryWriter(folder, purge_step=self._step + 1, write_to_disk=True)

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """One row: the step and its metrics."""
        self._file.write(_line({"step": step, **metrics}))
        self._file.flush()
        for name, value in metrics.items():
            self._events.add_scalar(name, value, step)

    def add_picture(self, step: int, picture: np.ndarray) -> None:
        """The samples' picture [H, W, 3], for TensorBoard."""
        self._events.add_image("samples", picture, step, dataformats="HWC")


def _line(row):
    return json.dumps(row) + "\n"


def _read_rows(path: Path) -> list[dict]:
    """The rows of a metrics.jsonl; a line torn by a crash is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def read_metrics(workdir: Path) -> dict[str, np.ndarray]:
    """What a run logged, one array a metric; NaN where a step lacks one."""
    rows = _read_rows(workdir / "metrics.jsonl")
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
    if metrics:
        pictures.write_curves(workdir / "losses.png", metrics, loss)
    if logged := {name: best for name, best in perfect.items() if name in metrics}:
        pictures.write_quality(workdir / "quality.png", metrics, logged)


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
        if files := self._files():
            pictures.write_animation(self._animation, files)

    def add(self, step: int, picture: np.ndarray, text: str | None = None) -> None:
        """The picture of a step, and what is written on it."""
        pictures.write_image(self._folder / f"{step:08d}.png", picture)
        if text is not None:
            (self._folder / f"{step:08d}.txt").write_text(text, encoding="utf-8")

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
