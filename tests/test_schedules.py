"""Schedules: numbers as pure functions of the step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import schedules
from gan_jax.config.numbers import NUMBERS, by_field, replace
from gan_jax.errors import UsageError

HPARAMS = {
    "ema_decay": 0.9999,
    "d": {
        "learning_rate": 1e-4,
        "b2": 0.99,
        "constraint": {"limit": 0.01},
        "decay": {"weight": 1e-3},
    },
    "g": {"learning_rate": 3e-4, "constraint": {}},
    "penalty": {"gamma": 0.005},
}
FIELDS = {
    "ema_decay": 0.9999,
    "d_optimizer.learning_rate": 1e-4,
    "d_optimizer.b2": 0.99,
    "d_constraint.limit": 0.01,
    "d_decay.weight": 1e-3,
    "g_optimizer.learning_rate": 3e-4,
    "penalty.gamma": 0.005,
}


def values(schedule, steps, hparams=HPARAMS):
    """The numbers at many steps, by field, as float64; in one jitted program."""
    hparams = jax.tree.map(jnp.float32, hparams)
    at = jax.jit(jax.vmap(schedule, (None, 0)))(hparams, jnp.int32(steps))
    return {field: np.float64(x) for field, x in by_field(at).items()}


def half_cosine(a, b, progress):
    return a + (1 - np.cos(np.pi * np.minimum(progress, 1))) / 2 * (b - a)


def test_numbers_are_known_by_their_fields():
    assert by_field(HPARAMS) == FIELDS
    assert by_field({}) == {}
    doubled = replace(HPARAMS, {field: 2 * x for field, x in FIELDS.items()})
    assert by_field(doubled) == {field: 2 * x for field, x in FIELDS.items()}
    assert jax.tree.structure(doubled) == jax.tree.structure(HPARAMS)
    assert by_field(HPARAMS) == FIELDS  # as it was
    full = dict.fromkeys(NUMBERS)
    for i, path in enumerate(NUMBERS.values()):
        place = full
        for key in path:
            place[key] = place.get(key) or {}
            place = place[key]
        place["x"] = i
    assert by_field(full) == {f"{entry}.x": i for i, entry in enumerate(NUMBERS)}


@pytest.mark.parametrize("start", [0, 40_000_000])
def test_linear_falls_from_its_start_to_zero_and_stays(start):
    steps = 10_000_000
    at = start + np.array([-start, 0, 1, 2_500_000, 9_999_999, steps, 2 * steps])
    found = values(schedules.linear(steps=steps, start=start), at)
    share = np.clip(1 - (np.float64(at) - start) / steps, 0, 1)
    for field, rate in ("d_optimizer", 1e-4), ("g_optimizer", 3e-4):
        rates = found[f"{field}.learning_rate"]
        np.testing.assert_allclose(rates, rate * share, rtol=1e-6, atol=1e-6 * rate)
    assert rates[-2] == rates[-1] == 0 < rates[3]
    np.testing.assert_array_equal(found["d_optimizer.b2"], np.float32(0.99))


def test_linear_is_wgan_gps():
    """lr max(0, 1 - step / 100,000), to the last steps' last digits."""
    at = np.array([0, 50_000, 99_000, 99_999, 100_001])
    rates = values(schedules.linear(steps=100_000), at)["d_optimizer.learning_rate"]
    exact = 1e-4 * np.maximum(0, 1 - at / 100_000)
    np.testing.assert_allclose(rates, exact, rtol=1e-6)


INITIAL = {
    "d_optimizer.learning_rate": 2e-4,
    "d_optimizer.b2": 0.9,
    "penalty.gamma": 0.05,
    "d_constraint.limit": 0.0,
    "d_decay.weight": 1e-3,
}


@pytest.mark.parametrize("steps", [4, 39_062, 8_000_000])
def test_burn_in_is_half_a_cosine_then_constant(steps):
    schedule = schedules.burn_in(
        steps=steps, numbers=tuple(INITIAL), initial=tuple(INITIAL.values())
    )
    at = np.array([0, 1, steps // 4, steps // 2, steps - 1, steps, steps + 1, 10**9])
    found = values(schedule, at)
    for field, a in INITIAL.items():
        exact = half_cosine(a, np.float64(np.float32(FIELDS[field])), at / steps)
        np.testing.assert_allclose(found[field], exact, rtol=1e-6, atol=1e-14)
        np.testing.assert_array_equal(found[field][5:], np.float32(FIELDS[field]))
        np.testing.assert_allclose(found[field][3], (a + FIELDS[field]) / 2, rtol=1e-6)
    rates = found["g_optimizer.learning_rate"]
    np.testing.assert_array_equal(rates, np.float32(3e-4))


@pytest.mark.parametrize("first", [0.0, 0.5, 0.999])
def test_the_average_burns_in_by_its_half_life(first):
    """R3GAN: a half-life of 5 M images, 512 an update, by a cosine over 20 M."""
    steps, half_life = 20_000_000 // 512, 5_000_000 / 512
    decay = np.float32(0.5 ** (1 / half_life))
    schedule = schedules.burn_in(steps=steps, numbers=("ema_decay",), initial=(first,))
    at = np.array([0, 1, 200, steps // 3, steps // 2, steps - 1, steps, 10**8])
    found = values(schedule, at, HPARAMS | {"ema_decay": decay})["ema_decay"]
    start = 1 / -np.log2(first) if first else 0.0
    last = 1 / -np.log2(np.float64(decay))
    with np.errstate(divide="ignore"):
        exact = 0.5 ** (1 / half_cosine(start, last, at / steps))
    np.testing.assert_allclose(found, exact, atol=6e-8)  # the last digit of float32
    assert found[0] == np.float32(first)
    assert (found[-2:] == decay).all()
    assert (np.diff(found[:-1]) >= 0).all()
    halved = found[4] ** ((start + half_life) / 2)
    np.testing.assert_allclose(halved, 0.5, rtol=1e-3)


def test_the_average_ramps_up_by_its_half_life():
    """StyleGAN2-ADA: no more than a twentieth of what has been trained, a half-life."""
    half_life = 500_000 / 64
    decay = np.float32(0.5 ** (1 / half_life))
    schedule = schedules.ema_rampup(share=0.05)
    at = np.array([0, 1, 20, 1_000, 150_000, 160_000, 10**8])
    found = values(schedule, at, HPARAMS | {"ema_decay": decay})
    with np.errstate(divide="ignore"):
        exact = 0.5 ** (1 / np.minimum(half_life, 0.05 * at))
    np.testing.assert_allclose(found["ema_decay"], exact, rtol=1e-6, atol=1e-8)
    assert found["ema_decay"][2] == pytest.approx(0.5)
    assert (found["ema_decay"][-2:] == decay).all()
    np.testing.assert_array_equal(found["penalty.gamma"], np.float32(0.005))


def test_a_schedule_is_a_function_of_the_step_alone():
    """At a step by itself, as a run that goes on there has it, and in a scan."""
    hparams = jax.tree.map(jnp.float32, HPARAMS)
    schedule = schedules.burn_in(
        steps=7, numbers=("ema_decay", "penalty.gamma"), initial=(0.0, 1.0)
    )

    def body(step, _):
        return step + 1, schedule(hparams, step)

    _, through = jax.jit(lambda: jax.lax.scan(body, jnp.int32(0), length=10))()
    for step in (3, 9):
        alone = jax.jit(schedule)(hparams, jnp.int32(step))
        jax.tree.map(
            lambda a, b, step=step: np.testing.assert_allclose(a, b[step], rtol=1e-6),
            alone,
            through,
        )
    gammas = through["penalty"]["gamma"]
    assert len(np.unique(gammas)) == 8


def test_a_population_burns_in_to_its_own_numbers():
    schedule = schedules.burn_in(
        steps=10, numbers=("ema_decay", "penalty.gamma"), initial=(0.5, 1.0)
    )
    gammas, decays = jnp.array([0.1, 5.0]), jnp.array([0.9, 0.99])
    members = {"ema_decay": decays, "penalty": {"gamma": gammas}}
    found = jax.vmap(lambda numbers: schedule(numbers, 5))(members)
    np.testing.assert_allclose(found["penalty"]["gamma"], (1 + gammas) / 2, rtol=1e-6)
    half_lives = (1 + 1 / -np.log2(np.float64(decays))) / 2
    np.testing.assert_allclose(found["ema_decay"], 0.5 ** (1 / half_lives), rtol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "initial", "message"),
    [
        (
            ("penalty.gama",),
            (1.0,),
            "no number 'penalty.gama'; did you mean 'penalty.g",
        ),
        (("g_optimizer.b2",), (0.5,), "no number 'g_optimizer.b2'; .*d_optimizer.b2"),
        (("seed",), (1.0,), "no number 'seed'; .*ema_decay"),
        (("d.constraint",), (1.0,), "no number 'd.constraint'"),
        (("ema_decay", "penalty.gamma"), (0.5,), "2 numbers .* but 1 initial"),
        (("ema_decay",), (1.0,), r"initial ema_decay must be in \[0, 1\)"),
    ],
)
def test_what_cannot_burn_in_is_refused_in_one_line(numbers, initial, message):
    with pytest.raises(UsageError, match=message) as error:
        schedules.burn_in(steps=9, numbers=numbers, initial=initial)(HPARAMS, 0)
    assert "\n" not in str(error.value)


def test_linear_needs_learning_rates():
    with pytest.raises(UsageError, match=r"linear: .* 'd_optimizer.learning_rate'"):
        schedules.linear(steps=9)({"d": {}, "g": {}}, 0)


def numbers_at(step, **keywords):
    hparams = {p: {"learning_rate": 0.1, "momentum": 0.5} for p in "dg"}
    return schedules.goodfellow_2014(**keywords)(hparams, jnp.int32(step))


def test_the_learning_rate_of_2014_falls_with_every_update():
    for step in (0, 1, 1000, 1_000_000):
        exact = max(0.1 / 1.000004 ** np.float64(step), 1e-6)
        for player in "dg":
            rate = numbers_at(step)[player]["learning_rate"]
            np.testing.assert_allclose(rate, exact, rtol=1e-4)
    np.testing.assert_allclose(numbers_at(4_000_000)["d"]["learning_rate"], 1e-6)


def test_the_momentum_of_2014_grows_with_the_epoch():
    """alpha = (epoch - 1) / 249 for the epochs 1, 2, ..., 250; then it stays."""
    for step, momentum in (
        (0, 0.5),
        (499, 0.5),
        (500, 0.5 + 0.2 / 249),
        (249 * 500, 0.7),
        (10**6, 0.7),
    ):
        at = numbers_at(step)["g"]["momentum"]
        np.testing.assert_allclose(at, momentum, rtol=1e-6)


def test_a_constant_schedule_changes_nothing():
    hparams = {"d": {"learning_rate": 0.1}}
    assert schedules.constant()(hparams, 7) == hparams
