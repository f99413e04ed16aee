"""A run of an older version: it samples, and goes on as it would have gone on then.

`data/older_run.zip` has its config.json, its checkpoint of step 3 of 6, and the leaves
of its state after step 6, keys as their data.
"""

import json
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest

import gan_jax
from gan_jax.config.files import from_json

FILE = Path(__file__).parent / "data" / "older_run.zip"


@pytest.fixture
def older(tmp_path):
    """Its work directory."""
    with zipfile.ZipFile(FILE) as archive:
        archive.extractall(tmp_path / "older")
    return tmp_path / "older"


def leaves(state):
    """By their paths, as numpy arrays."""

    def plain(leaf):
        is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    paths = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): plain(leaf) for path, leaf in paths}


@pytest.mark.usefixtures("optimized")  # as it was compiled
def test_it_goes_on(older, tmp_path):
    """To the same bits, where bits are those of then: where three steps taken anew end
    at its checkpoint. Other versions of jax, and other processors, round otherwise.
    """
    config = from_json(json.loads((older / "config.json").read_text())["config"])
    run = gan_jax.load(older)
    assert int(run.state.step) == 3
    assert np.isfinite(run.sample(4)).all()

    with config.unlocked():
        config.steps, config.devices = 3, 1  # on one device, as it was
    anew = leaves(gan_jax.train(config, tmp_path / "anew", "older"))
    saved = leaves(run.state)
    assert anew.keys() == saved.keys()
    same_bits = all((anew[path] == saved[path]).all() for path in saved)

    with config.unlocked():
        config.steps = 6
    found = leaves(gan_jax.train(config, older, "older"))
    with np.load(older / "final.npz") as expected:
        assert found.keys() == set(expected.files)
        for path, leaf in found.items():
            if same_bits:
                np.testing.assert_array_equal(leaf, expected[path], path)
            close = {"rtol": 1e-5, "atol": 1e-5}
            np.testing.assert_allclose(leaf, expected[path], err_msg=path, **close)
            np.testing.assert_allclose(anew[path], saved[path], err_msg=path, **close)
    kernel = ".d.params['Dense_0']['kernel']"
    assert np.abs(found[kernel] - saved[kernel]).max() > 1e-3
    assert gan_jax.load(older).state.step == 6
