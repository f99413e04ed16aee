"""The report of a sweep: its statistics, what it keeps apart, what it escapes."""

import csv
import dataclasses
import io
import json
import re
import shutil
import statistics
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from gan_jax.config.files import load_experiment, to_json
from gan_jax.errors import UsageError
from gan_jax.metrics.protocol import Measurement, Protocol, append
from gan_jax.sweep import contents, curves, folder, report
from gan_jax.sweep.columns import make_columns, median_member, of_interest
from gan_jax.sweep.results import make_cells, read_members, summarise

SCRIPT = "<script>alert(1)</script>"
CONFIG = to_json(load_experiment("experiments/toy2d.py")[0])
MODES = Protocol(metric="modes", samples=2500, seed=0, reference="ring", ema=False)


@pytest.fixture
def sweep(tmp_path):
    """Adds the run of a point to a sweep in tmp_path; without points, there are none.

    rows: of metrics.jsonl; modes: step -> the value evaluated by MODES;
    status None: not begun
    """
    path = tmp_path / "sweep.json"
    empty = {"experiment": "toy2d", "config": "experiments/toy2d.py", "changes": {}}
    path.write_text(json.dumps(empty | {"base": CONFIG, "points": {}}))

    def add(
        overrides, status="done", rows=(), modes=(), error=None, step=None, **entry
    ):
        record = json.loads(path.read_text())
        name = f"point{len(record['points'])}"
        record["points"][name] = overrides
        path.write_text(json.dumps(record))
        workdir = tmp_path / name
        if status is None:
            return workdir
        (workdir / "samples").mkdir(parents=True)
        about = {"status": status, "error": error, "step": step, "seconds": 1.5}
        (workdir / "status.json").write_text(json.dumps(about))
        record = {
            "experiment": "toy2d",
            "config": CONFIG | entry,
            "data": {"shape": [2]},
        }
        (workdir / "config.json").write_text(json.dumps(record))
        lines = [json.dumps(row) + "\n" for row in rows]
        (workdir / "metrics.jsonl").write_text("".join(lines))
        for step, value in dict(modes).items():
            measure(workdir, value, step)
        return workdir

    return add


def measure(workdir, value, step, **changed):
    protocol = dataclasses.replace(MODES, **changed)
    append(workdir, Measurement(protocol=protocol, values={"modes": value}, step=step))


def read(directory):
    """(sweep, members, columns) of a folder."""
    swept = folder.read(directory)
    members = read_members(directory, swept)
    return swept, members, make_columns(members)


def result_table(directory):
    """The rows of the report's first table by cell, as dicts by header."""
    table = contents.gather(*read(directory)).table
    return [dict(zip(table.headers, row, strict=True)) for row in table.rows]


# numbers


def test_statistics_are_those_of_the_textbooks():
    values = [10.0, 1.0, 3.0, 2.0, 4.0]
    found = summarise([*values, np.nan, np.inf])
    assert found.n == 5
    assert (found.median, found.mean) == (3, 4)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    assert (found.low, found.high) == pytest.approx((low, high)) == (2, 4)
    error = statistics.stdev(values) / 5**0.5
    assert found.standard_error == pytest.approx(error) == pytest.approx(2.5**0.5)


def test_one_value_has_no_error_and_none_has_no_summary():
    assert summarise([7.0])[:5] == (1, 7, 7, 7, 7)
    assert summarise([7.0]).standard_error is None
    assert summarise([]) is None
    assert summarise([np.nan]) is None


def test_a_row_is_of_the_members_that_are_done_and_says_of_how_many(sweep, tmp_path):
    for seed, value in enumerate([3, 1, 8]):
        sweep({"d_steps": 1, "seed": seed}, modes={100: value})
    sweep({"d_steps": 1, "seed": 3}, "diverged", modes={50: 1000}, error="nan")
    sweep({"d_steps": 1, "seed": 4}, "running", modes={50: 1000})
    sweep({"d_steps": 5, "pack": 2, "seed": 0}, "failed")
    sweep({"seed": 1, "pack": 2, "d_steps": 5}, None)  # a field's place does not matter
    one, five = result_table(tmp_path)
    assert (one["cell"], one["d_steps"]) == ("1", "1")
    assert one["runs"] == "3 of 5 done\n1 diverged, 1 running"
    assert one["modes"] == "3 [2, 5.5]\n4 \N{PLUS-MINUS SIGN} 2.1"
    assert five["runs"] == "0 of 2 done\n1 failed, 1 not begun"
    assert five["modes"] == "\N{EN DASH}"


def test_a_number_of_fewer_runs_or_of_several_steps_says_so(sweep, tmp_path):
    sweep({"seed": 0}, modes={100: 4})
    sweep({"seed": 1}, modes={100: 6, 200: 8})
    sweep({"seed": 2})
    (row,) = result_table(tmp_path)
    assert row["modes"].split("\n")[2:] == ["of 2 runs", "steps 100 to 200"]


# columns


def test_protocols_never_share_a_column(sweep, tmp_path):
    one, two = sweep({"d_steps": 1}), sweep({"d_steps": 5})
    measure(one, 3, 100)
    measure(one, 5, 100, seed=1)  # a repeat
    measure(one, 100, 100, samples=10_000)
    measure(two, 200, 100, samples=10_000)
    first, second = result_table(tmp_path)
    few, many = "modes (samples 2500)", "modes (samples 10000)"
    assert (first[few], first[many]) == ("4", "100")
    assert (second[few], second[many]) == ("\N{EN DASH}", "200")
    said = dict(contents.gather(*read(tmp_path)).protocols)
    assert "samples 2500" in said[few]
    assert "reference ring" in said[many]
    assert "at step 100" in said[many]


def test_the_same_seed_of_the_samples_counts_once(sweep, tmp_path):
    workdir = sweep({"d_steps": 1})
    measure(workdir, 3, 100)
    measure(workdir, 9, 100)
    assert [row["modes"] for row in result_table(tmp_path)] == ["9"]


def test_measurements_of_real_data_are_no_results(sweep, tmp_path):
    measure(sweep({"d_steps": 1}, modes={100: 4}), 8, None)
    assert [row["modes"] for row in result_table(tmp_path)] == ["4"]


@pytest.mark.parametrize(
    ("logged", "labels"),
    [
        ([{"step": 100, "modes": 4}], ["modes"]),
        ([{"step": 100, "modes": 7}], ["modes (evaluated)", "modes (logged)"]),
        ([{"step": 50, "modes": 4}], ["modes (evaluated)", "modes (logged)"]),
    ],
)
def test_what_an_evaluation_logged_stands_once(sweep, tmp_path, logged, labels):
    sweep({}, rows=logged, modes={100: 4})
    assert [column.label for column in read(tmp_path)[2]] == labels


def test_columns_come_in_the_order_of_what_they_say(sweep, tmp_path):
    training = {"d_loss": 1.0, "d_grad_norm": 2.0, "validation_d_loss": 1.0}
    quality = {"class_entropy": 2.3, "class_0": 0.1, "high_quality": 0.5}
    rows = [{"step": 100, **training, **quality, "g_loss": 1.0}]
    workdir = sweep({}, rows=rows, modes={100: 4})
    classes = Protocol(metric="classes", samples=1000, seed=0)
    values = {"class_entropy": 2.0, "class_0": 0.2}
    append(workdir, Measurement(protocol=classes, values=values, step=100))
    _, _, columns = read(tmp_path)
    labels = [column.label for column in of_interest(columns)]
    assert labels == [
        "modes",
        "class_entropy (evaluated)",
        "class_entropy (logged)",
        "high_quality",
        "d_loss",
        "g_loss",
    ]
    assert {"d_grad_norm", "class_0 (evaluated)"} <= {x.label for x in columns}


@pytest.mark.parametrize(
    ("values", "middle"), [([5, 1, 9], 5), ([7, 1, 3, 9], 3), ([4], 4)]
)
def test_the_median_member_is_the_lower_middle_one(sweep, tmp_path, values, middle):
    for seed, value in enumerate(values):
        sweep({"seed": seed}, modes={100: value})
    sweep({"seed": 9}, "diverged", modes={100: middle})
    _, members, columns = read(tmp_path)
    (cell,) = make_cells(members)
    member, column = median_member(cell, columns)
    assert member.overrides["seed"] == values.index(middle)
    assert column.label == "modes"


def test_where_nothing_is_done_the_furthest_shows_its_samples(sweep, tmp_path):
    sweep({"seed": 0}, "running", rows=[{"step": 10, "d_loss": 1.0}])
    sweep({"seed": 1}, "running", rows=[{"step": 30, "d_loss": 1.0}])
    _, members, columns = read(tmp_path)
    (cell,) = make_cells(members)
    member, column = median_member(cell, columns)
    assert (member.overrides["seed"], column) == (1, None)


# curves


def bands(directory):
    _, members, columns = read(directory)
    (cell,) = make_cells(members)
    return {column.name: curves.band(column, cell) for column in columns}


def test_a_band_is_of_the_members_that_came_so_far(sweep, tmp_path):
    table = np.array([[1.0, 5.0, 2.0], [2.0, 9.0, 4.0], [9.0, 1.0, np.nan]])
    for seed, values in enumerate(table):
        rows = [{"step": 10 * i, "d_loss": x} for i, x in enumerate(values, 1) if x > 0]
        sweep({"seed": seed}, "done" if len(rows) == 3 else "diverged", rows)
    steps, *quartiles = bands(tmp_path)["d_loss"]
    np.testing.assert_array_equal(steps, [10, 20, 30])
    np.testing.assert_allclose(quartiles, [[1.5, 3, 2.5], [2, 5, 3], [5.5, 7, 3.5]])


def test_a_step_that_one_of_many_has_is_left_out(sweep, tmp_path):
    for seed in range(3):
        odd = {150: 100} if seed == 0 else {}
        sweep({"seed": seed}, modes={100: 1, 200: 2} | odd)
    steps, _, median, _ = bands(tmp_path)["modes"]
    assert (steps.tolist(), median.tolist()) == ([100, 200], [1, 2])


def test_long_curves_are_means_of_each_member_over_neighbours(sweep, tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 400))
    for seed, row in enumerate(values):
        rows = [{"step": i + 1, "g_loss": x} for i, x in enumerate(row)]
        sweep({"seed": seed}, rows=rows)
    steps, *quartiles = bands(tmp_path)["g_loss"]
    np.testing.assert_array_equal(steps, np.arange(4, 401, 4))
    means = values.reshape(3, 100, 4).mean(axis=2)
    np.testing.assert_allclose(quartiles, np.quantile(means, [0.25, 0.5, 0.75], axis=0))


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1.0, 2.0, 99.0], "linear"),
        ([1.0, 2.0, 1001.0], "log"),
        ([-1.0, 2.0, 3.0], "linear"),
        ([-1000.0, 1.0, 2.0], "symlog"),
        ([0.0, 0.0, 5.0], "linear"),
    ],
)
def test_an_axis_is_logarithmic_where_values_differ_by_orders(values, scale, sweep):
    figures = []
    rows = [{"step": i, "g_loss": x} for i, x in enumerate(values, 1)]
    member = read_members(*_of(sweep({}, rows=rows)))
    (column,), (cell,) = make_columns(member), make_cells(member)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves.pictures, "render", figures.append)
        curves.draw(column, [cell], [["1: as it is"]])
    assert figures[0].axes[0].get_yscale() == scale


def _of(workdir):
    return workdir.parent, folder.read(workdir.parent)


@pytest.mark.parametrize("cells", [2, curves.MOST_TOGETHER + 1])
def test_a_figure_has_each_cell_and_takes_no_name_for_mathematics(
    cells, sweep, monkeypatch
):
    rows = [{"step": step, "$\\frac$": step} for step in (1, 2)]
    for k in range(cells):
        workdir = sweep({"d_steps": k, "seed": 0}, rows=rows)
    sweep({"d_steps": 0, "seed": 1}, "diverged", rows[:1])
    members = read_members(*_of(workdir))
    (column,), labels = make_columns(members), [["$\\frac$"]] * cells
    render, figures = curves.pictures.render, []
    monkeypatch.setattr(
        curves.pictures,
        "render",
        lambda figure: figures.append(figure) or render(figure),
    )
    picture = curves.draw(column, make_cells(members), labels)
    assert picture.ndim == 3
    assert np.ptp(picture) > 100
    (figure,) = figures
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == (1 if cells == 2 else cells)
    crosses = [
        line for axes in shown for line in axes.lines if line.get_marker() == "X"
    ]
    assert [line.get_xdata().tolist() for line in crosses] == [[1]]
    if cells == 2:  # the legend lies beside the curves, not on them
        legend = figure.legends[0].get_window_extent()
        assert not legend.overlaps(shown[0].get_window_extent())


def test_a_single_point_is_no_curve(sweep):
    members = read_members(*_of(sweep({}, rows=[{"step": 5, "g_loss": 1.0}])))
    (column,) = make_columns(members)
    assert curves.draw(column, make_cells(members), [["1"]]) is None


# sweep.csv


def csv_rows(directory):
    text = report.csv_text(*read(directory)[1:])
    return list(csv.DictReader(io.StringIO(text)))


def test_the_csv_has_a_row_for_every_point_and_the_newest_of_every_metric(
    sweep, tmp_path
):
    rows = [{"step": 10, "d_loss": 1.5, "g_loss": -2.0}, {"step": 20, "d_loss": 0.25}]
    sweep({"loss.name": "hinge", "seed": 0}, rows=rows, modes={20: 7}, step=20)
    sweep(
        {"loss.name": "hinge", "seed": 1}, "diverged", rows[:1], error="D's loss, nan"
    )
    sweep({"d_steps": 5}, None)
    one, two, three = csv_rows(tmp_path)
    assert one == {
        "name": "point0", "loss.name": "hinge", "seed": "0", "d_steps": "",
        "status": "done", "step": "20", "error": "", "seconds": "1.5",
        "modes": "7.0", "d_loss": "0.25", "g_loss": "-2.0",
    }  # fmt: skip
    assert (two["status"], two["step"]) == ("diverged", "10")
    assert (two["error"], two["modes"]) == ("D's loss, nan", "")
    assert (three["status"], three["d_steps"]) == ("not begun", "5")
    assert three["step"] == three["seconds"] == three["d_loss"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_of_the_csv_is_a_formula(sweep, tmp_path, start):
    attack = f"{start}cmd|' /C calc'!A0"
    sweep({"data.path": attack, attack: 1}, "failed", error=attack)
    (row,) = csv_rows(tmp_path)
    assert row["data.path"] == row["error"] == f"'{attack}"
    assert row[f"'{attack}"] == "1"


@pytest.mark.parametrize("value", [-1.5, "-1.5", "+3", 7, None, "a=b", ""])
def test_numbers_and_plain_words_of_the_csv_are_left_alone(value):
    assert report.harmless(value) == value


# the files


class Page(HTMLParser):
    """What an HTML file has: its tags, their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data


def test_nothing_that_a_run_says_becomes_markup(sweep, tmp_path):
    attack = f'{SCRIPT} "onload=x |*_`](javascript:x) $title &lt; \udcff'
    rows = [{"step": step, attack: step} for step in (1, 2)]
    for k in range(2):
        workdir = sweep({"data.path": attack, "d_steps": k}, rows=rows)
        Image.new("RGB", (8, 8)).save(workdir / "samples" / "00000002.png")
    sweep({attack: attack}, "failed", error=attack)
    report.write(tmp_path)
    page = Page((tmp_path / "report.html").read_text())
    assert "script" not in page.tags
    assert {name for name, _ in page.attributes} <= {
        "lang", "charset", "name", "content", "http-equiv", "class", "scope", "alt",
        "src", "tabindex",
    }  # fmt: skip
    said = attack.replace("\udcff", "?")  # which no file can hold
    assert page.text.count(said) >= 5  # as it was written: cell, error, captions
    text = (tmp_path / "report.md").read_text()
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    tables = [part.splitlines() for part in text.split("\n\n") if part[0] == "|"]
    assert len(tables) == 3
    for lines in tables:  # results, samples, runs
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_the_page_needs_no_other_file_and_the_markdown_those_beside_it(
    sweep, tmp_path, digits_run
):
    workdir = sweep({"seed": 0}, None)
    shutil.copytree(digits_run, workdir)
    status = {"status": "done", "error": None, "step": 60, "seconds": 1.0}
    (workdir / "status.json").write_text(json.dumps(status))
    report.write(tmp_path)
    page = Page((tmp_path / "report.html").read_text())
    sources = [value for name, value in page.attributes if name in ("src", "href")]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    named = re.findall(r"\]\((.*?)\)", (tmp_path / "report.md").read_text())
    assert len(named) == len(sources) == page.tags.count("img")
    files = {f"report/{file.name}" for file in (tmp_path / "report").iterdir()}
    assert set(named) == files
    assert {"report/curves_01.png", "report/samples_001.png"} <= files
    assert "seed 0, step 60" in page.text
    (row,) = csv_rows(tmp_path)
    logged = (digits_run / "metrics.jsonl").read_text().splitlines()
    assert float(row["g_loss"]) == json.loads(logged[-1])["g_loss"]


def test_a_sweep_under_way_with_torn_files_has_a_report(sweep, tmp_path):
    rows = [{"step": 10, "d_loss": 1.5}, {"step": 20, "d_loss": 0.25}]
    workdir = sweep({"seed": 0}, "running", rows, modes={10: 7})
    for name in ("metrics.jsonl", "evaluation.jsonl"):
        with (workdir / name).open("a") as file:
            file.write('{"step": 3')
    for step in (5, 10):
        Image.new("RGB", (8, 8)).save(workdir / "samples" / f"{step:08d}.png")
    (workdir / "samples" / "00000020.png").write_bytes(b"\x89PNG\r\n")
    broken = sweep({"seed": 1}, "interrupted")
    (broken / "metrics.jsonl").write_text("3\nnull\n")
    (broken / "config.json").write_text("{")
    (broken / "evaluation.jsonl").write_bytes(b"\xff")
    sweep({"seed": 2}, None)
    report.write(tmp_path)
    page = Page((tmp_path / "report.html").read_text())
    waiting = "not complete: 1 interrupted, 1 running, 1 not begun"
    assert waiting in page.text
    assert waiting in (tmp_path / "report.md").read_text()
    assert "seed 0, step 10" in page.text  # the newest whole picture
    first, second, third = csv_rows(tmp_path)
    assert (first["step"], first["d_loss"], first["modes"]) == ("20", "0.25", "7.0")
    assert first["error"] == "lines of evaluation.jsonl that cannot be read: 1"
    for name in ("config.json", "metrics.jsonl", "evaluation.jsonl"):
        assert name in second["error"]
    assert (third["status"], third["error"]) == ("not begun", "")


def test_the_same_files_give_the_same_bytes_and_old_pictures_go(sweep, tmp_path):
    rows = [{"step": step, "d_loss": 1.0 / step} for step in (1, 2)]
    workdir = sweep({"seed": 0}, rows=rows)
    Image.new("RGB", (8, 8)).save(workdir / "samples" / "00000002.png")

    def written():
        report.write(tmp_path)
        new = [tmp_path / x for x in ("sweep.csv", "report.html", "report.md")]
        pictures = (tmp_path / "report").iterdir()
        return {file.name: file.read_bytes() for file in [*new, *pictures]}

    first = written()
    assert len(first) == 5
    assert written() == first
    assert not list(tmp_path.rglob("*.tmp"))
    (workdir / "samples" / "00000002.png").unlink()
    assert set(first) - set(written()) == {"samples_001.png"}


def test_a_sweep_without_points_has_a_report(sweep, tmp_path):
    report.write(tmp_path)
    assert csv_rows(tmp_path) == []
    assert "0 in 0 cells" in (tmp_path / "report.md").read_text()
    assert "img" not in Page((tmp_path / "report.html").read_text()).tags


def test_losses_of_different_functions_are_said_to_be_so(sweep, tmp_path):
    rows = [{"step": 1, "d_loss": 1.0}]
    sweep({"loss.name": "hinge"}, rows=rows, loss={"name": "hinge"})
    assert contents.gather(*read(tmp_path)).warnings == []
    sweep({"loss.name": "wasserstein"}, rows=rows, loss={"name": "wasserstein"})
    (warning,) = contents.gather(*read(tmp_path)).warnings
    assert "different losses" in warning


@pytest.mark.parametrize("content", [None, "{", "[]", '{"points": {}}'])
def test_a_folder_that_is_no_sweep_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(UsageError, match=re.escape(str(tmp_path))):
        report.write(tmp_path)
    assert not (tmp_path / "sweep.csv").exists()


def test_a_point_outside_of_the_folder_is_refused(sweep, tmp_path):
    path = tmp_path / "sweep.json"
    path.write_text(path.read_text().replace('"points": {', '"points": {"../x": {}'))
    with pytest.raises(UsageError, match=r"\.\./x"):
        report.write(tmp_path)


def test_a_report_that_cannot_be_written_is_one_line(sweep, tmp_path):
    (tmp_path / "report").write_text("a file")
    with pytest.raises(UsageError, match="no report can be written"):
        report.write(tmp_path)
