"""Optimizers with traced numbers, and their constraints."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import constraints, decays
from gan_jax.config.types import keyword_kinds
from gan_jax.models import conv_2014
from gan_jax.optimizers import optimizer


def test_numbers_are_data_to_the_optimizer():
    """Traced learning rates and betas give what optax gives with constants."""
    tx = optimizer("adam", {"nesterov": False}, constraints.none)
    params = {"w": jnp.array([1.0, -2.0])}
    grads = {"w": jnp.array([0.3, 0.1])}

    @jax.jit
    def two_updates(numbers):
        state = tx(numbers).init(params)
        _, state = tx(numbers).update(grads, state, params)
        return tx(numbers).update(grads, state, params)[0]["w"]

    for rate, b1 in ((0.1, 0.5), (0.01, 0.9)):
        numbers = {"learning_rate": rate, "b1": b1, "constraint": {}}
        plain = optax.adam(rate, b1=b1)
        state = plain.init(params)
        _, state = plain.update(grads, state, params)
        expected = plain.update(grads, state, params)[0]["w"]
        np.testing.assert_allclose(two_updates(numbers), expected, rtol=1e-5)
    assert two_updates._cache_size() == 1


def test_optimistic_adam_is_the_textbook_algorithm():
    """Daskalakis et al. (2018), Algorithm 1: w -= lr (2 u_t - u_{t-1}), u being Adam's
    bias-corrected direction."""
    lr, b1, b2, eps = 0.1, 0.5, 0.9, 1e-8
    tx = optimizer("optimistic_adam_v2", {"nesterov": False}, constraints.none)(
        {"learning_rate": lr, "b1": b1, "b2": b2, "constraint": {}}
    )
    w, state = jnp.array([0.5]), tx.init(jnp.array([0.5]))
    by_hand, m, v, last = 0.5, 0.0, 0.0, None
    for t, grad in enumerate([0.3, -0.2, 0.5, 0.1], start=1):
        updates, state = tx.update(jnp.array([grad]), state, w)
        w = optax.apply_updates(w, updates)
        m, v = b1 * m + (1 - b1) * grad, b2 * v + (1 - b2) * grad**2
        u = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        by_hand -= lr * (2 * u - (u if last is None else last))
        last = u
        np.testing.assert_allclose(w, by_hand, rtol=1e-5)


def test_clip_keeps_every_parameter_within_its_limit():
    tx = optimizer("sgd", {}, constraints.clip)
    tx = tx({"learning_rate": 1.0, "constraint": {"limit": 0.1}})
    params = {"a": jnp.array([0.05, -0.05]), "b": jnp.array([[0.02]])}
    grads = {"a": jnp.array([-1.0, 1.0]), "b": jnp.array([[0.01]])}
    updates, _ = tx.update(grads, tx.init(params), params)
    after = optax.apply_updates(params, updates)
    np.testing.assert_allclose(after["a"], [0.1, -0.1], rtol=1e-6)
    np.testing.assert_allclose(after["b"], [[0.01]], rtol=1e-5)


@pytest.mark.parametrize("shape", [(5, 3), (2, 2, 4, 3)])
def test_max_column_norm_bounds_the_weights_into_each_unit(shape):
    tx = constraints.max_column_norm(limit=1.5)
    kernel = np.random.default_rng(0).normal(size=shape) * [0.01, 1.0, 10.0]
    params = {"kernel": jnp.asarray(kernel), "bias": jnp.full((3,), 9.0)}
    updates, _ = tx.update(
        jax.tree.map(jnp.zeros_like, params), tx.init(params), params
    )
    after = optax.apply_updates(params, updates)
    before = np.linalg.norm(kernel.reshape(-1, 3), axis=0)
    norms = np.linalg.norm(after["kernel"].reshape(-1, 3), axis=0)
    np.testing.assert_allclose(norms, np.minimum(before, 1.5), rtol=1e-5)
    assert before[0] < 1.5 < before[2]
    np.testing.assert_array_equal(after["bias"], params["bias"])


def test_max_column_norm_knows_the_units_of_transposed_convolutions():
    """Their kernels are [kh, kw, outputs, inputs]; a bias of every pixel is free."""
    G = conv_2014.Generator(shape=(32, 32, 3), width=200)
    params = jax.eval_shape(G.init, jax.random.key(0), jnp.zeros((1, 5)))["params"]
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), params)
    tx = constraints.max_column_norm(limit=1.0)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = tx.update(zeros, tx.init(params), params)
    after = optax.apply_updates(params, updates)
    transposed = [leaf for name, leaf in after.items() if "ConvTranspose" in name]
    assert transposed
    for layer in transposed:
        norms = np.linalg.norm(
            np.moveaxis(layer["kernel"], 2, 0).reshape(layer["kernel"].shape[2], -1),
            axis=1,
        )
        np.testing.assert_allclose(norms, 1, rtol=1e-5)
        np.testing.assert_array_equal(layer["bias"], 1)
        assert layer["bias"].ndim in (1, 3)


def test_a_decay_is_the_first_link_and_none_is_no_link():
    params = {"kernel": jnp.array([[1.0, -2.0]])}
    grads = {"kernel": jnp.array([[0.3, 0.1]])}
    own = {"learning_rate": 0.1, "b1": 0.5}

    def after(chosen, grads, **numbers):
        """An update by Adam, and the state after it."""
        tx = optimizer("adam", {}, constraints.clip, chosen)(own | numbers)
        return tx.update(grads, tx.init(params), params)

    limit = {"constraint": {"limit": 9.0}}
    decayed, _ = after(decays.l2, grads, decay={"weight": 0.7}, **limit)
    summed = {"kernel": grads["kernel"] + 0.7 * params["kernel"]}
    by_hand, state = after(None, summed, **limit)
    np.testing.assert_array_equal(decayed["kernel"], by_hand["kernel"])
    plain, _ = after(None, grads)
    assert (np.abs(plain["kernel"] - by_hand["kernel"]) > 0.1).any()  # a sign turned
    before = optax.chain(optax.adam(0.1), optax.keep_params_nonnegative())
    assert jax.tree.structure(state) == jax.tree.structure(before.init(params))


@pytest.mark.parametrize("name", ["nadam", "nadamw"])
def test_optimizers_that_optax_makes_of_others_train(name):
    kinds = keyword_kinds("d_optimizer", name)
    assert kinds["learning_rate"].type is float
    tx = optimizer(name, {}, constraints.none)
    tx = tx({"learning_rate": 0.1, "constraint": {}})
    params = {"a": jnp.ones(2)}
    updates, _ = tx.update(params, tx.init(params), params)
    assert (updates["a"] < -0.05).all()
