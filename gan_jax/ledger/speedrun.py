"""Speedruns: their records, how long these took, and which of them count.

What is to be reached stands with the experiment, `experiments/speedrun/GAME.py`, as
TARGETS = {"frechet_mnist": ("at most", 0.2), ...}; GAME_0.py, GAME_1.py, ... are its
records, oldest first.
"""

import re
from typing import NamedTuple

import numpy as np

from gan_jax.config.files import experiments_dir, load_module
from gan_jax.errors import UsageError, nearest
from gan_jax.ledger.entries import Entry, Trained

SEEDS = 10  # at the least
SIGNIFICANCE = 0.01


class Verdict(NamedTuple):
    """met: whether a record counts; why: what it lacks, or the largest p."""

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
    """A value of every seed, where it was measured."""
    (cell,) = entry.cells
    return [found for run in cell.runs for found in _value(run, name)]


def _value(run: Trained, name):
    return [x.values[name] for x in run.measurements if name in x.values][:1]


def verdict(entry: Entry, wanted: dict[str, tuple[str, float]]) -> Verdict:
    """Whether the mean of every value is within its bound, surely and over ten seeds.

    p is that of Student's one-sided test of one sample: how likely a mean this good is
    if the true one is at the bound.
    """
    from scipy.stats import ttest_1samp

    worst = 0.0
    for name, (direction, bound) in wanted.items():
        found = values(entry, name)
        if len(found) < SEEDS:
            return Verdict(
                False, f"{name} of {len(found)} seeds, {SEEDS} are asked for"
            )
        sign = -1 if direction == "at most" else 1
        if sign * (np.mean(found) - bound) < 0:
            return Verdict(False, f"{name} {np.mean(found):.3g}, {direction} {bound:g}")
        test = ttest_1samp(found, bound, alternative="less" if sign < 0 else "greater")
        if not test.pvalue < SIGNIFICANCE:
            return Verdict(False, f"{name}: p = {test.pvalue:.2g}")
        worst = max(worst, float(test.pvalue))
    if not wanted:
        return Verdict(False, "no bound is set yet")
    return Verdict(True, f"p = {worst:.2g}")
