"""What `import gan_jax` gives, and that it gives it only when asked."""

import importlib
import subprocess
import sys

import pytest

import gan_jax


def test_the_import_brings_no_jax():
    code = "import sys, gan_jax; print({'jax', 'flax', 'numpy'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", gan_jax.__all__)
def test_every_name_is_what_its_module_has(name):
    module, attribute = gan_jax._ORIGINS[name]
    found = getattr(gan_jax, name)
    module = importlib.import_module(f"gan_jax.{module}")
    assert found is getattr(module, attribute)
    assert name in dir(gan_jax)


def test_no_other_names_are_made_up():
    assert sorted(gan_jax._ORIGINS) == sorted(gan_jax.__all__)
    with pytest.raises(AttributeError, match="'gan_jax' has no attribute 'nothing'"):
        _ = gan_jax.nothing
