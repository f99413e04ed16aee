"""Every command of the README's blocks runs, shrunk; what cannot is at least accepted.

The commands of a block run one after the other in one folder, as a reader pastes them.
Runs that they take as trained are trained before, by the experiment of that name.
"""

import functools
import importlib
import re
import shlex
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ONE_DEVICE, some_slow
from PIL import Image
from test_experiments import BRIEF, SHRUNK

from gan_jax import cli
from gan_jax.benchmark import timing
from gan_jax.data import tfds
from gan_jax.data.source import Source

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMAND = "python -m gan_jax."
# by how a command begins, why it is not run here but only held to its flags, or, where
# it is none of this package's, not looked at
ACCEPTED = {
    f"{COMMAND}main --multihost": "a job of several hosts; see test_multihost.py",
    f"{COMMAND}benchmark --config=experiments/mnist_lsgan.py --peer": "needs PyTorch",
    f"{COMMAND}results --write": "writes README.md; see test_results.py",
    "pip install": ".ci/run does it",
    "pytest": ".ci/run does it",
}
# what would take long, and what is asked for in its place
SHORTER = {
    "--num=1000": "--num=3",
    "--num=100": "--num=20",
    "--held_out=64": "--held_out=3",
    "--vary=batch_size=32,128,512": "--vary=batch_size=3,5",
    "d_steps=1,5": "d_steps=1,2",
    "--seeds=3": "--seeds=1",
    "--config.evaluate_every=500": "--config.evaluate_every=2",
}
PARTS = "--config.data.split=train[:8]", "--config.data.validation_split=train[8:]"
# a sweep's processes do not see the synthetic data of this one
IN_A_FILE = (
    *("--config.data.name=arrays", "--config.data.path=digits.npz"),
    *("--config.data.split=train[:50]", "--config.data.validation_split=train[50:]"),
)
BLOCKS = {}
for _title, *_blocks in (
    (section.partition("\n")[0], *re.findall(r"```bash\n(.*?)```", section, re.DOTALL))
    for section in README.split("\n## ")
):
    BLOCKS |= {f"{_title} {i}": text for i, text in enumerate(_blocks, 1)}
QUICK = "Run it 1", "Many devices 1"


def commands(block):
    """Those of a block, [(the whole line, its words)], without comments."""
    lines = (part.strip() for line in block.splitlines() for part in line.split("&&"))
    return [(line, shlex.split(line, comments=True)) for line in lines if line]


def in_prose():
    """Commands of this package between backticks, but for those with holes in them."""
    found = re.findall(rf"`({COMMAND}[^`]*)`", README)
    return [" ".join(text.split()) for text in found if "..." not in text]


def reason(line):
    return next((why for start, why in ACCEPTED.items() if line.startswith(start)), "")


def call(words, capsys):
    """The status of a command of this package, in this process; what it said."""
    module = importlib.import_module(words[2])
    if not hasattr(module, "main") or module.__name__ == "gan_jax.sweep":
        module = importlib.import_module(f"{words[2]}.__main__")
    capsys.readouterr()
    try:
        status = cli.run(module.main, words[3:])
    except SystemExit as end:  # of a sweep
        status = end.code
    return status, "".join(capsys.readouterr())


def shrunk(words):
    """A command with less to do: smaller networks, fewer steps, fewer samples.

    Of the fields of a config those that the README names stay as it names them.
    """
    given = [SHORTER.get(word, word) for word in words[3:]]
    text = " ".join(given)
    if "--show=" in text or "--report=" in text:
        return words
    experiment = re.search(r"--config=(?:\w+/)*(\w+)\.py", text)
    name = experiment[1] if experiment else "digits"
    smaller = (ONE_DEVICE, *BRIEF, *SHRUNK[name][1])
    fewer = {
        "sample": (),
        "translate": (),
        "diagnose": (),
        "results": ("--ledger=ledger",),
        "report": (),
        "evaluate": ("--samples=50" if "text" in text else "--samples=300",),
        "search": ("--steps=2", "--starts=2"),
        "main": (*smaller, *(PARTS if name == "facades" else ())),
        "sweep": (*smaller, *(IN_A_FILE if name == "mnist_lsgan" else ())),
        "benchmark": (*smaller, "--repeats=1", "--startup=false"),
    }[words[2].rpartition(".")[2]]
    return [*words[:3], *fewer, *given]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the files that the commands name."""
    place = tmp_path_factory.mktemp("readme")
    draw = functools.partial(np.random.default_rng(0).integers, 0, 256, dtype=np.uint8)
    for folder, shape in {"my_images": (64, 64, 3), "FOLDER": (32, 64, 3)}.items():
        (place / folder).mkdir()
        for i in range(16):
            Image.fromarray(draw(shape)).save(place / folder / f"{i}.png")
    Image.fromarray(draw((32, 32, 3))).save(place / "drawing.png")
    Image.fromarray(draw((28, 28))).save(place / "seven.png")
    (place / "book.txt").write_text("In the beginning there was a word. " * 100)
    np.savez(place / "digits.npz", x=draw((60, 28, 28, 1)), y=np.arange(60) % 10)
    return place


@pytest.fixture
def there(place, monkeypatch):
    """In this folder, without MNIST: images of its size in the place of every split."""

    @functools.wraps(tfds.load)
    def load(*, builder="mnist", split="train", **_):
        assert builder in tfds.AUTOMATIC
        rng = np.random.default_rng(zlib.crc32(split.encode()))
        x = rng.integers(0, 256, (300, 28, 28, 1), np.uint8)
        classes = tuple(map(str, range(10)))
        return Source(x, np.arange(300, dtype=np.int32) % 10, classes)

    monkeypatch.setattr(tfds, "load", load)
    monkeypatch.setattr(timing, "_SECONDS_A_REPEAT", 0.05)
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize("block", some_slow(BLOCKS, quick=QUICK))
def test_the_commands_of_a_block_run(block, there, capsys):
    for line, words in commands(BLOCKS[block]):
        if reason(line):
            continue
        assert line.startswith(COMMAND), f"{line!r}: neither run nor excepted"
        if words[2] != "gan_jax.main":
            for name in re.findall(r"runs/(\w+)", line):
                train(name, there, capsys)
        status, said = call(shrunk(words), capsys)
        assert status == 0, (line, said)


def train(name, place, capsys):
    """The run that a command takes as trained, unless it is there."""
    if not (place / "runs" / name).exists():
        words = [*shlex.split(COMMAND + "main"), f"--config=experiments/{name}.py"]
        status, said = call(shrunk(words), capsys)
        assert status == 0, said


def test_every_command_is_accepted(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = [each for block in BLOCKS.values() for each in commands(block)]
    found += [(text, text.split()) for text in in_prose()]
    assert len(found) > 40
    for line, words in found:
        if line.startswith(COMMAND):
            status, said = call([*words, "--help"], capsys)
            assert status == 0, (line, said)
    assert list(tmp_path.iterdir()) == []
    lines = [line for line, _ in found]
    for start in ACCEPTED:
        assert any(line.startswith(start) for line in lines), f"{start}: not there"
    words = {word for _, words in found for word in words}
    assert set(SHORTER) <= words


def test_what_is_no_command_is_not_accepted(capsys):
    for line in ("sample --nmu=3", "sample --num=no", "main --config=nowhere.py"):
        assert call([*shlex.split(COMMAND + line), "--help"], capsys)[0] == 2
