"""Speedruns: their records, and which of them are good.

What is to be reached stands with the experiment, `experiments/speedrun/GAME.py`, as
TARGETS = {"frechet_mnist": ("at most", 0.2), ...}; GAME_0.py, GAME_1.py, ... are its
records, oldest first.
"""

import dataclasses
import re
from typing import NamedTuple

import numpy as np

from gan_jax.config.files import experiments_dir, load_module
from gan_jax.errors import UsageError, nearest
from gan_jax.ledger.entries import Entry, is_current

SEEDS = 10  # at the least
SAMPLES = 10_000
SIGNIFICANCE = 0.01


class Verdict(NamedTuple):
    """met: whether all is within its bounds; why: what is not, or the largest p."""

    met: bool
    why: str


def games() -> list[str]:
    """The speedruns that there are."""
    files = (experiments_dir() / "speedrun").glob("[a-z]*.py")
    return sorted(file.stem for file in files if not re.search(r"_\d+$", file.stem))


def targets(game: str) -> dict[str, tuple[str, float]]:
    """What is to be reached, by the value's name: ("at most", 0.2)."""
    if game not in games():
        raise UsageError(f"--speedrun={game}: {nearest(game, games())}")
    return load_module(f"experiments/speedrun/{game}.py").TARGETS


def records(game: str) -> list[str]:
    """The experiments of a speedrun, oldest first."""
    files = (experiments_dir() / "speedrun").glob(f"{game}_*.py")
    return sorted((x.stem for x in files), key=lambda x: int(x.rpartition("_")[2]))


def values(entry: Entry, name: str) -> list[float]:
    """A value of every seed at the newest step: of SAMPLES samples, of one protocol."""
    (cell,) = entry.cells
    newest = max(run.step for run in cell.runs)
    found = {}
    for run in cell.runs:
        for x in run.measurements if run.step == newest else ():
            if name in x.values and (x.protocol.samples or 0) >= SAMPLES:
                how = dataclasses.replace(x.protocol, seed=0)
                found.setdefault(how, {}).setdefault(run.seed, []).append(
                    x.values[name]
                )
    first = next(iter(found.values()), {})
    return [float(np.mean(of_seed)) for of_seed in first.values()]


def verdict(record: str, entry: Entry, wanted: dict[str, tuple[str, float]]) -> Verdict:
    """Whether the mean of every value is within its bound, surely and over ten seeds.

    A mean beyond its bound is told first, of however few seeds. p is that of Student's
    one-sided test of one sample: how likely a mean this good is if the true one is at
    the bound.
    """
    from scipy.stats import ttest_1samp

    if entry.experiment != record or entry.changes or not is_current(entry):
        return Verdict(False, f"of another config than {record}")
    measured = {name: values(entry, name) for name in wanted}
    for name, (direction, bound) in wanted.items():
        mean = np.mean(measured[name] or [bound])
        if mean > bound if direction == "at most" else mean < bound:
            return Verdict(False, f"{name} {mean:.3g}, {direction} {bound:g}")
    for name, found in measured.items():
        if (n := len(found)) < SEEDS:
            seeds = "seed" if n == 1 else "seeds"
            return Verdict(False, f"{name} of {n} {seeds}, {SEEDS} are asked for")
    worst = 0.0
    for name, (direction, bound) in wanted.items():
        side = "less" if direction == "at most" else "greater"
        p = float(ttest_1samp(measured[name], bound, alternative=side).pvalue)
        if not p < SIGNIFICANCE:
            return Verdict(False, f"{name}: p = {p:.2g}")
        worst = max(worst, p)
    return Verdict(True, f"p = {worst:.2g}")
