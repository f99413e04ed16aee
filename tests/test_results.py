"""The ledger of the project's own results, and what is made of it.

Of what was measured with this project only the ledger tells: docstrings say what an
experiment is and what others published, and the README's tables are made anew.
"""

import ast
import re
from pathlib import Path

import pytest

from gan_jax.config.files import experiments_dir, own_experiment
from gan_jax.ledger import entries, tables

README = Path(__file__).parents[1] / "README.md"
LEDGER = entries.read(entries.directory())
EXPERIMENTS = sorted(
    file
    for file in experiments_dir().rglob("[a-z]*.py")
    if file.parent.name != "speedrun"  # whose docstrings say what has to be reached
)

# a time, a machine, a seed, an uncertainty, a number of the project's own metrics, or
# how far a run came
_MEASURED = re.compile(
    r"\b(milliseconds?|seconds?|minutes?|hours?|min|ms|s a step)\b"
    r"|\b(a|an|one|two|idle|\d+) (idle )?(CPU )?cores?\b"
    r"|\bseeds? (of )?\d"
    r"|±|\+-"
    r"|\bfrechet_\w+ (is |of )?\d"
    r"|\bnot run\b|\btrainings? here\b",
    re.IGNORECASE,
)
_PUBLISHED = re.compile(r"\b(published|papers?|authors'?|reached)\b", re.IGNORECASE)


def measured(doc):
    """The sentences of a docstring that tell what was measured, but for published ones.

    The first line, a title, is let be; a table belongs to the sentence before it.
    """
    body = doc.partition("\n")[2]
    body = re.sub(r"\n\n(?= {4})", "\n", body)
    sentences = re.split(r"\n\n|(?<=[.?])\s+(?=[A-Z`])", body)
    return [
        sentence
        for sentence in sentences
        if _MEASURED.search(sentence) and not _PUBLISHED.search(sentence)
    ]


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_a_docstring_tells_of_no_result_of_this_project(file):
    assert measured(ast.get_docstring(ast.parse(file.read_text()))) == []


@pytest.mark.parametrize(
    "said",
    [
        "10 minutes on one CPU core: digits.",
        "1.1 s a step.",
        "41 steps a second on\ntwo CPU cores.",
        "Rows of digits (seed 0).",
        "Here seeds 0, 1, 2:\n\n    packing  modes\n    none     20",
        "Judged by `evaluate`:\n\n    log-likelihood    243.9 +- 1.2",
        "It ends with frechet_mnist 0.48.",
        "Not run to the end yet.",
        "One training here, stopped at step 900: strokes.",
    ],
)
def test_what_was_measured_is_seen_in_a_docstring(said):
    published = "Published, of 10 trials:\n\n    none    6.3 +- 0.5\n\n"
    title = "MNIST in minutes, for a CPU core.\n\n    python -m gan_jax.main\n\n"
    assert measured(title + published + "For few CPU cores.") == []
    assert len(measured(title + published + said)) == 1


def test_the_readme_is_what_the_ledger_says():
    text = README.read_text(encoding="utf-8")
    assert text == tables.written_into(text, LEDGER), (
        "python -m gan_jax.results --write"
    )
    marks = re.findall(r"<!-- results: (\S+) -->", text)
    assert {"experiments", "ablations"} <= set(marks)
    assert len(marks) == text.count("<!-- end of results -->")


@pytest.mark.parametrize("name", LEDGER)
def test_every_entry_tells_what_came_of_an_experiment(name, tmp_path):
    entry = LEDGER[name]
    assert own_experiment(entry.experiment) is not None
    assert name == entry.experiment or name.startswith(f"{entry.experiment}_")
    assert entry.cells or (entry.told["short"] and entry.told["text"])
    short = tables.summary(entry)
    assert short == " ".join(short.split())  # of one line
    assert "|" not in short
    # as the command itself writes it
    file = entries.write(tmp_path, name, entry)
    assert file.read_bytes() == (entries.directory() / file.name).read_bytes()
