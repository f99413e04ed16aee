"""Whatever is typed: done, or refused in one line with status 2; never a traceback."""

import random

import pytest

from gan_jax import (
    benchmark,
    cli,
    diagnose,
    evaluate,
    export,
    main,
    report,
    sample,
    search,
    translate,
)
from gan_jax.config.files import experiments_dir, fields, load_experiment
from gan_jax.sweep import __main__ as sweep

EXPERIMENTS = sorted(experiments_dir().rglob("[a-z]*.py"))
VALUES = (
    *("", " ", "-1", "0", "1", "2", "0.5", "-0.0", "1e3", "1e999", "nan", "-inf"),
    *("9" * 30, "true", "False", "none", "None", "[]", "(1,2)", "{}", "1,2", "1,,2"),
    *("a,b", ",", "name", "mlp", "adam", "digits", "least_squares", "../x", "/", "~"),
    *("x.png", "x.npz", "ü", "\u202e", "'", '"', "$(x)", "%s", "{0}", "a b", "--", "="),
    *("\\", "\t", "a" * 999),
)
OTHERS = {
    benchmark.main: ("config", "population", "vary", "repeats", "json", "show"),
    diagnose.main: ("workdir",),
    evaluate.main: ("workdir", "metrics", "samples", "step", "show", "reference"),
    export.main: ("workdir", "out", "num", "step", "data_license"),
    report.main: ("workdir",),
    sample.main: ("workdir", "num", "out", "seed", "step", "label", "truncation"),
    search.main: ("workdir", "image", "mask", "starts", "steps", "out"),
    sweep.main: ("config", "grid", "seeds", "workers", "engine", "shard", "workdir"),
    translate.main: ("workdir", "input", "out", "size", "seed", "back"),
}


def outcome(command, arguments, capsys):
    """(status, stdout); what is refused is seen to be so in one line on stderr."""
    capsys.readouterr()
    status = cli.run(command, arguments)
    out, err = capsys.readouterr()
    assert status in (0, 1, 2), (arguments, status, err)
    if status > 0:
        lines = err.rstrip("\n").split("\n")
        assert len(lines) == 1, (arguments, err)
        assert lines[0].startswith("gan_jax: "), (arguments, err)
        assert len(lines[0]) < 3_000, (arguments, err)
    return status, out


@pytest.mark.parametrize("seed", range(4))
def test_a_random_config_is_printed_or_refused_in_one_line(
    seed, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    draw = random.Random(seed)
    known = {}
    statuses = []
    for _ in range(100):
        file = draw.choice(EXPERIMENTS)
        if file not in known:
            known[file] = list(fields(load_experiment(str(file))[0]))
        names = [*known[file], "stepz", "loss", "loss.", ".name", "a.b.c", "", "loss.x"]
        chosen = [draw.choice(names) for _ in range(draw.choice((1, 1, 1, 2, 3)))]
        flags = [f"--config.{name}={draw.choice(VALUES)}" for name in chosen]
        command = [f"--config={file}", *flags, "--print_config"]
        statuses.append(outcome(main.main, command, capsys)[0])
    assert 20 < statuses.count(2) < 100  # both ends are tried
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", OTHERS, ids=lambda f: f.__module__.split(".")[1])
def test_a_random_command_line_is_refused_in_one_line(
    command, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # where there is no run
    draw = random.Random(command.__module__)
    for _ in range(40):
        names = [draw.choice((*OTHERS[command], "typo")) for _ in range(3)]
        flags = [f"--{name}={draw.choice(VALUES)}" for name in names]
        if command is sweep.main:
            flags.append("--grid=nowhere=1")  # or it would train
        given = ["--workdir=nowhere", *flags]
        assert outcome(command, given, capsys) in ((1, ""), (2, "")), flags
    assert list(tmp_path.iterdir()) == []
