"""The average of G that begins late: a copy of G until then."""

import jax
import numpy as np

import gan_jax
from gan_jax.build import build
from gan_jax.config.files import load_experiment, override


def test_before_its_start_it_is_a_copy_and_from_then_on_an_average(
    gan, small, tmp_path
):
    flags = ("steps=3", "checkpoint_every=1", "ema_decay=0.75", "ema_start=2")
    flags = (*small, *(f"--config.{flag}" for flag in flags))
    assert gan(*flags, f"--workdir={tmp_path}/run").status == 0
    before, after = (gan_jax.load(tmp_path / "run", step).state for step in (2, 3))
    g = before.g.params, before.g.stats
    jax.tree.map(np.testing.assert_array_equal, before.g_ema, g)
    jax.tree.map(
        lambda average, old, new: np.testing.assert_allclose(
            average, 0.75 * old + 0.25 * new, rtol=1e-5, atol=1e-7
        ),
        after.g_ema[0],
        before.g.params,
        after.g.params,
    )


def test_its_start_is_not_among_the_numbers_which_stay_data():
    """Members of a population differ in the decay; without a start all is as it was."""
    config, _ = load_experiment("experiments/toy2d.py")
    override(config, [("ema_decay", "0.9")])
    info = {"shape": (2,), "classes": (), "fitted": None}

    def schedule(start):
        override(config, [("ema_start", str(start))])
        return build(config, info, None).schedule

    decays = np.float32([0.5, 0.9])
    late = jax.vmap(lambda x, step: schedule(3)({"ema_decay": x}, step), (0, None))
    for step, expected in ((2, 0 * decays), (3, decays)):
        np.testing.assert_array_equal(late(decays, step)["ema_decay"], expected)
    assert schedule(0)({"ema_decay": decays}, 0)["ema_decay"] is decays
