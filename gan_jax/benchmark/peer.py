"""The PyTorch twin of an experiment, beside which ours is measured."""

import ast
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np

from gan_jax.config.files import FREE_FIELDS, find_experiment, to_json
from gan_jax.errors import UsageError


class Theirs:
    """The twin of an experiment, in a process of its own."""

    def __init__(self, twin, config, dataset, compiled):
        arguments = [sys.executable, str(twin.parent / "serve.py"), twin.stem]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - until close
        self._process = subprocess.Popen(
            arguments + ["--compile"] * compiled,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            self.ready = self._introduce(config, dataset)
        except BaseException:
            self.close()
            raise

    def _introduce(self, config, dataset):
        shape = list(dataset.info["shape"])
        with tempfile.TemporaryDirectory() as folder:
            data = f"{folder}/data.npy"
            np.save(data, _scaled(dataset))
            request = {"config": to_json(config), "shape": shape, "data": data}
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


def _scaled(dataset):
    """What the networks see of the whole set, float32 [N, *shape]."""
    key = jax.random.key(0)
    chunks = np.array_split(np.arange(dataset.size), -(-dataset.size // 1000))
    views = [dataset.view(dataset.arrays, chunk, key)["x"] for chunk in chunks]
    return np.concatenate([np.asarray(view, np.float32) for view in views])


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
    if stranger := next((field for field, _ in changes if field not in free), None):
        raise UsageError(
            f"--peer: the twin of {name} does not follow config.{stranger}; it "
            f"follows: {', '.join(twins[name])}"
        )
    return peers / f"{name}.py"


def _follows(file):
    """FOLLOWS of a twin, the config's fields that it honours; None if it is none."""
    for node in ast.parse(file.read_text()).body:
        names = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""
        if names == "FOLLOWS":
            return ast.literal_eval(node.value)
    return None
