"""A new run that starts from the networks of a trained one."""

import json

import jax
import numpy as np

import gan_jax
from gan_jax.build import initial_state


def flags_of(small, tmp_path, digits_run, *more):
    ends = ("steps=1", "checkpoint_every=1", "ema_decay=0.9", *more)
    return (
        *small,
        *(f"--config.{end}" for end in ends),
        f"--workdir={tmp_path}/new",
        f"--init_from={digits_run}",
    )


def test_a_run_goes_on_by_other_rates(gan, small, tmp_path, digits_run):
    """Its networks and its average are the first ones; all else is of a new run."""
    rates = "d_optimizer.learning_rate=1e-9", "g_optimizer.learning_rate=1e-9"
    flags = flags_of(small, tmp_path, digits_run, *rates, "batch_size=8")
    outcome = gan(*flags)
    assert outcome.status == 0
    assert f"starts from step 60 of {digits_run}" in outcome.err
    assert "do not fit" not in outcome.err
    trained, new = gan_jax.load(digits_run), gan_jax.load(tmp_path / "new")
    assert int(new.state.step) == 1
    close = {"rtol": 1e-6, "atol": 1e-6}
    for part in ("d", "g"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, **close),
            getattr(trained.state, part).params,
            getattr(new.state, part).params,
        )
    fresh = initial_state(new.config, new.built)
    distance = jax.tree.map(lambda a, b: abs(a - b).max(), fresh.g_ema, new.state.g_ema)
    assert max(jax.tree.leaves(distance)) > 0.01
    # the average of the trained run, and a tenth of the new G
    expected = jax.tree.map(
        lambda average, g: 0.9 * average + 0.1 * g,
        trained.state.g_ema[0],
        new.state.g.params,
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        expected,
        new.state.g_ema[0],
    )
    record = json.loads((tmp_path / "new" / "config.json").read_text())
    assert record["config"]["init_from"] == str(digits_run)
    again = gan(*flags)
    assert again.status == 0
    assert "resumes from step 1" in again.err


def test_what_does_not_fit_is_named(gan, small, tmp_path, digits_run):
    other = flags_of(small, tmp_path, digits_run, "generator.widths=12")
    outcome = gan(*other)
    assert outcome.status == 0
    (note,) = [line for line in outcome.err.splitlines() if "do not fit" in line]
    assert "G's parameters Dense_0/kernel [8, 12] (there: [8, 16])" in note
    assert "D's" not in note
    for flag, said in (
        (f"--init_from={tmp_path}", "no checkpoint in"),
        (f"--init_from={tmp_path}/absent", "no checkpoint in"),
    ):
        refused = gan(*other, flag, f"--workdir={tmp_path}/third")
        assert (refused.status, said in refused.error) == (2, True)
