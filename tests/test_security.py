"""What comes from strangers is data: nothing of it runs, and names stay in their place.

An experiment's file is a program, and is run.
"""

import json
import os
import shutil

import numpy as np
import pytest

import gan_jax
from gan_jax.data import arrays, cache
from gan_jax.errors import UsageError
from gan_jax.metrics import weights_file


class Planted:
    """What makes a folder as soon as it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_planted_pickle_does_not_run(tmp_path, suffix):
    made, file = tmp_path / "made", tmp_path / f"x.{suffix}"
    planted = np.array([Planted(made)], dtype=object)
    if suffix == "npy":
        np.save(file, planted, allow_pickle=True)
    else:
        fields = dict.fromkeys(("x", "stamp", "classes", "about"), planted)
        np.savez(file, **fields)
    with pytest.raises(UsageError):
        arrays.load(path=str(file))
    with pytest.raises(UsageError):
        weights_file.read(file)
    assert cache._read(file, "stamp") is None
    assert not made.exists()
    content = np.load(file, allow_pickle=True)  # and it would have run
    if suffix == "npz":
        content["x"]
    assert made.is_dir()


@pytest.mark.parametrize(
    ("entry", "name", "message"),
    [
        ("generator", "../../x", "unknown generator"),
        ("loss", "os.system", "unknown loss"),
        ("d_optimizer", "__import__", "unknown d_optimizer"),
        ("generator", 3, "config.generator has to be a ConfigDict"),
    ],
)
def test_a_record_names_nothing_but_what_the_package_has(
    digits_run, tmp_path, entry, name, message
):
    run = shutil.copytree(digits_run, tmp_path / "run")
    record = json.loads((run / "config.json").read_text())
    record["config"][entry] = {"name": name}
    (run / "config.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match=rf"config\.json: {message}"):
        gan_jax.load(run)
