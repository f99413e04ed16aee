"""The theory: divergences, the best D, and the smallest GAN, as laws and by numbers."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from gan_jax import losses, priors, theory
from gan_jax.games.gan import game as gan
from gan_jax.models import mlp
from gan_jax.networks import Network, network
from gan_jax.state import init_state
from gan_jax.train_step import make_train_step

DX = 0.01
X = np.arange(-12, 12 + DX / 2, DX)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def normal(mean, std):
    return scipy.stats.norm.pdf(X, mean, std)


def pairs():
    """Densities on X and distributions on few points, each with its spacing."""
    rng = np.random.default_rng(0)
    discrete = rng.dirichlet(np.ones(6), 2)
    return [
        (normal(0, 1), normal(1, 1.5), DX),
        (0.25 * normal(-2, 0.5) + 0.75 * normal(2, 1), normal(0.5, 2), DX),
        (*discrete, 1.0),
        (np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.25, 0.75]), 1.0),
    ]


PAIRS = pytest.mark.parametrize(("p", "q", "dx"), pairs())


# --- distributions ---


def test_a_mixture_is_a_density_with_the_moments_of_its_parts():
    p = theory.mixture([1, 3], [-2, 2], [0.5, 1])(X)
    np.testing.assert_allclose(p, 0.25 * normal(-2, 0.5) + 0.75 * normal(2, 1))
    np.testing.assert_allclose(np.sum(p) * DX, 1, rtol=1e-9)
    mean = np.sum(p * X) * DX
    np.testing.assert_allclose(mean, 0.25 * -2 + 0.75 * 2, rtol=1e-9)
    variance = 0.25 * 0.25 + 0.75 * 1 + 0.25 * 0.75 * 16
    np.testing.assert_allclose(np.sum(p * (X - mean) ** 2) * DX, variance, rtol=1e-9)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_bars_and_stripes_are_all_the_pictures_of_equal_lines(side):
    pictures = np.asarray(theory.bars_and_stripes(side)).reshape(-1, side, side)
    found = {picture.tobytes() for picture in pictures}
    assert len(found) == len(pictures) == 2 ** (side + 1) - 2
    every = np.indices((2,) * side**2, pictures.dtype).reshape(side**2, -1).T
    for picture in every.reshape(-1, side, side):
        lined = (picture == picture[:1]).all() or (picture == picture[:, :1]).all()
        assert (picture.tobytes() in found) == lined


# --- divergences ---


@PAIRS
def test_kl_is_positive_unless_the_two_are_one_and_has_a_direction(p, q, dx):
    assert theory.kl(p, q, dx) > 0.01
    np.testing.assert_allclose(theory.kl(p, p, dx), 0, atol=1e-12)
    assert abs(theory.kl(p, q, dx) - theory.kl(q, p, dx)) > 0.01 or (
        math.isinf(theory.kl(p, q, dx)) and math.isinf(theory.kl(q, p, dx))
    )


def test_kl_of_normal_distributions_has_its_closed_form():
    (m, s), (n, t) = (0.5, 1.2), (-0.3, 0.8)
    exact = math.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5
    np.testing.assert_allclose(theory.kl(normal(m, s), normal(n, t), DX), exact, 1e-8)


def test_kl_agrees_with_scipy_on_discrete_distributions():
    p, q, _ = pairs()[2]
    np.testing.assert_allclose(theory.kl(p, q), scipy.stats.entropy(p, q), 1e-12)
    np.testing.assert_allclose(
        theory.bits(theory.kl(p, q)), scipy.stats.entropy(p, q, base=2), 1e-7
    )


def test_kl_is_blind_to_q_where_p_has_nothing_and_infinite_the_other_way():
    p = np.array([0.5, 0.5, 0.0, 0.0])
    q = np.array([0.25, 0.25, 0.5, 0.0])
    other = np.array([0.25, 0.25, 0.1, 0.4])
    np.testing.assert_allclose(theory.kl(p, q), math.log(2), rtol=1e-12)
    assert theory.kl(p, q) == theory.kl(p, other)
    assert theory.kl(q, p) == math.inf
    # nearly nothing: a mode of q where p is small costs little, and the other way much
    p, q = normal(0, 1), theory.mixture([0.5, 0.5], [0, 8], [1, 1])(X)
    np.testing.assert_allclose(theory.kl(p, q, DX), math.log(2), rtol=1e-3)
    assert theory.kl(q, p, DX) > 15


@jax.enable_x64(False)
def test_kl_in_float32_is_not_made_of_what_underflows():
    x = np.linspace(-20, 20, 4001, dtype=np.float32)
    p, q = (jax.scipy.stats.norm.pdf(x, mean) for mean in (0, 1))
    assert ((p > 0) & (q == 0)).any()
    kl, slopes = jax.value_and_grad(theory.kl, (0, 1))(p, q, 0.01)
    np.testing.assert_allclose(kl, 0.5, rtol=1e-4)
    assert all(np.isfinite(slope).all() for slope in slopes)
    # what is far from underflowing is missed as before
    assert theory.kl(np.float32([1 - 1e-9, 1e-9]), np.float32([1, 0])) == math.inf


@PAIRS
def test_js_is_symmetric_and_at_most_a_bit(p, q, dx):
    js = theory.js(p, q, dx)
    np.testing.assert_allclose(js, theory.js(q, p, dx), rtol=1e-12)
    assert 0 < js < math.log(2)
    np.testing.assert_allclose(theory.js(p, p, dx), 0, atol=1e-12)
    np.testing.assert_allclose(theory.bits(js), js / math.log(2), rtol=1e-7)


def test_distributions_that_share_nothing_are_a_bit_apart():
    p, q = np.array([0.3, 0.7, 0, 0]), np.array([0, 0, 0.6, 0.4])
    np.testing.assert_allclose(theory.js(p, q), math.log(2), rtol=1e-12)
    np.testing.assert_allclose(theory.bits(theory.js(p, q)), 1, rtol=1e-7)
    # however far they are, which only the earth mover sees
    for shift in (2, 3):
        p, q = np.eye(5)[0], np.eye(5)[shift]
        np.testing.assert_allclose(theory.js(p, q), math.log(2), rtol=1e-12)
        np.testing.assert_allclose(theory.wasserstein1(p, q), shift, rtol=1e-12)


def test_chi2_by_hand():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.75, 0.0])
    np.testing.assert_allclose(theory.pearson_chi2(p, q), 1 / 4, rtol=1e-12)
    np.testing.assert_allclose(theory.pearson_chi2(q, p), 1 / 4 + 1 / 12, rtol=1e-12)
    assert theory.pearson_chi2(np.array([1.0, 0]), p[:2]) == math.inf


@pytest.mark.parametrize("shift", [0.0, 0.5, -3.0])
def test_wasserstein_of_shifted_distributions_is_the_shift(shift):
    p, q = normal(-1, 0.7), normal(-1 + shift, 0.7)
    np.testing.assert_allclose(theory.wasserstein1(p, q, DX), abs(shift), atol=1e-9)
    np.testing.assert_allclose(theory.wasserstein1(q, p, DX), abs(shift), atol=1e-9)
    sample = np.random.default_rng(0).standard_normal(50)
    np.testing.assert_allclose(
        theory.wasserstein1_of_samples(sample, sample + shift), abs(shift), atol=1e-12
    )


def test_wasserstein_of_a_scaled_normal_distribution():
    # E |x| = std sqrt(2 / pi)
    exact = 1.5 * math.sqrt(2 / math.pi)
    w = theory.wasserstein1(normal(0, 0.5), normal(0, 2), DX)
    np.testing.assert_allclose(w, exact, rtol=1e-4)


def test_wasserstein_agrees_with_scipy():
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(7), 2)
    points = np.arange(7)
    expected = scipy.stats.wasserstein_distance(points, points, p, q)
    np.testing.assert_allclose(theory.wasserstein1(p, q), expected, rtol=1e-12)
    expected = scipy.stats.wasserstein_distance(points / 4, points / 4, p, q)
    np.testing.assert_allclose(theory.wasserstein1(4 * p, 4 * q, 1 / 4), expected)
    x, y = rng.standard_normal(40), rng.integers(-2, 3, 17).astype(float)
    expected = scipy.stats.wasserstein_distance(x, y)
    for one, other in ((x, y), (y, x)):
        w = theory.wasserstein1_of_samples(one, other)
        np.testing.assert_allclose(w, expected, rtol=1e-12)


# --- the best discriminator ---


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.3, 2.0), (5.0, 0.1), (0.0, 1.0)])
def test_a_log_y_plus_b_log_1_minus_y_peaks_at_a_over_a_plus_b(a, b):
    y = np.linspace(0.001, 0.999, 999)
    curve = jax.vmap(theory.value, (None, None, 0))(a, b, y)
    peak = a / (a + b)
    assert abs(y[np.argmax(curve)] - peak) <= 0.001 + 1e-9
    assert theory.optimal_discriminator(a, b) == pytest.approx(peak, rel=1e-12)
    if 0 < peak < 1:
        slope = jax.grad(theory.value, argnums=2)
        np.testing.assert_allclose(slope(a, b, peak), 0, atol=1e-9)
        assert slope(a, b, peak - 0.01) > 0.01
        assert slope(a, b, peak + 0.01) < -0.01


@PAIRS
def test_nothing_is_gained_by_leaving_the_best_discriminator(p, q, dx):
    d = theory.optimal_discriminator(p, q)
    best = theory.value(p, q, d, dx)
    inner = (d > 0) & (d < 1)
    slope = jax.grad(theory.value, argnums=2)(p, q, d, dx)
    np.testing.assert_allclose(np.where(inner, slope, 0), 0, atol=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(5):
        other = np.clip(d + 0.1 * rng.standard_normal(d.shape), 1e-3, 1 - 1e-3)
        assert theory.value(p, q, other, dx) < best - 1e-3


@PAIRS
def test_the_value_at_the_best_discriminator_is_the_criterion(p, q, dx):
    d = theory.optimal_discriminator(p, q)
    value = theory.value(p, q, d, dx)
    np.testing.assert_allclose(value, theory.criterion(p, q, dx), rtol=1e-6)
    assert value > -math.log(4) + 0.01
    np.testing.assert_allclose(theory.criterion(p, p, dx), -math.log(4), rtol=1e-7)
    np.testing.assert_allclose(
        theory.value(p, p, theory.optimal_discriminator(p, p), dx),
        -math.log(4),
        rtol=1e-7,
    )


def test_where_nothing_lies_the_best_discriminator_shrugs():
    d = theory.optimal_discriminator(np.array([0.0, 1, 0]), np.array([0.0, 0, 1]))
    np.testing.assert_array_equal(d, [0.5, 1, 0])
    slope = jax.grad(lambda p: jnp.sum(theory.optimal_discriminator(p, p)))
    assert np.isfinite(slope(np.zeros(2))).all()


def test_far_from_both_densities_nothing_overflows():
    """By the exact values, and by m, the mean of q: dJS/dm by the larger type."""

    def both(m, std, dtype):
        x = jnp.arange(-12, 12, DX, dtype)
        return tuple(theory.mixture([1.0], [mean], [std])(x) for mean in (0.0, m))

    best = theory.optimal_discriminator
    for name, std in itertools.product(("js", "least_squares"), (0.3, 0.5, 1.0)):
        values, slopes = [], []
        for dtype in (jnp.float32, jnp.float64):

            def of_mean(m, name=name, std=std, dtype=dtype):
                p, q = both(m, std, dtype)
                if name == "js":
                    return theory.js(p, q, DX)
                return theory.least_squares_criterion(p, q, DX)

            value, slope = jax.value_and_grad(of_mean)(jnp.asarray(1.0, dtype))
            values.append(float(value))
            slopes.append(float(slope))
            moved = jax.grad(lambda m, pair=(std, dtype): best(*both(m, *pair)).sum())
            # D* moves by half of what the mean does
            shift = moved(jnp.asarray(1.0, dtype)) * DX
            np.testing.assert_allclose(shift, 0.5, rtol=1e-3)
        np.testing.assert_allclose(*values, rtol=2e-5)
        np.testing.assert_allclose(*slopes, rtol=2e-4)
        assert slopes[1] > 0.05
    exact = {0.3: 0.57115, 0.5: 0.33683}
    for std, js in exact.items():
        found = theory.js(*both(1.0, std, jnp.float32), DX)
        np.testing.assert_allclose(found, js, rtol=2e-5)


@PAIRS
def test_cross_entropy_as_the_error_is_the_gan(p, q, dx):
    d = np.random.default_rng(0).uniform(0.05, 0.95, len(p))
    error = theory.discriminator_loss(theory.cross_entropy, p, q, d, dx)
    np.testing.assert_allclose(error, -theory.value(p, q, d, dx), rtol=1e-12)
    # the best D is sure where one of them has nothing, and loses nothing by it
    if (p == 0).any():
        d = theory.optimal_discriminator(p, q)
        error = theory.discriminator_loss(theory.cross_entropy, p, q, d, dx)
        np.testing.assert_allclose(error, -theory.criterion(p, q, dx), rtol=1e-6)
    ones, zeros = np.ones_like(d), np.zeros_like(d)
    np.testing.assert_allclose(theory.half_square(d, ones), (1 - d) ** 2 / 2)
    np.testing.assert_allclose(theory.half_square(d, zeros), d**2 / 2)


@pytest.mark.parametrize(
    ("error", "loss", "score"),
    [
        (theory.cross_entropy, losses.saturating(), lambda d: np.log(d / (1 - d))),
        (theory.half_square, losses.least_squares(), lambda d: d),
    ],
)
def test_the_errors_are_d_s_losses_of_training(error, loss, score):
    """A minibatch is a distribution too: n points, each with probability 1 / n."""
    d_real, d_fake = np.random.default_rng(0).uniform(0.05, 0.95, (2, 8))
    p, q = np.repeat([[1 / 8, 0], [0, 1 / 8]], 8, axis=1)
    expected = loss.d(score(d_real), score(d_fake))
    found = theory.discriminator_loss(error, p, q, np.append(d_real, d_fake))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


TARGETS = {"real_target": 1.0, "fake_target": -1.0, "g_target": 0.0}


@PAIRS
@pytest.mark.parametrize(("b", "a"), [(1.0, 0.0), (1.0, -1.0), (0.9, 0.2)])
def test_lsgan_s_best_discriminator_minimises_its_loss(p, q, dx, b, a):
    def loss(d):
        real, fake = theory.half_square(d, b), theory.half_square(d, a)
        return jnp.sum(p * real + q * fake) * dx

    d = theory.least_squares_discriminator(p, q, real_target=b, fake_target=a)
    np.testing.assert_allclose(jax.grad(loss)(d), 0, atol=1e-12)
    assert loss(d + 0.1) > loss(d) + 1e-3
    assert loss(d - 0.1) > loss(d) + 1e-3


@PAIRS
def test_lsgan_s_criterion_is_pearson_s_chi2(p, q, dx):
    chi2 = theory.pearson_chi2(p + q, 2 * q, dx)
    assert chi2 > 0.05
    zero_one = theory.least_squares_criterion(p, q, dx)
    np.testing.assert_allclose(zero_one, 1 / 4 + chi2 / 8, rtol=1e-7)
    symmetric = theory.least_squares_criterion(p, q, dx, **TARGETS)
    np.testing.assert_allclose(symmetric, chi2 / 2, rtol=1e-7)
    np.testing.assert_allclose(theory.least_squares_criterion(p, p, dx), 1 / 4, 1e-7)
    same = theory.least_squares_criterion(p, p, dx, **TARGETS)
    np.testing.assert_allclose(same, 0, atol=1e-12)
    # D's own loss falls by as much as G's criterion rises
    d = theory.least_squares_discriminator(p, q)
    d_loss = theory.discriminator_loss(theory.half_square, p, q, d, dx)
    np.testing.assert_allclose(d_loss + zero_one, 1 / 2, rtol=1e-7)


# --- the generator's losses ---


@pytest.mark.parametrize("name", ["saturating", "non_saturating"])
def test_g_s_losses_and_slopes_are_those_of_training(name):
    d = np.array([0.001, 0.1, 0.5, 0.9, 0.999])
    logit = np.log(d / (1 - d))
    curve = getattr(theory, name)(d)

    def trained(s):
        return getattr(losses, name)().g(s[None], s[None])

    np.testing.assert_allclose(curve.loss, jax.vmap(trained)(logit), rtol=1e-7)
    np.testing.assert_allclose(
        curve.by_logit, jax.vmap(jax.grad(trained))(logit), rtol=1e-6
    )
    by_output = jax.vmap(jax.grad(lambda y: getattr(theory, name)(y).loss))(d)
    np.testing.assert_allclose(curve.by_output, by_output, rtol=1e-12)
    # dD / dlogit = D (1 - D)
    np.testing.assert_allclose(curve.by_logit, curve.by_output * d * (1 - d), 1e-12)


def test_g_s_gradient_where_d_is_sure_and_at_the_equilibrium():
    sure, half = 1e-6, 0.5
    assert -2e-6 < theory.saturating(sure).by_logit < 0
    assert theory.non_saturating(sure).by_logit == pytest.approx(-1, abs=2e-6)
    assert theory.saturating(half).by_logit == -0.5
    assert theory.non_saturating(half).by_logit == -0.5


# --- the evidence lower bound ---


def test_the_elbo_is_off_by_the_divergence_from_the_posterior():
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.ones(12)).reshape(4, 3)  # p(x, z)
    evidence = joint.sum(axis=1)
    posterior = joint / evidence[:, None]
    q = rng.dirichlet(np.ones(3), 4)
    bound = theory.elbo(np.log(joint), q)
    gap = np.array([theory.kl(*pair) for pair in zip(q, posterior, strict=True)])
    assert (gap > 0.01).all()
    np.testing.assert_allclose(bound + gap, np.log(evidence), rtol=1e-12)
    exact = theory.elbo(np.log(joint), posterior)
    np.testing.assert_allclose(exact, np.log(evidence), rtol=1e-12)
    # an impossible z costs nothing where q leaves it out, and all where q does not
    with np.errstate(divide="ignore"):
        log_joint = np.log(np.array([0.3, 0.1, 0.0]))
    best = np.array([0.75, 0.25, 0.0])
    np.testing.assert_allclose(theory.elbo(log_joint, best), np.log(0.4), rtol=1e-6)
    assert theory.elbo(log_joint, np.ones(3) / 3) == -math.inf


# --- training ---


@pytest.mark.parametrize("loss", [losses.non_saturating(), losses.least_squares()])
def test_a_trained_discriminator_against_a_fixed_generator_is_the_best_one(loss):
    mean, std = 1.5, 0.7  # of the generator: x = mean + std z
    steps, n = 1000, 512

    def apply(params, stats, z, *, key=None, train=False):
        return params["mean"] + params["std"] * z, stats

    def d_tx(numbers):
        return optax.adam(optax.cosine_decay_schedule(1e-2, steps))

    def g_tx(numbers):
        return optax.set_to_zero()

    def step(state, key):
        return train_step(state, {"x": jax.random.normal(key, (1, n, 1))})

    with jax.enable_x64(False):
        params = {"mean": jnp.float32(mean), "std": jnp.float32(std)}
        G = Network(lambda key, z: (params, {}), apply)
        D = network(mlp.Discriminator(widths=(32, 32)))
        game = gan(G, D, loss, priors.normal(dim=1))
        train_step = make_train_step(game, d_tx, g_tx)
        first = {"x": jnp.zeros((n, 1))}
        state = init_state(game, d_tx, g_tx, {}, jax.random.key(0), first)
        keys = jax.random.split(jax.random.key(1), steps)
        state, metrics = jax.jit(lambda state: jax.lax.scan(step, state, keys))(state)
        x = np.linspace(-2.5, 3, 56, dtype=np.float32)
        trained = loss.output(game.score(state.d, state.g, {"x": x[:, None]}))
    assert state.g.params == params
    p, q = scipy.stats.norm.pdf(x), scipy.stats.norm.pdf(x, mean, std)
    best = theory.optimal_discriminator(p, q)
    assert best[0] > 0.99
    assert best.min() < 0.08
    np.testing.assert_allclose(trained, best, atol=0.05)
    # and so is its loss, up to the noise of the last minibatches
    p, q = normal(0, 1), normal(mean, std)
    expected = -theory.criterion(p, q, DX)
    if not loss.logits:
        expected = 1 / 2 - theory.least_squares_criterion(p, q, DX)
    np.testing.assert_allclose(np.mean(metrics["d_loss"][-200:]), expected, rtol=0.02)
