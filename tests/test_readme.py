"""What the README says is what the project has."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_algorithm_shown_is_the_one_that_runs():
    shown = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (algorithm,) = [code for code in shown if "def alternating" in code]
    assert algorithm in (ROOT / "gan_jax" / "train_step.py").read_text()


def test_every_experiment_is_in_the_table_and_every_file_named_exists():
    table = set(re.findall(r"`(\w+\.py)`", README.split("## Experiments")[1]))
    files = {file.name for file in (ROOT / "experiments").glob("*.py")}
    assert files - {"default.py"} <= table
    for path in re.findall(r"(?:experiments|gan_jax|notebooks)/[\w/]+\.\w+", README):
        assert (ROOT / path).is_file(), path


def test_nothing_is_left_to_be_filled_in():
    assert re.findall(r"@[A-Z_0-9]+@|TODO", README) == []


def test_every_picture_is_there():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert len(pictures) >= 3
    for path in pictures:
        assert (ROOT / path).is_file(), path
