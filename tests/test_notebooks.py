"""The notebooks run from top to bottom, and are stored without outputs."""

from pathlib import Path

import nbclient
import nbformat
import pytest
from conftest import some_slow

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# of each notebook: how many pictures it shows, something it says, the run it shows
SHOWN = {
    "classes.ipynb": (2, "classes 0, 1, 2, 3", "labelled_run"),
    "samples.ipynb": (4, "step 60 of", "digits_run"),
    "train_your_own.ipynb": (3, "trained to step 10", "digits_run"),
    "theory.ipynb": (10, "-1.3863, -log 4 = -1.3863", "digits_run"),
}


def outputs(notebook):
    return [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


def test_every_notebook_is_known():
    assert [path.name for path in NOTEBOOKS] == sorted(SHOWN)


@pytest.mark.parametrize(
    "path",
    some_slow(NOTEBOOKS, quick=[x for x in NOTEBOOKS if x.stem == "samples"]),
    ids=lambda path: path.name,
)
def test_a_notebook_runs_from_top_to_bottom(path, request, tmp_path, monkeypatch):
    pictures, words, run = SHOWN[path.name]
    monkeypatch.setenv("GAN_JAX_WORKDIR", str(request.getfixturevalue(run)))
    monkeypatch.setenv("GAN_JAX_STEPS", "10")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=place).execute()
    made = outputs(notebook)
    shown = [output for output in made if "image/png" in output.get("data", {})]
    assert len(shown) == pictures
    said = "".join(output.text for output in made if output.output_type == "stream")
    assert words in said
    assert list(tmp_path.iterdir()) == []
