"""The notebooks run from top to bottom, and are stored without outputs."""

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# of each notebook: how many pictures it shows, and something it says
SHOWN = {
    "samples.ipynb": (4, "step 60 of"),
    "theory.ipynb": (10, "-1.3863, -log 4 = -1.3863"),
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_from_top_to_bottom(path, digits_run, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_WORKDIR", str(digits_run))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=place).execute()
    made = outputs(notebook)
    shown = [output for output in made if "image/png" in output.get("data", {})]
    pictures, words = SHOWN[path.name]
    assert len(shown) == pictures
    said = "".join(output.text for output in made if output.output_type == "stream")
    assert words in said
    assert list(tmp_path.iterdir()) == []
