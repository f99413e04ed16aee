"""Games that grow: when which level is played, and optimizers that begin anew."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_main import refused

from gan_jax.build import build, initial_state
from gan_jax.config.files import load_experiment, override
from gan_jax.config.hparams import hparams
from gan_jax.errors import UsageError
from gan_jax.games.growing import Growth, some
from gan_jax.layers.levels import level_of, seen_at, shrunk
from gan_jax.optimizers import Renewed, renewed
from gan_jax.turns import make_turns

KEY = jax.random.key(0)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


# --- the schedule --------------------------------------------------------------------

FADE, STAY, BATCHES = 1_000, 500, (64, 24, 10)


@pytest.fixture(scope="module")
def growth():
    """From 8 to 64 pixels, in levels 1 to 4, the last two of minibatches of 10."""
    return Growth.of((64, 64, 3), 64, 8, FADE, STAY, BATCHES, (1.0, 1.0, 2.0))


def test_every_level_fades_and_stays_for_its_examples_and_no_minibatch_more(growth):
    assert growth.levels == (1, 2, 3, 4)
    assert growth.batches == (64, 24, 10, 10)
    ends = *growth.starts[1:], np.inf
    for i, n in enumerate(growth.batches):
        faded = (growth.stays[i] - growth.starts[i]) * n
        stayed = (ends[i] - growth.stays[i]) * n
        assert FADE <= faded < FADE + n if i else faded == 0
        assert STAY <= stayed < STAY + n or stayed == np.inf
    both = {*growth.starts[1:], *growth.stays[1:]}
    assert set(growth.changes) == both
    assert list(growth.changes) == sorted(both)


def test_the_level_moves_on_with_the_examples(growth):
    steps = np.arange(growth.stays[-1] + 20, dtype=np.int32)
    levels = np.asarray(jax.vmap(growth.level)(steps))
    indices = np.asarray(jax.vmap(growth.index)(steps))
    assert (np.diff(levels) >= 0).all()
    assert (np.diff(indices) >= 0).all()
    for i, (start, stay) in enumerate(zip(growth.starts, growth.stays, strict=True)):
        assert indices[start] == i
        assert indices[start - 1] == i - 1 or i == 0
        assert levels[stay] == growth.levels[i]
        if i > 0:
            seen = np.arange(stay - start) * growth.batches[i]
            expected = growth.levels[i] - 1 + seen / FADE
            np.testing.assert_allclose(levels[start:stay], expected, rtol=1e-6)
    assert levels[0] == 1
    assert levels[-1] == 4
    assert growth.level(np.int32(2**31 - 1)) == 4


def test_rates_and_the_average_follow_the_level(growth):
    numbers = {"ema_decay": 0.81, "d": {"learning_rate": 2.0, "b1": 0.5}}
    numbers["g"] = {"learning_rate": 3.0}
    for i, start in enumerate(growth.starts):
        found = growth.numbers(numbers | {"step": start}, by_examples=True)
        factor = 1.0 if i < 2 else 2.0
        assert float(found["d"]["learning_rate"]) == 2.0 * factor
        assert float(found["g"]["learning_rate"]) == 3.0 * factor
        assert found["d"]["b1"] == 0.5
        decay = 0.81 ** (growth.batches[i] / 64)
        np.testing.assert_allclose(found["ema_decay"], decay, rtol=1e-6)
    assert growth.numbers(numbers | {"step": 0})["ema_decay"] == 0.81
    with pytest.raises(UsageError, match=r"g_optimizer\.learning_rate"):
        growth.numbers(numbers | {"g": {}, "step": 0})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"shape": (28, 28, 1)}, r"not \(28, 28, 1\)"),
        ({"shape": (32, 16, 1)}, "square"),
        ({"shape": (2,)}, "square"),
        ({"first": 6}, "images of 32 pixels can be 4, 8, 16, 32"),
        ({"first": 64}, "first=64"),
        ({"batches": (8, 32)}, "32 examples of a minibatch, but config.batch_size=16"),
    ],
)
def test_what_cannot_grow_is_refused_in_one_line(changed, says):
    given = {"shape": (32, 32, 1), "batch_size": 16, "first": 4, "fade": 9, "stay": 9}
    with pytest.raises(UsageError, match=says) as error:
        Growth.of(**given | {"batches": (), "rates": ()} | changed)
    assert "\n" not in str(error.value)


def test_batches_beyond_the_last_level_and_none_at_all():
    given = {"shape": (8, 8, 1), "batch_size": 16, "first": 4, "fade": 9, "stay": 9}
    growth = Growth.of(**given, batches=(16, 8, 99), rates=(3.0, 2.0, 1.0))
    assert (growth.batches, growth.rates) == ((16, 8), (3.0, 2.0))
    growth = Growth.of(**given, batches=(), rates=())
    assert (growth.batches, growth.rates) == ((16, 16), (1.0, 1.0))


def test_some_examples_are_taken_evenly():
    x = np.arange(12)
    np.testing.assert_array_equal(some(x, 4), [0, 3, 6, 9])
    np.testing.assert_array_equal(some(x, 5), [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(some(x, 12), x)
    np.testing.assert_array_equal(some(x, 20), x)


# --- real images ---------------------------------------------------------------------


def blocks(x, size):
    """x with every block of size x size pixels its mean, in numpy."""
    n, h, w, c = x.shape
    means = np.asarray(x).reshape(n, h // size, size, w // size, size, c)
    return means.mean((2, 4)).repeat(size, 1).repeat(size, 2)


def test_real_images_fade_as_the_mixture_of_both_levels():
    x = normal(1, 2, 16, 16, 3)
    seen = jax.jit(seen_at, static_argnums=2)
    for level, fading, expected in (
        (1.0, 2, blocks(x, 2)),
        (2.0, 2, x),
        (1.25, 2, 0.75 * blocks(x, 2) + 0.25 * np.asarray(x)),
        (0.5, 1, 0.5 * blocks(x, 4) + 0.5 * blocks(x, 2)),
        (0.0, 0, blocks(x, 4)),
    ):
        np.testing.assert_allclose(seen(x, level, fading), expected, atol=1e-6)
    # repeated pixels are seen as they are, to the bit
    low = jnp.asarray(blocks(x, 4))
    np.testing.assert_array_equal(seen(low, 0.0, 0), low)
    np.testing.assert_array_equal(shrunk(low, 2), low[:, ::4, ::4])
    assert [level_of((size, size, 1)) for size in (4, 8, 1024)] == [0, 1, 8]


# --- optimizers that begin anew ------------------------------------------------------


def test_an_optimizer_begins_anew_at_some_steps_and_only_there():
    """Also where a step has several updates, or none is seen at a change itself."""
    params = {"w": normal(2, 3)}
    grads = [{"w": normal(3 + i, 3)} for i in range(9)]
    steps = [0, 1, 2, 2, 3, 4, 5, 7, 8]  # the changes are before 2, 5 and 6
    adam = optax.adam(0.1, b1=0.5)
    make = renewed(lambda numbers: adam, (2, 5, 6))
    state, plain = make({}).init(params), adam.init(params)
    assert isinstance(state, Renewed)
    for i, (step, grad) in enumerate(zip(steps, grads, strict=True)):
        if i in (2, 6, 7):
            plain = adam.init(params)
        expected, plain = adam.update(grad, plain, params)
        found, state = make({"step": step}).update(grad, state, params)
        np.testing.assert_array_equal(found["w"], expected["w"])
        for a, b in zip(*map(jax.tree.leaves, (state.inner, plain)), strict=True):
            np.testing.assert_array_equal(a, b)


# --- the game ------------------------------------------------------------------------

NARROW = "channel_base=16", "channel_max=2"
PLAYED = (
    *("game.name=pggan", "game.fade=32", "game.stay=8", "game.batches=8,4"),
    *("batch_size=8", "loss.name=wasserstein", "penalty.name=wgan_gp_drift"),
    *("prior.dim=3", "generator.name=pggan", "discriminator.name=pggan"),
    *(f"{player}.{x}" for player in ("generator", "discriminator") for x in NARROW),
    *("ema_decay=0.5", "devices=1"),
)
INFO = {"shape": [8, 8, 1], "size": 64, "classes": [], "fitted": None, "modes": None}


def experiment(*changes):
    config, _ = load_experiment("experiments/digits.py")
    override(config, [tuple(flag.split("=", 1)) for flag in (*PLAYED, *changes)])
    return config


@pytest.fixture(scope="module")
def played():
    """A small game from 4 to 8 pixels, its state, and numbers of a step."""
    config = experiment()
    built = build(config, INFO, mean=None)
    state = initial_state(config, built)
    return built, state, functools.partial(built.schedule, hparams(config))


def test_a_phase_is_what_the_game_is_at_its_steps(played):
    built, state, numbers_at = played
    batch = {"x": normal(4, 8, 8, 8, 1)}
    starts = [first for first, _ in built.game.phases]
    assert starts == [0, 1]
    # 1 step of 8 examples, then 8 of 4

    def losses(game, step):
        numbers = numbers_at(step)
        d = game.d_loss(state.d.params, state.d.stats, state.g, numbers, batch, KEY)
        g = game.g_loss(state.g.params, state.g.stats, state.d, numbers, batch, KEY)
        return d, g

    general = jax.jit(functools.partial(losses, built.game))
    for (_, phase), step in zip(built.game.phases, (0, 3), strict=True):
        found, expected = jax.jit(functools.partial(losses, phase))(step), general(step)
        (_, (_, metrics)), (_, (stats, _)) = found
        for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert stats["step"] == step
        np.testing.assert_allclose(metrics["level"], 0.25 if step else 0)


def test_levels_to_come_do_not_learn_and_those_of_the_level_all_do(played):
    """And the first update of a level finds moments of nothing else."""
    built, state, _ = played
    batch = {"x": normal(5, 8, 8, 8, 1)}
    for (first, phase), step in zip(built.game.phases, (0, 3), strict=True):
        turn = make_turns(phase, built.d_tx, built.g_tx, built.schedule)["g"]
        at_step = state.replace(step=jnp.asarray(step))
        moved = jax.jit(turn)(at_step, batch, KEY)[0].g
        assert moved.opt_state.times == (1 if first else 0)
        same = jax.tree.map(np.array_equal, moved.params, state.g.params)
        for name, of_layer in same.items():
            still = name.startswith("8x8") and not first
            assert of_layer["kernel"] == still, name


def test_samples_and_scores_go_with_the_step(played):
    """Of the data's size; at 4 pixels each is repeated, and D sees no more of them."""
    built, state, _ = played
    z, x = normal(6, 4, 3), normal(7, 4, 8, 8, 1)

    @jax.jit
    def look(step):
        stats = state.g.stats | {"step": step}
        made, after = built.game.generate(state.g.params, stats, z)
        g = dataclasses.replace(state.g, stats=stats)
        scores = [
            built.game.score(state.d, g, {"x": x}),
            built.game.score(state.d, g, {"x": seen_at(x, 0.0, 0)}),
        ]
        return made, scores, after["step"]

    low, (score, of_coarse), after = look(0)
    assert (low.shape, after) == ((4, 8, 8, 1), 0)
    np.testing.assert_allclose(low, blocks(low, 2), atol=1e-6)
    np.testing.assert_allclose(score, of_coarse, rtol=1e-4, atol=1e-5)
    half, _, _ = look(5)  # 16 of 32 examples
    high, (score, of_coarse), after = look(9)
    assert after == 9
    np.testing.assert_allclose(half, (low + high) / 2, atol=1e-5)
    assert np.abs(high - blocks(high, 2)).max() > 1e-3
    assert np.abs(score - of_coarse).max() > 1e-3


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["game.first=16"], "images of 8 pixels can be 4, 8"),
        (["game.batches=8,3", "pack=2"], "pack=2"),
        (["generator.name=mlp"], "generator mlp has no level"),
        (["discriminator.name=mlp"], "discriminator mlp has no level"),
        (["data.name=toy2d"], "square images"),
        (["accumulate=2"], "config.accumulate=2 is for minibatches of one size"),
    ],
)
def test_what_cannot_be_played_is_refused_before_a_run(gan, tmp_path, flags, says):
    names = {flag.split("=")[0].split(".")[0] for flag in flags if ".name" in flag}
    kept = [flag for flag in PLAYED if flag.split(".")[0] not in names]
    given = [f"--config.{flag}" for flag in (*kept, *flags)]
    outcome = gan("--config=experiments/digits.py", f"--workdir={tmp_path}/run", *given)
    refused(outcome, says)
    assert not (tmp_path / "run").exists()
