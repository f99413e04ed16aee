"""The objectives: cross-entropy, equilibria, signs, and scores far out."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses

ALL = [losses.saturating, losses.non_saturating, losses.least_squares]
CROSS_ENTROPY = [losses.saturating, losses.non_saturating]


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


@pytest.mark.parametrize("factory", ALL)
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
    rest = jnp.full((3,), factory().equilibrium)
    np.testing.assert_allclose(factory().d(rest, rest), d_sum, rtol=1e-6)
    np.testing.assert_allclose(
        factory(terms="mean").d(rest, rest), d_sum / 2, rtol=1e-6
    )
    np.testing.assert_allclose(factory().g(rest, rest), g, rtol=1e-6)
    np.testing.assert_allclose(factory().output(rest), 0.5)


@pytest.mark.parametrize("factory", ALL)
def test_the_equilibrium_score_is_d_at_its_best_when_both_distributions_agree(factory):
    """With p_g = p_data every x gets the same score s from both terms: dV/ds = 0."""

    def value(s):
        same = jnp.full((4,), s)
        return factory().d(same, same)

    at = factory().equilibrium
    np.testing.assert_allclose(jax.grad(value)(at), 0, atol=1e-7)
    assert value(at + 0.1) > value(at)
    assert value(at - 0.1) > value(at)


@pytest.mark.parametrize("factory", ALL)
def test_high_scores_mean_real(factory):
    """D gains from higher real and lower fake scores, G from higher fake ones."""
    d_real, d_fake = jnp.full((5,), 0.4), jnp.full((5,), 0.3)
    to_real, to_fake = jax.grad(factory().d, argnums=(0, 1))(d_real, d_fake)
    assert (to_real < 0).all()
    assert (to_fake > 0).all()
    assert (jax.grad(factory().g, argnums=1)(d_real, d_fake) < 0).all()


def test_only_the_saturating_loss_loses_its_gradient_where_d_is_sure():
    sure = jnp.full((1,), -20.0)
    saturating = jax.grad(losses.saturating().g, argnums=1)(sure, sure)
    non_saturating = jax.grad(losses.non_saturating().g, argnums=1)(sure, sure)
    np.testing.assert_allclose(saturating, 0, atol=1e-8)
    np.testing.assert_allclose(non_saturating, -1, rtol=1e-6)


@pytest.mark.parametrize("factory", ALL)
@pytest.mark.parametrize("far", [1e4, -1e4])
def test_far_out_scores_have_finite_losses_and_gradients(factory, far):
    far = jnp.full((2,), far)
    for objective in (factory().d, factory().g):
        value, grads = jax.value_and_grad(objective, argnums=(0, 1))(far, -far)
        assert np.isfinite(value)
        assert all(np.isfinite(grad).all() for grad in grads)


@pytest.mark.parametrize("factory", CROSS_ENTROPY)
def test_far_out_scores_on_the_wrong_side_keep_their_gradient(factory):
    far = jnp.full((1,), 1e4)
    to_real, to_fake = jax.grad(factory().d, argnums=(0, 1))(-far, far)
    np.testing.assert_allclose(to_real, -1, rtol=1e-6)
    np.testing.assert_allclose(to_fake, 1, rtol=1e-6)


@pytest.mark.parametrize("factory", ALL)
def test_other_combinations_of_the_terms_are_refused(factory):
    with pytest.raises(ValueError, match="average"):
        factory(terms="average").d(*scores(4))
