"""Random configs: a training step of each can be made, or it is refused in one line.

Entries are drawn apart, from all that there are, so that what is added is tried beside
the rest. Shapes are traced, and one config of each seed trains two steps.
"""

import functools
import random

import jax
import numpy as np
import pytest
from conftest import some_slow

from gan_jax.build import initial_state
from gan_jax.config import resolve
from gan_jax.config.files import load_experiment, override
from gan_jax.config.validation import validate
from gan_jax.errors import UsageError
from gan_jax.loop import divergence
from gan_jax.loop.train import prepare
from gan_jax.train_step import make_train_step

KEY = jax.random.key(0)
ENTRIES = (
    "loss",
    "penalty",
    "augmentation",
    "dynamics",
    "schedule",
    "d_constraint",
    "g_constraint",
    "d_decay",
    "g_decay",
    "prior",
    "scaling",
)
FIELDS = {
    "turns": ("alternating", "simultaneous", "extragradient"),
    "d_steps": ("1", "2"),
    "g_steps": ("1", "2"),
    "accumulate": ("1", "2"),
    "pack": ("1", "2"),
    "ema_decay": ("0", "0.9"),
    "generator.norm": ("none", "batch", "layer"),
    "discriminator.norm": ("none", "batch", "layer"),
    "discriminator.weight": ("plain", "spectral", "equalised"),
    "on_divergence": ("stop", "halve_rates"),
    "d_optimizer.name": ("adam", "sgd", "rmsprop"),
}
SMALL = {
    "batch_size": "4",
    "generator.widths": "4",
    "discriminator.widths": "4",
    "prior.dim": "2",
    "devices": "1",
}


def drawn(draw):
    """Changes of a config, a few of them; the rest is as the experiment has it."""
    entries = draw.sample(ENTRIES, draw.randint(1, 4))
    changes = [(f"{e}.name", draw.choice(resolve.available(e))) for e in entries]
    fields = draw.sample(sorted(FIELDS), draw.randint(0, 3))
    changes += [(field, draw.choice(FIELDS[field])) for field in fields]
    if ("schedule.name", "burn_in") in changes:
        numbers = "d_optimizer.learning_rate,g_optimizer.learning_rate"
        changes += [("schedule.numbers", numbers), ("schedule.initial", "0.1,0.1")]
    horizons = "linear", "exponential", "burn_in"
    if any(("schedule.name", name) in changes for name in horizons):
        changes.append(("schedule.steps", "10"))
    return changes


def step_of(experiment, changes):
    """The shapes of the state before and after a step, and those of its metrics."""
    config, _ = load_experiment(f"experiments/{experiment}.py")
    override(config, [*SMALL.items(), *changes])
    validate(config)
    divergence.refuse_what_cannot_go_back(config)
    dataset, built = prepare(config)
    state = jax.eval_shape(functools.partial(initial_state, config, built))
    rows = np.zeros(config.batch_size, np.int32)
    arrays = jax.tree.map(np.asarray, dict(dataset.arrays))
    one = jax.eval_shape(lambda key: dataset.view(arrays, rows, key), KEY)
    batch = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((config.d_steps, *x.shape), x.dtype), one
    )
    how = config.turns, config.g_steps
    step = make_train_step(built.game, built.d_tx, built.g_tx, built.schedule, *how)
    return state, *jax.eval_shape(step, state, batch)


@pytest.mark.parametrize("seed", some_slow(range(6), quick=range(1)))
def test_a_step_of_a_random_config_is_made_or_refused_in_one_line(seed, gan, tmp_path):
    draw, made, refused = random.Random(seed), [], []
    for _ in range(15):
        experiment, changes = draw.choice(("digits", "ring")), drawn(draw)
        try:
            before, after, metrics = step_of(experiment, changes)
        except UsageError as error:
            refused.append(str(error))
            continue
        except Exception as error:
            raise AssertionError(f"{experiment}, {changes}") from error
        made.append((experiment, changes))
        assert jax.tree.structure(after) == jax.tree.structure(before), changes
        shapes = [(x.shape, x.dtype) for x in jax.tree.leaves(before)]
        assert shapes == [(x.shape, x.dtype) for x in jax.tree.leaves(after)], changes
        assert {"d_loss", "g_loss"} <= metrics.keys()
    assert made
    assert refused
    assert not [line for line in refused if "\n" in line]
    experiment, changes = draw.choice(made)
    more = [("steps", "2"), ("log_every", "1"), ("sample_every", "2")]
    flags = [f"--config.{name}={x}" for name, x in [*SMALL.items(), *changes, *more]]
    file = f"--config=experiments/{experiment}.py"
    outcome = gan(file, f"--workdir={tmp_path / 'run'}", *flags)
    assert outcome.status == 0, (changes, outcome.err)
