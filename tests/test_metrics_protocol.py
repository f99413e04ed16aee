"""What may stand in one column, what is refused, and what a row of repeats says."""

import dataclasses
import json
import re

import numpy as np
import pytest

from gan_jax.config.files import load_experiment, title
from gan_jax.errors import UsageError
from gan_jax.metrics.protocol import (
    FILE,
    Measurement,
    Protocol,
    append,
    compare,
    read,
    table,
)

PROTOCOL = Protocol(
    metric="frechet_distance",
    samples=10_000,
    seed=0,
    features="mnist-classifier",
    checksum="0123456789abcdef",
    reference="mnist test",
    reference_size=10_000,
    batch_norm="running",
    ema=True,
)


def measured(value=1.0, *, error=None, model="m", run="r", step=5, **changes):
    return Measurement(
        protocol=dataclasses.replace(PROTOCOL, **changes),
        values={"distance": value},
        standard_errors={} if error is None else {"distance": error},
        model=model,
        run=run,
        step=step,
    )


def cells(text):
    """The rows of one protocol's table below its title, headers and rule."""
    return [line.split("  ") for line in text.splitlines()[3:]]


def test_json_keeps_everything_in_one_line():
    one = measured(np.float32(0.5), error=np.float64(0.1), seed=np.int64(3))
    assert "\n" not in one.to_json()
    assert Measurement.from_json(one.to_json()) == one
    assert json.loads(one.to_json())["protocol"]["features"] == "mnist-classifier"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_not_written(value):
    with pytest.raises(ValueError, match="JSON"):
        measured(value).to_json()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"protocol": {"metric": "x"}}', "null"]
)
def test_other_json_is_refused(text):
    with pytest.raises(UsageError, match="not a measurement"):
        Measurement.from_json(text)


def test_unknown_batch_norm_is_refused():
    with pytest.raises(UsageError, match="accepted: running, batch, recalibrated"):
        dataclasses.replace(PROTOCOL, batch_norm="eval")


@pytest.mark.parametrize(
    ("field", "other", "message"),
    [
        ("metric", "kernel_distance", "metric: frechet_distance against kernel_distan"),
        ("features", None, "features: mnist-classifier against pixels"),
        ("checksum", "fedcba9876543210", "checksum: 01234567 against fedcba98"),
        ("samples", 5000, "samples: 10000 against 5000"),
        ("reference", "mnist train", "reference: mnist test against mnist train"),
        ("reference_size", 50_000, "reference_size: 10000 against 50000"),
        ("resizing", "bilinear", "resizing: none against bilinear"),
        ("estimator", "k=3", "estimator: none against k=3"),
        ("batch_norm", "batch", "batch_norm: running against batch"),
        ("ema", False, "ema: True against False"),
        ("labels", "data", "labels: none against data"),
        ("truncation", 0.5, "truncation: none against 0.5"),
    ],
)
def test_every_field_but_the_seed_sets_protocols_apart(field, other, message):
    pair = [measured(), measured(**{field: other})]
    with pytest.raises(UsageError, match=message) as caught:
        compare(pair)
    assert ";" not in str(caught.value)
    assert table(pair).count("distance: ") == 2
    compare([measured(), measured(seed=1, run="other")])


def test_all_differences_are_named():
    with pytest.raises(UsageError) as caught:
        compare([measured(), measured(samples=5, ema=False), measured(samples=6)])
    message = "samples: 10000 against 5 against 6; ema: True against False"
    assert str(caught.value) == f"not comparable: {message}"


def test_what_does_not_apply_agrees_with_everything_but_joins_nothing():
    """Real data have no batch norm: they stand beside both modes, in two columns."""
    real = measured(0.1, model="real", batch_norm=None, ema=None)
    running, batch = measured(2.0), measured(3.0, batch_norm="batch")
    compare([real, running])
    compare([real, batch])
    with pytest.raises(UsageError, match="running against batch"):
        compare([running, real, batch])
    tables = table([real, running, batch]).split("\n\n")
    assert [len(cells(x)) for x in tables] == [2, 2]
    assert all("real" in x for x in tables)
    assert "batch norm running" in tables[0]
    assert "batch norm batch" in tables[1]


def test_a_column_agrees_as_a_whole():
    """The last agrees with the second, and the second with the first, in vain."""
    three = [
        measured(),
        measured(batch_norm=None),
        measured(batch_norm="batch", ema=None),
    ]
    assert len(table(three).split("\n\n")) == 2


def test_a_lone_measurement_shows_its_own_standard_error():
    text = table([measured(12.345, error=0.5)])
    assert "12.35 ± 0.5" in text or "12.34 ± 0.5" in text
    assert "repeats" not in text
    assert "seeds" not in text


def test_repeats_over_seeds_and_over_runs():
    seeds = [measured(x, seed=i, error=9) for i, x in enumerate([1.0, 2.0, 3.0])]
    assert "2 ± 0.58" in table(seeds)
    assert "3 seeds" in table(seeds)
    # runs differ by more than seeds do: their spread alone is the uncertainty
    runs = [measured(x, seed=i, run="other") for i, x in enumerate([5.0, 7.0])]
    assert "4 ± 2 " in table([*seeds, *runs])
    assert "2 runs" in table([*seeds, *runs])


def test_a_mean_over_some_of_the_runs_says_so():
    """Two of three found modes: the third has no KL, and no best run stands for all."""
    runs = [measured(x, run=str(i)) for i, x in enumerate([1.0, 2.0, 3.0])]
    values = {"modes": 5.0, "kl": 0.1}, {"modes": 6.0, "kl": 0.3}, {"modes": 0.0}
    runs = [
        dataclasses.replace(run, values=found, standard_errors={})
        for run, found in zip(runs, values, strict=True)
    ]
    assert "0.2 ± 0.1 (2 of 3)" in table(runs)
    assert "3.667 ± 1.9  " in table(runs)
    assert "0.1 (1 of 2)" in table(runs[::2])
    seeds = [
        dataclasses.replace(run, run="", protocol=measured(seed=i).protocol)
        for i, run in enumerate(runs)
    ]
    assert "0.2 ± 0.1 (2 of 3)" in table(seeds)
    assert "of" not in table(runs[:2]).splitlines()[-1]


def test_the_same_run_and_seed_count_once():
    text = table([measured(1.0), measured(2.0), measured(2.5, seed=1)])
    assert "2.25 ± 0.25" in text
    assert "2 seeds" in text


def test_models_and_steps_are_rows_and_values_columns():
    one = dataclasses.replace(measured(), values={"precision": 0.5, "recall": 0.25})
    rows = [one, dataclasses.replace(one, step=10), dataclasses.replace(one, model="n")]
    lines = table(rows).splitlines()
    assert lines[1].split() == ["model", "step", "precision", "recall"]
    assert [line.split() for line in lines[3:]] == [
        ["m", "5", "0.5", "0.25"],
        ["m", "10", "0.5", "0.25"],
        ["n", "5", "0.5", "0.25"],
    ]
    assert lines[0] == (
        "frechet_distance: samples 10000, features mnist-classifier, checksum "
        "01234567, reference mnist test, reference size 10000, batch norm running, "
        "ema True"
    )


def test_a_record_that_names_a_file_does_not_run_it(tmp_path, monkeypatch):
    """What a work directory says is data, which may come from anywhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "planted.py").write_text("open('ran', 'w').close()\n")
    config, _ = load_experiment("digits.py")
    for name in ("planted", str(tmp_path / "planted"), "../planted"):
        assert re.fullmatch(rf"{re.escape(name)} [0-9a-f]{{8}}", title(name, config))
    assert title("digits", config) == "digits"
    assert not (tmp_path / "ran").exists()


def test_what_is_no_text_is_one_line(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xff\xfe\n")
    with pytest.raises(UsageError, match="line 1"):
        read(tmp_path)


def test_a_torn_last_line_is_left_out_but_no_other(tmp_path):
    line = measured().to_json()
    (tmp_path / FILE).write_text(f"{line}\n{line[:40]}")
    assert read(tmp_path) == [measured()]
    append(tmp_path, measured())
    assert read(tmp_path) == [measured()] * 2
    (tmp_path / FILE).write_text(f"{line[:40]}\n{line}\n")
    with pytest.raises(UsageError, match=r"evaluation\.jsonl, line 1: not a meas"):
        read(tmp_path)
