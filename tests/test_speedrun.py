"""Speedruns: what counts as a record, and how their table says so."""

import dataclasses

import numpy as np
import pytest

from gan_jax.config.files import experiments_dir, load_experiment
from gan_jax.config.validation import validate
from gan_jax.errors import UsageError
from gan_jax.ledger import speedrun, tables
from gan_jax.ledger.entries import Cell, Entry, Trained, config_checksum
from gan_jax.metrics.protocol import Measurement, Protocol

NEWEST = load_experiment("experiments/speedrun/mnist_0.py")[0]
WANTED = {"frechet_mnist": ("at most", 0.2), "recall": ("at least", 0.75)}


def entry(frechet, recall=0.9, seeds=10, spread=0.01, samples=10_000):
    """Runs of record 0 whose values scatter evenly about these means."""
    away = np.linspace(-spread, spread, seeds)

    def measured(metric, value):
        protocol = Protocol(metric=metric, samples=samples, seed=0)
        return Measurement(protocol=protocol, values={metric: value})

    runs = [
        Trained(
            seed=seed,
            step=100,
            seconds=60.0,
            cores=2,
            measurements=[
                measured("frechet_mnist", frechet + away[seed]),
                measured("recall", recall + away[seed]),
            ],
        )
        for seed in range(seeds)
    ]
    checksum = config_checksum(NEWEST)
    return Entry(experiment="mnist_0", checksum=checksum, cells=[Cell(runs=runs)])


def verdict(found, wanted=WANTED):
    return speedrun.verdict("mnist_0", found, wanted)


def test_a_record_counts_when_all_means_are_surely_within_their_bounds():
    assert verdict(entry(0.15)).met
    assert verdict(entry(0.15)).why.startswith("p = ")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (entry(0.15, seeds=9), "frechet_mnist of 9 seeds, 10 are asked for"),
        (entry(0.21), "frechet_mnist 0.21, at most 0.2"),
        (entry(0.15, recall=0.7), "recall 0.7, at least 0.75"),
        (entry(0.15, recall=0.7, seeds=1), "recall 0.69, at least 0.75"),
        (entry(0.199, spread=0.01), "frechet_mnist: p = "),
        (entry(0.15, samples=100), "frechet_mnist of 0 seeds"),
        (dataclasses.replace(entry(0.15), changes={"pack": 2}), "of another config"),
        (dataclasses.replace(entry(0.15), experiment="digits"), "of another config"),
        (dataclasses.replace(entry(0.15), checksum="0"), "of another config than mni"),
    ],
)
def test_a_record_does_not_count_and_says_why(found, why):
    assert not verdict(found).met
    assert verdict(found).why.startswith(why)


def test_one_seed_counts_once_and_the_newest_step_alone():
    """Whatever is measured again, and whatever came before."""
    good, bad = entry(0.15).cells[0].runs, entry(0.5).cells[0].runs
    again = [dataclasses.replace(run, seed=0) for run in good]
    earlier = [dataclasses.replace(run, step=50) for run in bad]
    cells = [Cell(runs=again)]
    found = verdict(dataclasses.replace(entry(0.15), cells=cells))
    assert found.why.startswith("frechet_mnist of 1 seed,")
    both = dataclasses.replace(entry(0.15), cells=[Cell(runs=[*earlier, *good])])
    assert verdict(both).met
    row = tables.of_speedrun("mnist", {"mnist_0": both}).splitlines()[2]
    assert "step 100" in row
    assert "0.1500 ± 0.0021" in row


def test_the_test_is_students():
    """Its p of a sample that was worked out by hand: t = -3 with 9 degrees."""
    values = np.array([-1.0, 1.0] * 5)
    values *= 1 / np.sqrt(values.var(ddof=1))
    scattered = 0.2 + 0.001 * (values - 3 / np.sqrt(10))
    found = entry(0.0)
    for run, value in zip(found.cells[0].runs, scattered, strict=True):
        run.measurements[0].values["frechet_mnist"] = float(value)
    judged = verdict(found, {"frechet_mnist": ("at most", 0.2)})
    assert judged == (True, "p = 0.0075")  # by a table of t


def test_records_are_in_order_and_the_newest_is_the_speedrun():
    for game in speedrun.games():
        names = speedrun.records(game)
        assert names == [f"{game}_{number}" for number in range(len(names))]
        newest, _ = load_experiment(f"experiments/speedrun/{names[-1]}.py")
        current, doc = load_experiment(f"experiments/speedrun/{game}.py")
        assert current == newest
        assert len(doc) > 200
        for name in names:
            config, _ = load_experiment(f"experiments/speedrun/{name}.py")
            validate(config)


def test_the_table_has_a_row_for_each_record():
    (name, *_) = speedrun.records("mnist")
    head, _, row, *_ = tables.of_speedrun("mnist", {}).splitlines()
    assert "not run yet" in row
    assert "frechet_mnist at most 0.2" in head
    (_, _, row, *_) = tables.of_speedrun("mnist", {name: entry(0.15)}).splitlines()
    assert "step 100, 60 s of 2 cores, 10 seeds | 0.1500 ± 0.0021 |" in row
    assert "no: class_score of 0 seeds" in row


def test_another_game_is_refused():
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        speedrun.targets("mnits")


def test_speedruns_have_a_folder_of_their_own():
    assert {file.stem for file in (experiments_dir() / "speedrun").glob("*.py")} == {
        *speedrun.games(),
        *(name for game in speedrun.games() for name in speedrun.records(game)),
    }
