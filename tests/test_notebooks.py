"""The notebooks run from top to bottom, and keep their small outputs.

    python tests/test_notebooks.py samples.ipynb

runs notebooks in the current folder, where their runs are, and keeps what they show.
"""

import base64
import io
import re
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat
import pytest
from conftest import some_slow
from PIL import Image

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# of each notebook: how many pictures it shows, something it says, the run it shows
SHOWN = {
    "classes.ipynb": (2, "classes 0, 1, 2, 3", "labelled_run"),
    "samples.ipynb": (5, "step 60 of", "digits_run"),
    "sweep.ipynb": (2, "rate 0.0001, seed 0: done", "digits_run"),
    "train_your_own.ipynb": (3, "trained to step 10", "digits_run"),
    "theory.ipynb": (10, "-1.3863, -log 4 = -1.3863", "digits_run"),
}
MOST_BYTES = 150_000  # of the pictures that a notebook keeps
TEMPORARY = re.compile(rf"{re.escape(tempfile.gettempdir())}/\w+")
PATH = re.compile(r"(?<![\w./])~?/\w[\w.-]*/\w|[A-Z]:\\\\|/home/|/Users/")
NUMBER = r"[-+]?\d[\d,_]*\.?\d*(e[-+]?\d+)?"


def run(notebook, folder):
    """Runs a notebook in a folder."""
    place = {"metadata": {"path": str(folder)}}
    how = {"timeout": 1200, "resources": place, "record_timing": False}
    how["coalesce_streams"] = True  # what a cell prints comes in pieces of any length
    nbclient.NotebookClient(notebook, **how).execute()


def keep(notebook):
    """Leaves of a notebook's outputs what is kept: pictures, and what it prints.

    Remarks on stderr are timings and paths; folders that are gone have no names.
    """
    for cell in code_cells(notebook):
        cell.outputs = [x for x in cell.outputs if x.get("name") != "stderr"]
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                output.data = {"image/png": smaller(output.data["image/png"])}
                output.metadata = {}
            if output.output_type == "stream":
                output.text = TEMPORARY.sub("PLACE", output.text)


def smaller(picture):
    """A picture in 32 colours, where that is smaller; both as base64."""
    data, out = base64.b64decode(picture), io.BytesIO()
    image = Image.open(io.BytesIO(data)).convert("RGB").quantize(32)
    image.save(out, "PNG", optimize=True)
    return base64.b64encode(min(data, out.getvalue(), key=len)).decode()


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def said(notebook):
    return "".join(x.text for x in outputs(notebook) if x.output_type == "stream")


def pictures(notebook):
    data = [output.get("data", {}) for output in outputs(notebook)]
    return [base64.b64decode(x["image/png"]) for x in data if "image/png" in x]


def kinds(notebook, workdir):
    """Of each cell its pictures, and what it says but for numbers and a run's name."""
    name = re.escape(TEMPORARY.sub("PLACE", workdir))  # as `keep` leaves it

    def kind(output):
        if output.output_type != "stream":
            return sorted(output.data)
        text = re.sub(rf"{name}|(\.\./)?runs/\w+", "RUN", output.text)
        text = re.sub(NUMBER, "#", text)
        return re.sub(r"#(, #)+", "#", " ".join(text.split()))

    return [[kind(output) for output in cell.outputs] for cell in code_cells(notebook)]


def test_every_notebook_is_known():
    assert [path.name for path in NOTEBOOKS] == sorted(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_what_is_kept_is_small_and_of_a_run_from_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [x.execution_count for x in cells] == list(range(1, len(cells) + 1))
    assert [x.metadata for x in cells] == [{}] * len(cells)
    assert len(pictures(notebook)) == SHOWN[path.name][0]
    assert sum(map(len, pictures(notebook))) <= MOST_BYTES
    assert 0 < len(said(notebook)) < 10_000
    assert PATH.findall(said(notebook)) == []
    assert not any("stderr" in str(x.get("name")) for x in outputs(notebook))


def test_a_path_is_told_from_a_quotient():
    assert PATH.findall("0.5 = 1/4 + chi2 / 8, step 3 of runs/digits, ../runs/x") == []
    for path in ("in /work/x", "'/tmp/a/b'", "~/runs/x", "C:\\\\x", "a/home/b"):
        assert PATH.search(path), path


@pytest.mark.parametrize(
    "path",
    some_slow(NOTEBOOKS, quick=[x for x in NOTEBOOKS if x.stem == "samples"]),
    ids=lambda path: path.name,
)
def test_a_notebook_runs_and_shows_what_is_kept(path, request, tmp_path, monkeypatch):
    number, words, name = SHOWN[path.name]
    workdir = str(request.getfixturevalue(name))
    monkeypatch.setenv("GAN_JAX_WORKDIR", workdir)
    monkeypatch.setenv("GAN_JAX_STEPS", "10")
    notebook = nbformat.read(path, as_version=4)
    kept = kinds(notebook, workdir)
    run(notebook, tmp_path)
    keep(notebook)
    assert len(pictures(notebook)) == number
    assert words in said(notebook)
    assert kinds(notebook, workdir) == kept
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    for name in sys.argv[1:]:
        written = nbformat.read(FOLDER / name, as_version=4)
        run(written, Path.cwd())
        keep(written)
        written.metadata.language_info = {"name": "python"}
        nbformat.write(written, FOLDER / name)
