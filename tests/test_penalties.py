"""Penalties: closed forms, finite differences, the points they look at, zero slopes."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses, penalties, theory
from gan_jax.models import mlp
from gan_jax.networks import network

FACTORIES = {
    "wgan_gp": penalties.wgan_gp,
    "one_sided": penalties.one_sided,
    "dragan": penalties.dragan,
    "r1": penalties.r1,
    "r2": penalties.r2,
    "r1_r2": penalties.r1_r2,
    "drift": penalties.drift,
    "wgan_gp_drift": penalties.wgan_gp_drift,
}
of_slopes = pytest.mark.parametrize("name", [n for n in FACTORIES if n != "drift"])
every_penalty = pytest.mark.parametrize("name", FACTORIES)
KEY = jax.random.key(0)


def examples(*shape):
    real, fake = np.random.default_rng(1).normal(size=(2, *shape))
    return jnp.asarray(real + 1, float), jnp.asarray(fake, float)


def test_no_penalty_is_none():
    assert penalties.none() is None


@every_penalty
def test_all_but_drift_differentiate_d_by_its_input(name):
    assert FACTORIES[name]().differentiates == (name != "drift")


@pytest.mark.parametrize("shape", [(), (3,), (4, 4, 2)])
@pytest.mark.parametrize("slope", [0.5, 1.7])
def test_closed_forms_of_a_linear_critic_whatever_the_shape_of_x(shape, slope):
    w = np.random.default_rng(2).normal(size=(1, *shape))
    w = jnp.asarray(slope * w / np.sqrt(np.sum(np.square(w))), float)
    real, fake = examples(6, *shape)

    def critic(x):
        return jnp.sum((x * w).reshape(6, -1), axis=-1)

    square = np.mean(np.square(critic(real)))
    cases = [
        (penalties.wgan_gp(), 10 * (slope - 1) ** 2),
        (penalties.wgan_gp(weight=3.0, target=0.2), 3 * (slope - 0.2) ** 2),
        (penalties.one_sided(), 10 * max(0, slope - 1) ** 2),
        (penalties.one_sided(weight=3.0, target=0.2), 3 * (slope - 0.2) ** 2),
        (penalties.dragan(weight=3.0), 3 * (slope - 1) ** 2),
        (penalties.r1(gamma=3.0), 1.5 * slope**2),
        (penalties.r2(gamma=3.0), 1.5 * slope**2),
        (penalties.r1_r2(gamma=3.0), 3 * slope**2),
        (penalties.drift(weight=0.3), 0.3 * square),
        (
            penalties.wgan_gp_drift(weight=3.0, target=0.2, drift_weight=0.3),
            3 * (slope - 0.2) ** 2 + 0.3 * square,
        ),
    ]
    found = jax.jit(lambda *x: [case.of(critic, *x) for case, _ in cases])
    for value, (_, closed) in zip(found(real, fake, KEY), cases, strict=True):
        np.testing.assert_allclose(value, closed, rtol=1e-5)


def mlp_params(sizes, scale=2.0):
    random = np.random.default_rng(3)
    shapes = itertools.pairwise(sizes)
    weights = [scale * random.normal(size=shape) / shape[0] ** 0.5 for shape in shapes]
    return [jnp.asarray(w, float) for w in weights]


def mlp_score(params, x):
    *hidden, last = params
    for w in hidden:
        x = jnp.tanh(x @ w)
    return (x @ last)[:, 0]


def test_r1_and_r2_against_finite_differences():
    with jax.enable_x64(True):
        critic = functools.partial(mlp_score, mlp_params((3, 8, 1)))
        data = examples(5, 3)
        step = 1e-6 * np.eye(3)[:, None]
        r1, r2 = (
            1.5
            * np.mean(
                np.sum([np.square(critic(x + h) - critic(x - h)) for h in step], axis=0)
            )
            / 4e-12
            for x in data
        )
        assert abs(r1 / r2 - 1) > 0.1
        for name, closed in (("r1", r1), ("r2", r2), ("r1_r2", r1 + r2)):
            found = FACTORIES[name](gamma=3.0).of(critic, *data, KEY)
            np.testing.assert_allclose(found, closed, rtol=1e-7)


@every_penalty
def test_the_gradient_in_ds_parameters_is_that_of_finite_differences(name):
    with jax.enable_x64(True):
        params, direction = mlp_params((3, 4, 1)), mlp_params((3, 4, 1), scale=0.5)
        direction = [w[::-1] for w in direction]
        data = examples(5, 3)

        @jax.jit
        @jax.value_and_grad
        def along(t):
            moved = jax.tree.map(lambda p, d: p + t * d, params, direction)
            return FACTORIES[name]().of(functools.partial(mlp_score, moved), *data, KEY)

        difference = (along(1e-6)[0] - along(-1e-6)[0]) / 2e-6
        np.testing.assert_allclose(along(0.0)[1], difference, rtol=1e-6)
        assert abs(difference) > 1e-5


@of_slopes
def test_a_slope_of_zero_has_a_value_and_derivatives(name):
    real, fake = examples(4, 2)
    of = FACTORIES[name]().of

    def value(w):
        return of(lambda x: x @ w, real, fake, KEY)

    flat = jnp.zeros(2)
    found, slope, curvature = jax.jit(
        lambda w: (value(w), jax.grad(value)(w), jax.hessian(value)(w))
    )(flat)
    target = name in ("wgan_gp", "dragan", "wgan_gp_drift")
    np.testing.assert_allclose(found, 10 if target else 0, rtol=1e-4)
    np.testing.assert_array_equal(slope, 0)
    assert np.isfinite(curvature).all()


@every_penalty
def test_sums_are_float32_where_d_computes_in_bfloat16(name):
    D = network(mlp.Discriminator(widths=(16,)), dtype="bfloat16")
    real, fake = examples(8, 20)
    params, stats = D.init(jax.random.key(4), real)

    def value(params, real, fake):
        def critic(x):
            return D.apply(params, stats, x, key=KEY, train=True)[0]

        return FACTORIES[name]().of(critic, real, fake, KEY)

    for images in ("float32", "bfloat16"):
        x = real.astype(images), fake.astype(images)
        found = jax.eval_shape(jax.value_and_grad(value), params, *x)
        assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype("float32")}


def test_squares_of_bfloat16_gradients_are_not_rounded_to_bfloat16():
    slopes = jnp.linspace(1, 2, 999).astype(jnp.bfloat16)

    def critic(x):
        return (x.astype(jnp.bfloat16) @ slopes).astype(jnp.float32)

    squared = np.sum(np.square(np.asarray(slopes, np.float64)))
    found = penalties.r1(gamma=2.0).of(critic, *examples(3, 999), KEY)
    np.testing.assert_allclose(found, squared, rtol=1e-6)


def points_of(penalty, real, fake):
    """Where a penalty looks."""
    seen = []

    def critic(x):
        jax.debug.callback(lambda x: seen.append(np.asarray(x)), x)
        return jnp.sum(x.reshape(len(x), -1), axis=-1)

    jax.jit(functools.partial(penalty.of, critic))(real, fake, KEY)
    jax.effects_barrier()
    (points,) = seen
    return points


@pytest.mark.parametrize("name", ["wgan_gp", "one_sided"])
def test_points_between_have_one_even_draw_an_example(name):
    real, fake = jnp.full((500, 3, 2), 3.0), jnp.full((500, 3, 2), 1.0)
    points = points_of(FACTORIES[name](), real, fake)
    assert points.shape == real.shape
    places = (points[:, 0, 0] - 1) / 2
    np.testing.assert_array_equal(
        points, np.broadcast_to(points[:, :1, :1], (500, 3, 2))
    )
    np.testing.assert_allclose(np.sort(places), np.linspace(0, 1, 500), atol=0.1)


def test_every_example_is_joined_to_the_one_of_its_own_place():
    real = jnp.arange(8.0)[:, None] * jnp.ones((8, 3))
    points = points_of(penalties.wgan_gp(), real, real)
    np.testing.assert_allclose(points, real, rtol=1e-6)


def test_dragans_points_are_above_the_data_by_up_to_the_noise():
    real, fake = (3 * np.asarray(x) for x in examples(64, 16, 16))
    offsets = points_of(penalties.dragan(), real, fake) - real
    most = 0.5 * np.std(real)
    assert offsets.min() >= -1e-5
    # the largest of an example's 256 even draws is nearly 1: its own place is left
    places = np.sort(np.max(offsets, axis=(1, 2)) / most)
    np.testing.assert_allclose(places, np.linspace(0, 1, 64), atol=0.2)
    np.testing.assert_allclose(np.mean(offsets), most / 4, rtol=0.1)


def test_a_score_of_a_pack_has_its_slope_in_all_of_its_examples():
    real, fake = examples(6, 5)
    w = jnp.linspace(-1, 2, 15)

    def critic(x):  # three neighbours are one pack
        return x.reshape(2, 15) @ w

    norm = np.linalg.norm(w)
    found = penalties.wgan_gp().of(critic, real, fake, KEY)
    np.testing.assert_allclose(found, 10 * (norm - 1) ** 2, rtol=1e-5)
    found = penalties.r1().of(critic, real, fake, KEY)
    np.testing.assert_allclose(found, 5 * norm**2, rtol=1e-5)


@every_penalty
def test_its_numbers_may_be_data_of_a_batched_program(name):
    factory = FACTORIES[name]
    critic = functools.partial(mlp_score, mlp_params((3, 8, 1)))
    real, fake = examples(5, 3)
    keywords = factory.__kwdefaults__

    def value(numbers):
        return factory(**numbers).of(critic, real, fake, KEY)

    sweep = [keywords | {k: x} for k in keywords for x in (0.0, 0.25, 2.0)]
    batched = jax.jit(jax.vmap(value))(
        {k: jnp.array([numbers[k] for numbers in sweep]) for k in keywords}
    )
    one_by_one = [value(numbers) for numbers in sweep]
    np.testing.assert_allclose(batched, one_by_one, rtol=1e-5, atol=1e-7)
    assert (np.ptp(batched.reshape(-1, 3), axis=1) > 1e-5).all()


def test_a_wasserstein_critic_under_a_penalty_finds_the_earth_movers_distance():
    """Of N(0, 1/4) and N(2, 1/4), to 5 %.

    A best critic is a line of slope 1; the penalty's weight lets it be steeper by
    distance / (2 weight), 1 % here.
    """
    loss, penalty = losses.wasserstein(), penalties.one_sided(weight=100.0)
    tx = optax.adam(optax.cosine_decay_schedule(1e-2, 400), b1=0.5, b2=0.9)

    def draw(key, n):
        real, fake = jax.random.normal(key, (2, n, 1)) / 2
        return real + 2, fake

    def d_loss(params, key):
        real, fake = draw(key, 256)
        critic = functools.partial(mlp_score, params)
        bare = loss.d(critic(real), critic(fake))
        return bare + penalty.of(critic, real, fake, jax.random.fold_in(key, 1))

    def step(carry, key):
        params, state = carry
        updates, state = tx.update(jax.grad(d_loss)(params, key), state)
        return (optax.apply_updates(params, updates), state), None

    def train(params, key):
        start = params, tx.init(params)
        return jax.lax.scan(step, start, jax.random.split(key, 400))[0][0]

    params = jax.jit(train)(mlp_params((1, 32, 32, 1), scale=1.0), KEY)
    real, fake = draw(jax.random.key(5), 20_000)
    estimate = -loss.d(mlp_score(params, real), mlp_score(params, fake))
    x = jnp.linspace(-3, 5, 2001)
    p, q = (jax.scipy.stats.norm.pdf(x, mean, 0.5) for mean in (2.0, 0.0))
    distance = theory.wasserstein1(p, q, x[1] - x[0])
    np.testing.assert_allclose(distance, 2, rtol=1e-3)
    np.testing.assert_allclose(estimate, distance, rtol=0.05)
