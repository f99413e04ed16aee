"""What .github/CONTRIBUTING.md says it takes to add something is all it takes."""

import re
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax import data, games, losses, models
from gan_jax.config import resolve

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture
def pasted(tmp_path, monkeypatch):
    """Pastes each block where it belongs, as it were; the experiment's file."""
    for path, code in BLOCKS.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        if path == "gan_jax/losses.py":
            before = set(vars(losses))
            exec(compile(code, path, "exec"), vars(losses))
            for name in set(vars(losses)) - before:
                added = vars(losses).pop(name)
                monkeypatch.setattr(losses, name, added, raising=False)
    for package in (models, games, data):
        own = tmp_path / "gan_jax" / package.__name__.rpartition(".")[2]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(own)])
    return tmp_path / "experiments" / "spiral.py"


def test_every_kind_is_shown():
    folders = [Path(path).parent.as_posix() for path in BLOCKS]
    expected = "gan_jax", "gan_jax/models", "gan_jax/data", "gan_jax/games"
    assert folders == [*expected, "experiments"]
    for path in BLOCKS:
        assert path == "gan_jax/losses.py" or not (ROOT / path).exists()


def test_what_is_pasted_trains(pasted, gan, tmp_path):
    # an experiment imports another one from beside it
    for name in ("toy2d.py", "default.py"):
        shutil.copy(ROOT / "experiments" / name, pasted.parent)
    outcome = gan(f"--config={pasted}", f"--workdir={tmp_path}/run")
    assert outcome.status == 0, outcome.err
    run = gan_jax.load(tmp_path / "run")
    assert int(run.state.step) == 2
    assert run.info["size"] == 1_000
    z = run.latents(3)
    made = run.generate(np.concatenate([z, z[:1] + z[1:2], 0 * z[:1]]))
    np.testing.assert_allclose(made[0] + made[1], made[3] + made[4], atol=1e-5)
    outcome = gan("--config=digits.py", "--config.loss.name=boundary_seekin")
    assert outcome.status == 2
    assert "did you mean 'boundary_seeking'" in outcome.err
    outcome = gan(f"--config={pasted}", "--config.game.best=0")
    assert outcome.status == 2
    assert "at least 1" in outcome.err


def test_the_loss_is_the_papers(pasted):
    loss = resolve.resolve("loss", "boundary_seeking")()
    fake = jnp.array([-2.0, 1.0])
    assert float(loss.g(fake, fake)) == pytest.approx((4 + 1) / 4)
    slope = jax.grad(loss.g, 1)(fake, fake)
    np.testing.assert_allclose(slope, fake / 2)  # 0 where D is undecided
    assert float(loss.d(jnp.zeros(2), jnp.zeros(2))) == pytest.approx(np.log(4))
