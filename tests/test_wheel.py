"""The package as it is distributed: it trains without the repository around it."""

import importlib.util
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from gan_jax.config.files import experiments_dir

REPOSITORY = Path(__file__).parents[1]
PARTS = "gan_jax", "experiments", "pyproject.toml", "README.md", "LICENSE"


@pytest.fixture
def installed(tmp_path, start, finish):
    """A folder with what the wheel installs, built from a copy of the sources."""
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in PARTS:
        part = REPOSITORY / name
        copy = shutil.copytree if part.is_dir() else shutil.copy
        copy(part, sources / name)
    # where the backend is missing, build fetches it
    offline = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    command = "-m", "build", "--wheel", *offline, "--outdir", tmp_path / "dist"
    built = finish(start(*command, sources))
    assert built.status == 0, built.err
    (wheel,) = (tmp_path / "dist").glob("gan_jax-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    shutil.rmtree(sources)
    return tmp_path / "site"


def test_the_wheel_carries_the_experiments_and_trains_on_its_own(
    installed, tmp_path, start, finish
):
    def names(folder):
        files = *folder.rglob("*.py"), *folder.rglob("*.json")
        return {path.relative_to(folder) for path in files}

    assert names(installed / "gan_jax" / "experiments") == names(experiments_dir())
    files = {path.name for path in (installed / "gan_jax").glob("*.py")}
    assert {"main.py", "sample.py", "train_step.py"} <= files
    weights = installed / "gan_jax" / "metrics" / "weights"
    files = {path.name for path in weights.iterdir()}
    assert files == {"mnist.npz", "cifar10.npz"}
    assert (installed / "gan_jax" / "sweep" / "report.html").is_file()
    pages = {path.name for path in (installed / "gan_jax" / "pages").iterdir()}
    assert {"run.html", "slider.js", "style.css"} <= pages
    assert not list(installed.rglob("__pycache__"))
    empty = tmp_path / "empty"
    empty.mkdir()
    where = "import gan_jax; print(gan_jax.__file__)"
    found = finish(start("-c", where, cwd=empty, PYTHONPATH=str(installed)))
    assert Path(found.out.strip()).parent == installed / "gan_jax"
    flags = "--config=experiments/digits.py", "--config.steps=2"
    trained = finish(
        start("-m", "gan_jax.main", *flags, cwd=empty, PYTHONPATH=str(installed))
    )
    assert trained.status == 0, trained.err
    record = json.loads((empty / "runs" / "digits" / "config.json").read_text())
    assert record["config"]["steps"] == 2
    assert [path.name for path in empty.iterdir()] == ["runs"]
