"""The benchmark measures what it says, and refuses what it cannot do."""

import json

import numpy as np
import pytest

from gan_jax import benchmark

FAST = "--repeats=1", "--nostartup"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(benchmark, "_SECONDS_A_REPEAT", 0.05)


def results(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_result_for_people_and_for_machines(bench, small, tmp_path):
    outcome = bench(*small, "--repeats=3", "--nostartup", f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0
    for word in ("digits", "a step", "images/s", "of the matmul rate", "peak"):
        assert word in outcome.out
    (result,) = results(tmp_path / "r.jsonl")
    assert len(result["step_s"]) == 3
    assert 0 < min(result["step_s"]) < 1
    assert result["recompilations"] == 0
    assert result["batch_size"] == 16
    d, g = result["parameters"]["d"], result["parameters"]["g"]
    assert result["memory"]["players"] >= 3 * 4 * (d + g)  # Adam keeps two more of each
    assert result["memory"]["host_peak"] > 50 * 2**20


def test_operations_are_those_of_the_products(bench, tmp_path):
    widths = "--config.generator.widths=128", "--config.discriminator.widths=128"
    flags = *widths, "--config.prior.dim=64", "--config.batch_size=64"
    assert bench(*flags, *FAST, f"--json={tmp_path}/r.jsonl").status == 0
    (result,) = results(tmp_path / "r.jsonl")
    g_in, g_out, d_in, d_out = 64 * 128, 128 * 64, 64 * 128, 128
    # D's turn: G forward; D on both forward, and backward into weights and hidden
    # layer. G's turn: G and D forward; D backward into the images; G backward.
    d_turn = (g_in + g_out) + 2 * (2 * d_in + 3 * d_out)
    g_turn = (2 * g_in + 3 * g_out) + 2 * (d_in + d_out)
    products = 2 * 64 * (d_turn + g_turn)
    assert products < result["flops"] < 1.3 * products


def test_varied_fields_make_a_table(bench, small, tmp_path):
    vary = "--vary=batch_size=16,32"
    outcome = bench(*small, *FAST, vary, f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0
    rows = [line for line in outcome.out.splitlines() if line.startswith("| digits")]
    assert ["batch_size=16" in rows[0], "batch_size=32" in rows[1]] == [True, True]
    sizes = [result["batch_size"] for result in results(tmp_path / "r.jsonl")]
    assert sizes == [16, 32]
    shown = bench(f"--show={tmp_path}/r.jsonl")
    assert shown.out == outcome.out


def test_a_trace_is_recorded(bench, small, tmp_path):
    assert bench(*small, *FAST, f"--profile={tmp_path}/trace").status == 0
    assert list((tmp_path / "trace").rglob("*.xplane.pb"))


def test_the_time_to_the_first_step_cold_and_warm(bench, small, tmp_path):
    outcome = bench(*small, "--repeats=1", f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0
    (result,) = results(tmp_path / "r.jsonl")
    assert 0.1 < result["first_step_s"]["warm"] < 300
    assert 0.1 < result["first_step_s"]["cold"] < 300


def test_ratios_are_taken_pair_by_pair():
    result = {"step_s": [1.0, 2.0, 4.0], "peer": {"step_s": [2.0, 6.0, 4.0]}}
    assert benchmark._ratios(result) == "2.00 (1.00-3.00)"


def test_beside_the_twin(bench, small, tmp_path):
    pytest.importorskip("torch", reason="the extra 'peers' is not installed")
    sizes = [flag for flag in small if "widths" in flag or "batch_size" in flag]
    outcome = bench(*sizes, *FAST, "--peer", f"--json={tmp_path}/r.jsonl")
    assert outcome.status == 0, outcome.err
    (result,) = results(tmp_path / "r.jsonl")
    assert len(result["peer"]["step_s"]) == 1
    ratio = result["peer"]["step_s"][0] / result["step_s"][0]
    assert f"{np.round(ratio, 2):.2f}" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config=experiments/own_images.py", "--peer"], "no PyTorch twin of own_im"),
        (["--peer", "--config.prior.dim=7", "--config.loss.name=saturating"], "follow"),
        (["--vary=batch_size"], "--vary=batch_size: expected FIELD=VALUE"),
        (["--vary=batchsize=3"], "batch_size"),
        (["--show=nothing.jsonl"], "nothing.jsonl"),
        (["--repeats=0"], "repeats"),
        (["--config.batch_size=0"], "batch_size"),
    ],
)
def test_what_cannot_be_measured_is_one_line(bench, arguments, message):
    if "own_images" in arguments[0]:
        arguments = [*arguments, "--config.data.path=."]
    outcome = bench(*arguments)
    assert outcome.status == 2
    assert message in outcome.error
    assert "Traceback" not in outcome.err


def test_without_pytorch_the_extra_is_named(bench, small, tmp_path, monkeypatch):
    """The twin's process finds a torch that cannot be imported."""
    (tmp_path / "torch.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcome = bench(*FAST, "--peer")
    assert outcome.status == 2
    assert "pip install -e '.[peers]'" in outcome.error
