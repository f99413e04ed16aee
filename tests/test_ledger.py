"""The ledger of results: what becomes of runs in it, and what its tables say."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan_jax import cli, results
from gan_jax.config.files import load_experiment, to_json
from gan_jax.errors import UsageError
from gan_jax.ledger import adding, entries, tables
from gan_jax.ledger.entries import Cell, Entry, Trained
from gan_jax.loop.clock import Clock, memory_until, seconds_until
from gan_jax.loop.workdir import forget_after
from gan_jax.metrics.protocol import Measurement, Protocol, append

MODES = Protocol(
    metric="modes", samples=2500, seed=0, reference="ring", batch_norm=None, ema=False
)
CONFIG = to_json(load_experiment("experiments/toy2d.py")[0])


def made(workdir, seed=0, steps=(20_000,), value=7.0, logged=(), **changed):
    """A work directory as a run of toy2d leaves it, judged at some steps."""
    (workdir / "samples").mkdir(parents=True)
    record = {
        "experiment": "toy2d",
        "config": CONFIG | {"seed": seed} | changed,
        "data": {"shape": [2]},
        "versions": {"jax": "0.0.1"},
        "commit": "abc",
        "machine": {"processor": "a slow one", "cores": 2},
        "devices": ["cpu: cpu"],
    }
    (workdir / "config.json").write_text(json.dumps(record))
    rows = [json.dumps(row) + "\n" for row in logged]
    (workdir / "metrics.jsonl").write_text("".join(rows))
    clock = Clock(workdir, 0, 0.0)
    for step in steps:
        measured(workdir, step, value)
        clock.note(step)
        pixels = np.full((2, 2, 3), seed, np.uint8)
        Image.fromarray(pixels).save(workdir / "samples" / f"{step:08d}.png")
    return workdir


def measured(workdir, step, value, seed=0, model="toy2d", **fields):
    protocol = dataclasses.replace(MODES, seed=seed, **fields)
    values = {"modes": value, "kl": 0.5}
    about = {"model": model, "run": str(workdir), "step": step}
    append(workdir, Measurement(protocol=protocol, values=values, **about))


@pytest.fixture
def ledger(tmp_path, capsys):
    """Runs the command on a ledger of the test's own; what it prints on stdout."""

    def run(*arguments):
        flag = f"--ledger={tmp_path / 'ledger'}"
        assert cli.run(results.main, [flag, *arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def refused(capsys, *arguments):
    assert cli.run(results.main, list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


# times


def test_times_add_up_over_processes(tmp_path):
    """Also where one was killed between two checkpoints, and where a log is torn."""
    rows = [(0, 100, 10.0, 7), (0, 200, 19.0, 9), (0, 300, 30.0, 9)]
    rows += [(200, 300, 12.5, 8), (300, 400, 11.0, 10)]
    names = "start", "step", "seconds", "memory"
    lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    (tmp_path / "times.jsonl").write_text("\n".join(lines) + '\n{"start": 0, "st')
    assert seconds_until(tmp_path, 200) == 19.0
    assert seconds_until(tmp_path, 300) == 19.0 + 12.5
    assert seconds_until(tmp_path, 400) == 19.0 + 12.5 + 11.0
    assert seconds_until(tmp_path, 250) is None
    assert seconds_until(tmp_path / "none", 200) is None
    assert [memory_until(tmp_path, step) for step in (50, 300, 400)] == [None, 9, 10]


def test_a_start_from_nothing_forgets_times_and_a_resumption_does_not(tmp_path):
    Clock(tmp_path, 0, 0.0).note(100)
    Clock(tmp_path, 100, 0.0).note(200)
    assert seconds_until(tmp_path, 200) > seconds_until(tmp_path, 100) > 1e9
    forget_after(tmp_path, 200)
    assert seconds_until(tmp_path, 200) is not None
    forget_after(tmp_path, None)
    assert seconds_until(tmp_path, 200) is None


def test_a_run_notes_the_times_of_its_checkpoints(digits_run):
    record = json.loads((digits_run / "config.json").read_text())
    steps = record["config"]["steps"]
    assert seconds_until(digits_run, steps) > seconds_until(digits_run, 20) > 0
    assert 2**26 < memory_until(digits_run, steps) < 2**37  # 64 MiB to 128 GiB
    assert record["machine"]["cores"] >= 1
    assert record["machine"]["processor"]
    assert set(record) >= {"commit", "versions", "devices"}


# entries


def test_an_entry_is_read_as_it_was_written(tmp_path):
    """With protocols kept once, and nothing that is empty."""
    here = Measurement(protocol=MODES, values={"modes": 8.0})
    run = Trained(seed=1, step=10, seconds=3.5, cores=2, measurements=[here, here])
    cell = Cell(overrides={"d_steps": 5}, runs=[run])
    entry = Entry(
        experiment="toy2d",
        changes={"pack": 2, "data.classes": [1, 2]},
        checksum="0" * 16,
        shown=["modes"],
        seen="a ring",
        cells=[cell],
        real=[here],
    )
    file = entries.write(tmp_path, "ring-1", entry)
    assert entries.read(tmp_path) == {"ring-1": entry}
    values = json.loads(file.read_text())
    assert len(values["protocols"]) == 1
    assert "note" not in values
    assert "told" not in values


@pytest.mark.parametrize(
    "changes", [{"g_optimizer.b1": 0.0}, {"data.classes": (1, 2)}, {"data.x": None}]
)
def test_changes_of_every_kind_outlive_their_file(tmp_path, changes):
    """Also those that are empty; more seeds are added to what was read."""
    run = Trained(seed=0, step=10)
    plain = json.loads(json.dumps(changes))
    entry = Entry(experiment="toy2d", changes=plain, cells=[Cell(runs=[run])])
    entries.write(tmp_path, "a", entry)
    assert entries.read(tmp_path)["a"] == entry
    assert adding.merged(entries.read(tmp_path)["a"], entry) == entry


def test_lists_in_a_config_are_the_same_after_reading(tmp_path, ledger):
    for seed in (0, 1):
        entry = CONFIG["generator"] | {"widths": [8, 8]}
        workdir = made(tmp_path / str(seed), seed, generator=entry)
        ledger(f"--add={workdir}", "--name=wide")
    entry = entries.read(tmp_path / "ledger")["wide"]
    assert entry.changes == {"generator.widths": [8, 8]}
    assert [run.seed for run in entry.cells[0].runs] == [0, 1]
    assert entries.is_current(entry)


def test_what_is_no_entry_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"experiment": "toy2d", "more": 1}')
    with pytest.raises(UsageError, match=r"a\.json is no entry of a ledger: .*more"):
        entries.read(tmp_path)
    (tmp_path / "a.json").write_text('{"experiment": "toy2d"}')
    with pytest.raises(UsageError, match="neither cells nor told"):
        entries.read(tmp_path)
    with pytest.raises(UsageError, match="letters, digits"):
        entries.write(tmp_path, "../a", Entry(experiment="toy2d"))


def test_the_checksum_is_of_what_makes_a_run_what_it_is():
    config, _ = load_experiment("experiments/toy2d.py")
    same, other = (load_experiment("experiments/toy2d.py")[0] for _ in range(2))
    with same.unlocked(), other.unlocked():
        same.seed, same.steps, same.log_every = 9, 1, 1
        other.batch_size = config.batch_size + 1
    assert entries.config_checksum(same) == entries.config_checksum(config)
    assert entries.config_checksum(other) != entries.config_checksum(config)


def test_a_field_that_is_new_and_as_before_does_not_change_the_checksum():
    """Entries outlive the versions that wrote them."""
    config, _ = load_experiment("experiments/toy2d.py")
    older = to_json(config)
    del older["pack"]
    checksum = entries.config_checksum(adding.from_json(older))
    assert checksum == entries.config_checksum(config)
    packed = adding.from_json(older | {"pack": 2})
    assert entries.config_checksum(packed) != checksum


# from runs


def test_seeds_of_one_config_are_one_result(tmp_path):
    workdirs = [made(tmp_path / str(s), s, value=6.0 + s) for s in (1, 0)]
    entry = adding.of_runs(workdirs)
    (cell,) = entry.cells
    assert [run.seed for run in cell.runs] == [0, 1]
    assert cell.runs[0].samples != cell.runs[1].samples
    (run, _) = cell.runs
    assert (run.step, run.cores, run.commit) == (20_000, 2, "abc")
    assert run.seconds > 0
    assert run.measurements[0].run == ""  # no path of anyone's
    assert entry.changes == {}
    assert entries.is_current(entry)
    told = tables.summary(entry)
    assert "2 seeds: modes 6.50 ± 0.50, kl 0.5" in told


def test_changes_are_told_and_set_results_apart(tmp_path):
    plain, packed = made(tmp_path / "a"), made(tmp_path / "b", pack=2)
    entry = adding.of_runs([packed])
    assert entry.changes == {"pack": 2}
    assert tables.summary(entry).startswith("with `pack=2`: step 20,000")
    assert entries.is_current(entry)
    with pytest.raises(UsageError, match=r"more than their seed \(pack: 1 -> 2\)"):
        adding.of_runs([plain, packed])
    with pytest.raises(UsageError, match="another config"):
        adding.merged(adding.of_runs([plain]), entry)


def test_a_result_of_an_experiment_that_changed_says_so(tmp_path):
    entry = adding.of_runs([made(tmp_path / "a")])
    old = dataclasses.replace(entry, checksum="0" * 16)
    assert tables.summary(old).endswith("of an earlier config")
    assert "earlier" not in tables.summary(entry)
    gone = dataclasses.replace(entry, changes={"generator.fins": 3})
    assert tables.summary(gone).endswith("of an earlier config")


def test_a_step_is_chosen_and_steps_are_rows(tmp_path):
    workdir = made(tmp_path / "a", steps=(1000, 2000))
    at = {step: adding.of_runs([workdir], step) for step in (None, 1000)}
    assert at[None].cells[0].runs[0].step == 2000
    both = adding.merged(at[1000], at[None])
    assert [run.step for run in both.cells[0].runs] == [1000, 2000]
    table = tables.of_entry(both)
    assert len(table.splitlines()) == 2 + 2
    assert table.index("step 1,000") < table.index("step 2,000")
    first, _ = both.cells[0].runs
    first.logged["rare"] = 3.0
    assert tables.of_entry(both) == table  # a column is for what all rows have


def test_runs_are_added_to_a_result_and_replace_their_own(tmp_path):
    first = adding.of_runs([made(tmp_path / "a", 0, value=6.0)])
    first = dataclasses.replace(first, seen="dots", shown=["modes"])
    again = adding.of_runs([made(tmp_path / "b", 0, value=8.0)])
    other = adding.of_runs([made(tmp_path / "c", 1, value=7.0)])
    entry = adding.merged(adding.merged(first, other), again)
    found = [run.measurements[0].values["modes"] for run in entry.cells[0].runs]
    assert found == [8.0, 7.0]
    assert (entry.seen, entry.shown) == ("dots", ["modes"])
    assert tables.summary(entry).endswith("modes 7.50 ± 0.50; dots")


def test_what_was_told_is_kept_beside_runs(tmp_path):
    old = Entry(experiment="toy2d", told={"short": "8 modes", "text": "A story."})
    entry = adding.merged(old, adding.of_runs([made(tmp_path / "a", value=6.0)]))
    assert "8 modes" not in tables.summary(entry)
    assert "modes 6" in tables.summary(entry)
    assert "A story." in tables.whole("toy2d", entry)


def test_what_was_measured_twice_counts_once_and_samples_seeds_are_one_run(tmp_path):
    workdir = made(tmp_path / "a", value=1.0)
    measured(workdir, 20_000, 6.0)
    measured(workdir, 20_000, 8.0, seed=1)
    entry = adding.of_runs([workdir])
    assert len(entry.cells[0].runs[0].measurements) == 2
    assert "modes 7," in tables.summary(entry)  # no spread: it is one training


def test_the_first_protocol_is_what_tables_show(tmp_path):
    workdir = made(tmp_path / "a", value=6.0)
    measured(workdir, 20_000, 2.0, truncation=0.5)
    entry = adding.of_runs([workdir])
    assert "modes 6," in tables.summary(entry)
    assert "truncation 0.5" in tables.whole("a", entry)


def test_real_examples_have_a_row(tmp_path):
    workdir = made(tmp_path / "a", value=6.0)
    measured(workdir, None, 8.0, model="real ring", ema=None)
    table = tables.of_entry(adding.of_runs([workdir]))
    last = table.splitlines()[-1]
    assert "real examples" in last
    assert "8" in last


def test_real_examples_of_every_run_are_kept(tmp_path):
    for name, kind in (("a", "real ring"), ("b", "real grid")):
        made(tmp_path / name, seed=int(name == "b"))
        about = {"model": kind, "ema": None, "reference": kind}
        measured(tmp_path / name, None, 8.0, **about)
    both = [adding.of_runs([tmp_path / name]) for name in "ab"]
    assert [x.model for x in adding.merged(*both).real] == ["real ring", "real grid"]
    assert len(adding.merged(both[0], both[0]).real) == 1


def test_what_is_logged_of_samples_counts_where_nothing_was_evaluated(tmp_path):
    rows = [{"step": s, "d_loss": 1.0, "modes": s, "quality": s} for s in (10, 20, 30)]
    workdir = made(tmp_path / "a", steps=(20,), logged=rows)
    (run,) = adding.of_runs([workdir]).cells[0].runs
    assert run.logged == {"quality": 20}


def test_what_cannot_be_a_result_is_refused(tmp_path, capsys):
    own = made(tmp_path / "a")
    record = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(record | {"experiment": "mine"}))
    assert "experiment 'mine' is none of this project's" in refused(
        capsys, f"--add={own}"
    )
    assert "it has no config.json" in refused(capsys, f"--add={tmp_path}/none")
    assert "--seen goes with --add" in refused(capsys, "--seen=x")
    workdir = made(tmp_path / "b")
    flags = [f"--add={workdir}", f"--ledger={tmp_path / 'l'}"]
    assert "did you mean 'modes'" in refused(capsys, *flags, "--shown=mode")
    assert "nothing is known of step 5; of 20000" in refused(capsys, *flags, "--step=5")
    twice = f"--add={workdir},{workdir}"
    assert "seed 0 to step 20,000 is there" in refused(capsys, twice, flags[1])
    other = f"--ledger={tmp_path / 'nowhere'}"
    assert "there is no such folder" in refused(capsys, other)
    assert not (tmp_path / "l").exists()
    entry = Entry(experiment="digits", told={"short": "digits", "text": "Digits."})
    entries.write(tmp_path / "l", "toy2d", entry)
    assert "that result is of experiment digits" in refused(capsys, *flags)


def test_a_value_that_not_all_seeds_have_says_so(tmp_path):
    one, two = made(tmp_path / "a", 0, value=7.0), made(tmp_path / "b", 1)
    (two / "evaluation.jsonl").unlink()
    (two / "checkpoints" / "20000").mkdir(parents=True)
    assert "2 seeds: modes 7 (1 of 2)" in tables.summary(adding.of_runs([one, two]))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([90.0, 100.0, 150.0], "113 ± 19"),
        ([0.1, 0.2], "0.150 ± 0.050"),
        ([3.0, 3.0], "3"),
        ([0.123456], "0.123"),
    ],
)
def test_a_mean_has_the_digits_of_its_error(values, said):
    assert tables._text(values, None, len(values)) == said


# from sweeps


def test_a_sweep_is_a_result_of_cells(tmp_path, ledger):
    points = {f"k{k}s{s}": {"d_steps": k, "seed": s} for k in (1, 5) for s in (0, 1)}
    values = {"experiment": "toy2d", "config": "experiments/toy2d.py", "base": CONFIG}
    about = values | {"changes": {"batch_size": "32"}, "points": points}
    (tmp_path / "sweep.json").write_text(json.dumps(about))
    for name, point in points.items():
        changed = {"d_steps": point["d_steps"], "batch_size": 32}
        workdir = made(tmp_path / name, point["seed"], value=point["seed"], **changed)
        done = "done" if name != "k5s1" else "failed"
        status = {"status": done, "error": None, "step": 20_000, "seconds": 60.0}
        (workdir / "status.json").write_text(json.dumps(status))
    ledger(f"--add={tmp_path}", "--shown=modes", "--seen=rings")
    entry = entries.read(tmp_path / "ledger")["toy2d"]
    assert entry.changes == {"batch_size": 32}
    assert [cell.overrides for cell in entry.cells] == [{"d_steps": 1}, {"d_steps": 5}]
    assert [len(cell.runs) for cell in entry.cells] == [2, 1]
    table = tables.of_entry(entry).splitlines()
    assert "d_steps=1" in table[2]
    assert "60 s of 2 cores, 2 seeds" in table[2]
    assert "0.50 ± 0.50" in table[2]
    assert "seed 0" in table[3]
    assert entries.is_current(entry)
    assert tables.summary(entry) == "with `batch_size=32`: rings"
    points["k1"] = {"d_steps": 1}  # which is k1s0 again
    (tmp_path / "sweep.json").write_text(json.dumps(about | {"points": points}))
    shutil.copytree(tmp_path / "k1s0", tmp_path / "k1")
    with pytest.raises(UsageError, match="a run twice among the points k1s0, k1s1, k1"):
        adding.of_sweep(tmp_path)


def test_a_change_that_only_the_points_can_take_is_theirs(tmp_path):
    point = {"penalty.name": "wgan_gp"}
    changes = {"penalty.weight": "5.0", "batch_size": "32"}
    about = {"experiment": "toy2d", "config": "experiments/toy2d.py", "base": CONFIG}
    about |= {"changes": changes, "points": {"p": point}}
    (tmp_path / "sweep.json").write_text(json.dumps(about))
    changed = {"penalty": {"name": "wgan_gp", "weight": 5.0}, "batch_size": 32}
    workdir = made(tmp_path / "p", **changed)
    status = {"status": "done", "error": None, "step": 20_000, "seconds": 60.0}
    (workdir / "status.json").write_text(json.dumps(status))
    entry = adding.of_sweep(tmp_path)
    assert entry.changes == {"batch_size": 32}
    (cell,) = entry.cells
    assert cell.overrides == {"penalty.name": "wgan_gp", "penalty.weight": 5.0}
    assert entries.is_current(entry)


def test_one_process_at_a_time_adds_to_a_ledger(tmp_path, monkeypatch):
    monkeypatch.setattr(entries, "_SECONDS_FOR_LOCK", 0)
    folder = tmp_path / "ledger"
    refused = pytest.raises(UsageError, match="ledger cannot be written")
    with entries.alone(folder), refused, entries.alone(folder):
        pass
    with entries.alone(folder):
        assert not folder.exists()  # until there is something in it


# the tables


def test_a_text_gets_its_tables_and_keeps_the_rest(tmp_path):
    known = {"toy2d": adding.of_runs([made(tmp_path / "a")])}
    marked = "<!-- results: {} -->\nstale\n<!-- end of results -->"
    text = "before\n" + marked.format("toy2d") + "\nbetween\n"
    text += marked.format("experiments") + "\nafter"
    found = tables.written_into(text, known)
    assert found.startswith("before\n<!-- results: toy2d -->\n\n|")
    assert found.endswith("<!-- end of results -->\nafter")
    assert "stale" not in found
    assert "| `toy2d.py`" in found
    assert "step 20,000" in found
    assert "default.py" not in found
    assert tables.written_into(found, known) == found
    with pytest.raises(UsageError, match="no result 'toy'; did you mean 'toy2d'"):
        tables.written_into(marked.format("toy"), known)


def test_what_was_told_stands_where_no_runs_were_kept():
    entry = Entry(experiment="toy2d", told={"short": "8 modes", "text": "| a table |"})
    assert tables.summary(entry) == "8 modes"
    assert tables.of_entry(entry) == "| a table |"
    row = next(x for x in tables.of_files("experiments", {"a": entry}).splitlines()
               if "`toy2d.py`" in x)  # fmt: skip
    assert "8 modes" in row


def test_an_experiment_that_nobody_ran_says_so():
    rows = tables.of_files("ablations", {}).splitlines()[2:]
    assert len(rows) > 5
    assert all("not run yet" in row for row in rows)


def test_the_command_prints_all_that_is_known(tmp_path, ledger):
    workdir = made(tmp_path / "a", value=8.0)
    ledger(f"--add={workdir}", "--name=mine", "--note=on a train")
    shown = ledger("--show=mine")
    for said in ("seed 0", "a slow one", "jax 0.0.1", "commit abc", "on a train"):
        assert said in shown
    assert "| `toy2d.py`" in ledger()


def test_durations_are_read_easily():
    found = [tables._duration(s) for s in (5.4, 99, 100, 3600, 7200)]
    assert found == ["5 s", "99 s", "2 min", "60 min", "2.0 h"]
