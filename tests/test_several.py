"""Commands that are asked for several runs at once."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_jax import several
from gan_jax.errors import UsageError
from gan_jax.metrics.protocol import read


@pytest.fixture
def runs(tmp_path, digits_run, monkeypatch):
    """A folder, to be in, of two runs of one model at other steps, and no third one."""
    monkeypatch.chdir(tmp_path)
    for name in ("new", "old"):
        shutil.copytree(digits_run, tmp_path / "runs" / name)
    shutil.rmtree(tmp_path / "runs" / "old" / "checkpoints" / "60")
    (tmp_path / "runs" / "empty").mkdir()
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["a"], ["a"]),
        (["a,b"], ["a", "b"]),
        (["b", "a"], ["b", "a"]),
        (["b,a,./b", "a"], ["b", "a"]),
        (["lr=1,2"], ["lr=1,2"]),
        (["lr=1,2", "a"], ["lr=1,2", "a"]),
        (["?"], ["a", "b"]),
        (["lr=*"], ["lr=1,2", "lr=3,[4]"]),
        (["lr=1,*"], ["lr=1,2"]),
        (["[b],a"], ["b", "a"]),
        (["lr=3,[4]"], ["lr=3,[4]"]),
        (["nowhere,a"], ["nowhere", "a"]),
    ],
)
def test_which_runs_are_named(texts, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "lr=1,2", "lr=3,[4]", "c"):
        Path(name).mkdir()
        if name != "c":  # a folder that a pattern fits, but no run
            Path(name, "config.json").touch()
    named = several.workdirs(texts)
    assert list(map(str, named[: len(found)])) == found
    assert len(named) == len(found)


def test_a_pattern_without_a_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no run's work directory fits"):
        several.workdirs([f"{tmp_path}/*"])


@pytest.mark.parametrize(
    ("workdirs", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["runs/one/seed=0", "runs/two/seed=0"], ["one_seed=0", "two_seed=0"]),
        (["runs", "runs/b"], ["runs", "runs_b"]),
        (["a", "/b/.5"], None),
    ],
)
def test_what_runs_write_has_their_names(workdirs, names):
    places = list(map(Path, workdirs))
    files = list(several.outputs(Path("x/grid.png"), places, False).values())
    folders = list(several.outputs(Path("x"), places, True).values())
    if names is None:
        names = [folder.name for folder in folders]
        assert names[1] == "b_.5"
    assert files == [Path(f"x/grid_{name}.png") for name in names]
    assert folders == [Path(f"x/{name}") for name in names]
    assert several.outputs(Path("x"), places[:1], True) == {places[0]: Path("x")}


def test_samples_of_several_runs(draw, runs):
    one, other = runs / "new", runs / "old"
    outcome = draw(f"--workdir={one},runs/empty,{other}", "--num=4", "--out=x.npz")
    assert outcome.status == 2
    assert outcome.error.startswith("gan_jax: refused 1 of 3 runs: runs/empty: no che")
    wrote = outcome.err.splitlines()[:-1]
    assert [line.rpartition(", ")[2] for line in wrote] == ["step 60", "step 40"]
    assert {file.name for file in Path().glob("*")} == {
        *("runs", "x_new.npz", "x_old.npz")
    }
    for workdir in (one, other):
        assert draw(f"--workdir={workdir}", "--num=4", "--out=alone.npz").status == 0
        samples = [np.load(f)["x"] for f in ("alone.npz", f"x_{workdir.name}.npz")]
        np.testing.assert_array_equal(*samples)
    outcome = draw("--workdir=runs/[no]*", "--num=2", "--out=each/")
    assert outcome.status == 0, outcome.err
    files = sorted(map(str, Path("each").rglob("*.png")))
    assert files == [
        f"each/{run}/0000{i}.png" for run in ("new", "old") for i in (0, 1)
    ]
    with Image.open(files[0]) as image:
        assert image.size == (8, 8)
    assert "there are files in it" in draw(f"--workdir={one}", "--out=each/").error


def test_several_runs_are_measured_in_one_table(judged, runs):
    flags = "--metrics=frechet,modes", "--samples=100"
    outcome = judged(f"--workdir={runs / 'new'},{runs / 'old'}", "--workdir=e", *flags)
    assert outcome.status == 2
    reasons = outcome.error.split("; ")
    assert outcome.error.count("modes of these data are not known") == 2
    assert any(reason.startswith("e: no checkpoint in e") for reason in reasons)
    assert outcome.out.count("frechet_pixels: ") == 1
    rows = outcome.out.splitlines()[-2:]
    for row, workdir, step in zip(rows, ("new", "old"), (60, 40), strict=True):
        (measured,) = read(runs / workdir)
        assert measured.step == step
        value = f"{measured.values['frechet_pixels']:.4g}"
        assert row.split()[-2:] == [str(step), value]
    shown = judged("--show=runs/[no]*")
    assert shown.out == outcome.out


@pytest.mark.parametrize("command", ["draw", "judged"])
def test_a_run_that_is_asked_for_alone_is_refused_without_a_count(
    request, command, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    outcome = request.getfixturevalue(command)("--workdir=nowhere")
    assert outcome.status == 2
    assert outcome.err.startswith("gan_jax: no checkpoint in nowhere; train a run with")
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
