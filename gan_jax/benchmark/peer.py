"""The PyTorch twin of an experiment, beside which ours is measured."""

import ast
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from gan_jax.build import build
from gan_jax.config.files import FREE_FIELDS, find_experiment, to_json
from gan_jax.errors import UsageError


class Theirs:
    """The twin of an experiment, in a process of its own."""

    def __init__(self, twin, config, dataset, compiled, python=None):
        serve = [python or sys.executable, str(twin.parent / "serve.py"), twin.stem]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - until close
        try:
            self._process = subprocess.Popen(
                serve + ["--compile"] * compiled,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        except OSError as error:
            self._errors.close()
            raise UsageError(f"--peer_python={python}: {error.strerror}") from None
        try:
            self.ready = self._introduce(config, dataset)
        except BaseException:
            self.close()
            raise

    def _introduce(self, config, dataset):
        pairs = "input" in build(config, dataset.info, dataset.mean).game.given
        shape, paths = list(dataset.info["shape"]), []
        with tempfile.TemporaryDirectory() as folder:
            for examples in _scaled(dataset, pairs):
                paths.append(f"{folder}/{len(paths)}.npy")
                np.save(paths[-1], examples)
            request = {"config": to_json(config), "shape": shape, "data": paths}
            return self._ask(request)

    def take(self, steps):
        """Trains; returns the seconds."""
        return self._ask({"steps": steps})["seconds"]

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _ask(self, request):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        if answer := self._process.stdout.readline():
            return json.loads(answer)
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines() or ["no word from it"]
        if self._process.returncode == 2:  # it was asked for what it cannot do
            raise UsageError(said[-1].removeprefix("serve.py: "))
        raise RuntimeError("the PyTorch twin failed:\n" + "\n".join(said))


def _scaled(dataset, pairs):
    """What the networks see of each whole set, unvaried: float32 [N, *shape].

    pairs: whether what an image is made of comes before it among the channels. Raises
           UsageError where the two have different shapes.
    """
    info = dataset.info
    if pairs and info["input"] != info["shape"]:
        raise UsageError(
            "--peer: twins translate between images of one shape, not from "
            f"{info['input']} to {info['shape']}"
        )
    names = ("input", "x") if pairs else ("x",)

    def joined(batch):
        images = [np.asarray(batch[name], np.float32) for name in names]
        return np.concatenate(images, axis=-1)

    rows, sizes, parts = np.arange(max(dataset.sizes)), dataset.sizes, []
    for chunk in np.array_split(rows, -(-len(rows) // 1000)):
        indices = np.concatenate([chunk % size for size in sizes])
        batch = dataset.view(dataset.arrays, indices, None)
        parts.append([joined(own) for own in dataset.sets(batch)])
    wholes = map(np.concatenate, zip(*parts, strict=True))
    return [whole[:size] for whole, size in zip(wholes, sizes, strict=True)]


def find_twin(path: str, changes: list[tuple[str, str]]) -> Path:
    """The file of an experiment's twin, if that can follow the changes."""
    file = find_experiment(path)
    name, peers = file.stem, file.parent.parent / "tests" / "peers"
    twins = {
        file.stem: follows
        for file in sorted(peers.glob("*.py"))
        if (follows := _follows(file)) is not None
    }
    if name not in twins:
        there = ", ".join(twins) or f"none in {peers}"
        raise UsageError(f"--peer: no PyTorch twin of {name}; there are: {there}")
    free = {*twins[name], *FREE_FIELDS, "seed"}
    for field, _ in changes:
        if field not in free and not _of_data(field):
            raise UsageError(
                f"--peer: the twin of {name} does not follow config.{field}; it "
                f"follows: {', '.join(twins[name])}, and the data"
            )
    return peers / f"{name}.py"


def _of_data(field):
    """Whether a field says what data there are, which every twin is given."""
    entry, _, key = field.partition(".")
    return entry in ("data", "other") and key != "dequantize"  # noise in every view


def _follows(file):
    """FOLLOWS of a twin, the config's fields that it honours; None if it is none."""
    for node in ast.parse(file.read_text()).body:
        names = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""
        if names == "FOLLOWS":
            return ast.literal_eval(node.value)
    return None
