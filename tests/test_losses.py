"""The objectives: optima, equilibria, signs, shifts, and scores far out."""

import math
import typing

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses, theory
from gan_jax.errors import UsageError

CROSS_ENTROPY = [losses.saturating, losses.non_saturating]
WITH_TERMS = [*CROSS_ENTROPY, losses.least_squares]
DIVERGENCES = typing.get_args(losses.Divergence)
F_GANS = {
    f"{name}-{aim}": losses.f_gan(divergence=name, g=aim)
    for name in DIVERGENCES
    for aim in typing.get_args(losses.Aim)
}
LOSSES = F_GANS | {
    "saturating": losses.saturating(),
    "non_saturating": losses.non_saturating(),
    "least_squares": losses.least_squares(),
    "wasserstein": losses.wasserstein(),
    "hinge": losses.hinge(),
    "relativistic": losses.relativistic(),
    "relativistic_average": losses.relativistic_average(),
}
of_differences = [name for name in LOSSES if LOSSES[name].equilibrium is None]
every_loss = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture(autouse=True)
def strict_promotion():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def scores(seed, n=64):
    keys = jax.random.split(jax.random.key(seed))
    return jax.random.normal(keys[0], (n,)) + 1, jax.random.normal(keys[1], (n,)) - 1


@pytest.mark.parametrize("factory", CROSS_ENTROPY)
def test_d_loss_is_cross_entropy_against_labels_one_and_zero(factory):
    d_real, d_fake = scores(0)
    ones, zeros = jnp.ones_like(d_real), jnp.zeros_like(d_fake)
    expected = jnp.mean(optax.sigmoid_binary_cross_entropy(d_real, ones)) + jnp.mean(
        optax.sigmoid_binary_cross_entropy(d_fake, zeros)
    )
    np.testing.assert_allclose(factory().d(d_real, d_fake), expected, rtol=1e-6)


def test_g_losses_are_cross_entropies():
    d_real, d_fake = scores(1)
    as_real = optax.sigmoid_binary_cross_entropy(d_fake, jnp.ones_like(d_fake))
    as_fake = optax.sigmoid_binary_cross_entropy(d_fake, jnp.zeros_like(d_fake))
    np.testing.assert_allclose(
        losses.non_saturating().g(d_real, d_fake), jnp.mean(as_real), rtol=1e-6
    )
    np.testing.assert_allclose(
        losses.saturating().g(d_real, d_fake), -jnp.mean(as_fake), rtol=1e-6
    )


def test_least_squares_is_the_papers_formula():
    d_real, d_fake = scores(2)
    loss = losses.least_squares(real_target=0.9, fake_target=-0.3, g_target=0.7)
    real, fake = np.asarray(d_real), np.asarray(d_fake)
    d = 0.5 * np.mean((real - 0.9) ** 2) + 0.5 * np.mean((fake + 0.3) ** 2)
    np.testing.assert_allclose(loss.d(d_real, d_fake), d, rtol=1e-6)
    g = 0.5 * np.mean((fake - 0.7) ** 2)
    np.testing.assert_allclose(loss.g(d_real, d_fake), g, rtol=1e-6)


@pytest.mark.parametrize("factory", WITH_TERMS)
def test_the_mean_of_the_terms_is_half_their_sum(factory):
    d_real, d_fake = scores(3)
    summed, mean = factory(terms="sum"), factory(terms="mean")
    np.testing.assert_allclose(
        2 * mean.d(d_real, d_fake), summed.d(d_real, d_fake), rtol=1e-6
    )
    np.testing.assert_array_equal(mean.g(d_real, d_fake), summed.g(d_real, d_fake))


@pytest.mark.parametrize(
    ("factory", "d_sum", "g"),
    [
        (losses.saturating, np.log(4), -np.log(2)),
        (losses.non_saturating, np.log(4), np.log(2)),
        (losses.least_squares, 1 / 4, 1 / 8),
    ],
)
def test_values_at_equilibrium(factory, d_sum, g):
    rest = jnp.full((8,), factory().equilibrium)
    np.testing.assert_allclose(factory().d(rest, rest), d_sum, rtol=1e-6)
    np.testing.assert_allclose(
        factory(terms="mean").d(rest, rest), d_sum / 2, rtol=1e-6
    )
    np.testing.assert_allclose(factory().g(rest, rest), g, rtol=1e-6)
    np.testing.assert_allclose(factory().output(rest), 0.5)


@every_loss
def test_the_equilibrium_score_is_d_at_its_best_when_both_distributions_agree(name):
    """With p_g = p_data every x gets the same score s from both terms: dV/ds = 0."""
    loss = LOSSES[name]

    def value(s):
        same = jnp.full((8,), s)
        return loss.d(same, same)

    at = 0.0 if name in of_differences else loss.equilibrium
    np.testing.assert_allclose(jax.grad(value)(at), 0, atol=1e-6)
    flat = {"hinge": 1.0} | dict.fromkeys(of_differences, math.inf)
    for away in (0.1, -0.1, 1.1, -1.1):
        if abs(away) <= flat.get(name, 0):
            np.testing.assert_allclose(value(at + away), value(at), rtol=1e-6)
        else:
            assert value(at + away) > value(at)


@every_loss
def test_high_scores_mean_real(name):
    """D gains from higher real and lower fake scores, G from higher fake ones."""
    d_real, d_fake = jnp.full((8,), 0.4), jnp.full((8,), 0.3)
    to_real, to_fake = jax.grad(LOSSES[name].d, argnums=(0, 1))(d_real, d_fake)
    assert (to_real < 0).all()
    assert (to_fake > 0).all()
    assert (jax.grad(LOSSES[name].g, argnums=1)(d_real, d_fake) < 0).all()


# The data and the samples as distributions of eighths on a line of four points.
P, Q = np.array([1, 2, 4, 1]), np.array([4, 2, 1, 1])
RATIO = np.log(P / Q)


def expectation(objective, s):
    """An objective where examples are distributed as P and Q say and x scores s[x]."""
    return objective(*(jnp.asarray(s)[np.repeat(np.arange(4), n)] for n in (P, Q)))


def expectation_over_pairs(objective, s):
    real, fake = (jnp.asarray(s)[np.repeat(np.arange(4), n)] for n in (P, Q))
    return objective(jnp.repeat(real, len(fake)), jnp.tile(fake, len(real)))


def best():
    """Of each loss: D's best scores, and the loss that they have in closed form."""
    p, q = P / 8, Q / 8
    entropic = math.log(4) - 2 * theory.js(p, q)
    pairs, mirrored = np.outer(p, q).ravel(), np.outer(q, p).ravel()
    of_divergence = {
        "kl": (1 + RATIO, -theory.kl(p, q)),
        "reverse_kl": (RATIO, -theory.kl(q, p)),
        "squared_hellinger": (RATIO / 2, -np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)),
        "pearson": (2 * (p / q - 1), -theory.pearson_chi2(q, p)),
        "jensen_shannon": (RATIO, -2 * theory.js(p, q)),
        "gan": (RATIO, entropic),
    }
    return {name: of_divergence[name.split("-")[0]] for name in F_GANS} | {
        "saturating": (RATIO, entropic),
        "non_saturating": (RATIO, entropic),
        "least_squares": (p / (p + q), np.sum(p * q / (p + q)) / 2),
        "hinge": (np.sign(p - q), 2 * np.sum(np.minimum(p, q))),
        "relativistic": (RATIO, math.log(2) - theory.js(pairs, mirrored)),
    }


BEST = best()


@pytest.mark.parametrize("name", BEST)
def test_the_best_d_has_the_loss_of_the_closed_form_and_every_other_d_more(name):
    mean = expectation_over_pairs if name == "relativistic" else expectation
    scores, least = BEST[name]
    scores = np.asarray(scores, np.float32)
    np.testing.assert_allclose(mean(LOSSES[name].d, scores), least, rtol=2e-6)
    for away in np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32):
        for step in (0.3, -0.3):
            assert mean(LOSSES[name].d, scores + step * away) > least + 1e-3


def test_the_best_critic_of_slope_one_finds_the_earth_movers_distance():
    loss = LOSSES["wasserstein"]

    def critic(slopes):
        return np.concatenate([[0], np.cumsum(slopes)]).astype(np.float32)

    steepest = np.sign(np.cumsum(Q - P)[:-1])
    distance = theory.wasserstein1(P / 8, Q / 8)
    np.testing.assert_allclose(
        -expectation(loss.d, critic(steepest)), distance, rtol=1e-6
    )
    for slopes in np.random.default_rng(0).uniform(-1, 1, (20, 3)):
        assert -expectation(loss.d, critic(slopes)) < distance


HALF = {
    "saturating",
    "non_saturating",
    "least_squares",
    "relativistic",
    "jensen_shannon",
    "gan",
}


@every_loss
def test_d_and_g_leave_the_equilibrium_with_the_same_pull(name):
    """Of constant scores D's loss has the gradient pull (q - p), and G's -pull q."""
    pull = 0.5 if name.split("-")[0] in HALF else 1.0
    loss = LOSSES[name]
    mean = expectation_over_pairs if name == "relativistic" else expectation
    rest = jnp.full((4,), 0.0 if name in of_differences else loss.equilibrium)
    to_d = jax.grad(lambda s: mean(loss.d, s))(rest)
    np.testing.assert_allclose(to_d, pull * (Q - P) / 8, atol=1e-6)
    to_fake = jax.grad(loss.g, argnums=1)(rest, rest)
    np.testing.assert_allclose(to_fake, -pull / 4, rtol=1e-6)


def test_relativistic_losses_are_cross_entropies_of_differences():
    d_real, d_fake = scores(5)

    def entropy(differences, label):
        return np.mean(
            optax.sigmoid_binary_cross_entropy(
                differences, jnp.full_like(differences, label)
            )
        )

    loss = LOSSES["relativistic"]
    np.testing.assert_allclose(
        loss.d(d_real, d_fake), entropy(d_real - d_fake, 1), rtol=1e-6
    )
    np.testing.assert_allclose(
        loss.g(d_real, d_fake), entropy(d_real - d_fake, 0), rtol=1e-6
    )
    loss = LOSSES["relativistic_average"]
    above, below = d_real - np.mean(d_fake), d_fake - np.mean(d_real)
    np.testing.assert_allclose(
        loss.d(d_real, d_fake), entropy(above, 1) + entropy(below, 0), rtol=1e-6
    )
    np.testing.assert_allclose(
        loss.g(d_real, d_fake), entropy(above, 0) + entropy(below, 1), rtol=1e-6
    )


def test_hinge_is_the_papers_formula():
    d_real, d_fake = scores(6)
    real, fake = np.asarray(d_real), np.asarray(d_fake)
    d = -np.mean(np.minimum(0, real - 1)) - np.mean(np.minimum(0, -1 - fake))
    np.testing.assert_allclose(LOSSES["hinge"].d(d_real, d_fake), d, rtol=1e-6)
    np.testing.assert_allclose(
        LOSSES["hinge"].g(d_real, d_fake), -np.mean(fake), rtol=1e-6
    )


# Nowozin et al. 2016: the output activation, its conjugate, and f'(1)
PAIRS = {
    "kl": (lambda v: v, lambda t: np.exp(t - 1), 1),
    "reverse_kl": (lambda v: -np.exp(-v), lambda t: -1 - np.log(-t), -1),
    "squared_hellinger": (lambda v: 1 - np.exp(-v), lambda t: t / (1 - t), 0),
    "pearson": (lambda v: v, lambda t: t**2 / 4 + t, 0),
    "jensen_shannon": (
        lambda v: np.log(2) - np.log1p(np.exp(-v)),
        lambda t: -np.log(2 - np.exp(t)),
        0,
    ),
    "gan": (
        lambda v: -np.log1p(np.exp(-v)),
        lambda t: -np.log(1 - np.exp(t)),
        -np.log(2),
    ),
}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_f_gans_are_the_papers_pairs(name):
    activation, conjugate, rest = PAIRS[name]
    d_real, d_fake = scores(7)
    real, fake = (activation(np.asarray(d, float)) for d in (d_real, d_fake))
    bound = np.mean(real) - np.mean(conjugate(fake))
    minimax, not_saturating = (
        F_GANS[f"{name}-minimax"],
        F_GANS[f"{name}-non_saturating"],
    )
    for loss in (minimax, not_saturating):
        np.testing.assert_allclose(loss.d(d_real, d_fake), -bound, rtol=2e-6)
        np.testing.assert_allclose(activation(loss.equilibrium), rest, rtol=1e-12)
    np.testing.assert_allclose(
        minimax.g(d_real, d_fake), -np.mean(conjugate(fake)), rtol=2e-6
    )
    np.testing.assert_allclose(
        not_saturating.g(d_real, d_fake), -np.mean(fake), rtol=2e-6
    )


def test_scores_are_logits_where_the_best_one_is_the_logit_of_real():
    for name, (best_scores, _) in BEST.items():
        is_logit = np.allclose(best_scores, RATIO)
        assert LOSSES[name].logits == (is_logit and name != "relativistic"), name


def test_exponentials_are_exact_up_to_thirty_and_go_on_along_their_tangent():
    kl = F_GANS["kl-minimax"]

    def slope(score):
        there = jnp.full((1,), score)
        return jax.grad(kl.d, argnums=1)(there, there)[0]

    for score in (-80.0, 0.0, 30.9):
        np.testing.assert_allclose(slope(score), np.exp(score - 1), rtol=1e-5)
    for score in (31.0, 31.1, 1e4):
        np.testing.assert_allclose(slope(score), np.exp(30), rtol=1e-5)
    zero, far = jnp.zeros(1), jnp.full((1,), 131.0)
    np.testing.assert_allclose(kl.d(zero, far), np.exp(30) * 101, rtol=1e-5)


@every_loss
def test_a_shift_of_all_scores_is_nothing_to_losses_of_differences_alone(name):
    d_real, d_fake = scores(8)
    loss = LOSSES[name]
    bare, shifted = (
        [
            *jax.grad(loss.d, argnums=(0, 1))(d_real + shift, d_fake + shift),
            jax.grad(loss.g, argnums=1)(d_real + shift, d_fake + shift),
        ]
        for shift in (0.0, 0.7)
    )
    same = all(np.allclose(x, y, atol=1e-6) for x, y in zip(bare, shifted, strict=True))
    assert same == (loss.equilibrium is None)
    if same:
        np.testing.assert_allclose(
            loss.d(d_real + 0.7, d_fake + 0.7), loss.d(d_real, d_fake), rtol=1e-5
        )


@every_loss
def test_verdicts(name):
    loss = LOSSES[name]
    d_real, d_fake = jnp.array([-0.5, 1.6, 0.9, 2.0]), jnp.array([1.4, -0.2, 0.0, -1.2])
    said = loss.verdicts(d_real, d_fake)
    assert list(said) == ["real", "fake", "real_accuracy", "fake_accuracy"]
    np.testing.assert_array_equal(said["real"], jnp.mean(loss.output(d_real)))
    np.testing.assert_array_equal(said["fake"], jnp.mean(loss.output(d_fake)))
    middle = 0.5 if loss.equilibrium is None else loss.equilibrium
    assert said["real_accuracy"] == np.mean(np.asarray(d_real) > middle)
    assert said["fake_accuracy"] == np.mean(np.asarray(d_fake) < middle)
    shifted = loss.verdicts(d_real + 50, d_fake + 50)
    kept = said["fake_accuracy"] == shifted["fake_accuracy"]
    assert kept == (loss.equilibrium is None)


def test_targets_may_be_data_of_a_batched_program():
    def right(target):
        loss = losses.least_squares(real_target=target)
        return loss.verdicts(jnp.array([0.4, 0.9]), jnp.zeros(2))["real_accuracy"]

    batched = jax.jit(jax.vmap(right))(jnp.array([0.6, 1.0, 2.0]))
    np.testing.assert_array_equal(batched, [1.0, 0.5, 0.0])


def test_only_the_saturating_loss_loses_its_gradient_where_d_is_sure():
    sure = jnp.full((1,), -20.0)
    saturating = jax.grad(losses.saturating().g, argnums=1)(sure, sure)
    non_saturating = jax.grad(losses.non_saturating().g, argnums=1)(sure, sure)
    np.testing.assert_allclose(saturating, 0, atol=1e-8)
    np.testing.assert_allclose(non_saturating, -1, rtol=1e-6)


@every_loss
@pytest.mark.parametrize("far", [1e4, -1e4])
def test_far_out_scores_have_finite_losses_and_gradients(name, far):
    """And squares of gradients, as optimizers take them."""
    loss = LOSSES[name]
    far = jnp.full((8,), far)
    for objective in (loss.d, loss.g):
        for scores in ((far, -far), (far, far)):
            value, grads = jax.value_and_grad(objective, argnums=(0, 1))(*scores)
            assert np.isfinite(value)
            assert all(np.isfinite(np.square(grad)).all() for grad in grads)


@every_loss
def test_far_out_scores_on_the_wrong_side_are_drawn_back(name):
    far = jnp.full((8,), 1e4)
    to_real, to_fake = jax.grad(LOSSES[name].d, argnums=(0, 1))(-far, far)
    assert (8 * to_real <= -0.5).all()
    assert (8 * to_fake >= 0.5).all()


@pytest.mark.parametrize("factory", CROSS_ENTROPY)
def test_far_out_scores_on_the_wrong_side_keep_their_gradient(factory):
    far = jnp.full((8,), 1e4)
    to_real, to_fake = jax.grad(factory().d, argnums=(0, 1))(-far, far)
    np.testing.assert_allclose(8 * to_real, -1, rtol=1e-6)
    np.testing.assert_allclose(8 * to_fake, 1, rtol=1e-6)


@pytest.mark.parametrize("factory", WITH_TERMS)
def test_other_combinations_of_the_terms_are_refused(factory):
    with pytest.raises(UsageError, match="terms='average'; accepted: sum, mean"):
        factory(terms="average").d(*scores(4))


def test_other_f_gans_are_refused():
    with pytest.raises(UsageError, match="divergence='js'; accepted: kl, reverse_kl, "):
        losses.f_gan(divergence="js")
    with pytest.raises(UsageError, match="g='max'; accepted: minimax, non_saturating"):
        losses.f_gan(divergence="kl", g="max")
