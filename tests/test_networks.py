"""A linen module as pure functions: what is learned, what is carried, what is drawn."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.networks import network


class Module(nn.Module):
    @nn.compact
    def __call__(self, x, *, train=False):
        x = nn.Dropout(0.5, deterministic=not train)(nn.Dense(4)(x))
        return nn.BatchNorm(use_running_average=not train, momentum=0.5)(x)


X = jax.random.normal(jax.random.key(1), (32, 3))


def start(module=None):
    net = network(module or Module())
    return net, *net.init(jax.random.key(0), X)


def test_parameters_and_statistics_are_apart():
    _, params, stats = start()
    assert set(params) == {"Dense_0", "BatchNorm_0"}
    assert set(stats) == {"batch_stats"}
    np.testing.assert_array_equal(stats["batch_stats"]["BatchNorm_0"]["mean"], 0)


def test_a_module_without_statistics_has_none():
    net, params, stats = start(Plain())
    assert stats == {}
    out, after = net.apply(params, stats, X, train=True)
    assert after == {}
    np.testing.assert_array_equal(out, net.apply(params, stats, X)[0])


class Plain(nn.Module):
    @nn.compact
    def __call__(self, x, *, train=False):
        return nn.Dense(2)(x)


def test_training_normalises_by_the_batch_and_moves_the_running_statistics():
    net, params, stats = start(Normalised())
    out, after = net.apply(params, stats, X, train=True)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=1e-2)
    mean = after["batch_stats"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(mean, 0.5 * X.mean(axis=0), atol=1e-6)


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x, *, train=False):
        return nn.BatchNorm(use_running_average=not train, momentum=0.5)(x)


def test_sampling_uses_the_running_statistics_and_leaves_them():
    net, params, stats = start(Normalised())
    moved = jax.tree.map(lambda leaf: leaf + 1.0, stats)
    out, after = net.apply(params, moved, X)
    assert after is moved
    np.testing.assert_allclose(out, (X - 1) / np.sqrt(2 + 1e-5), rtol=1e-5, atol=1e-6)


def test_the_key_draws_the_dropout_masks():
    net, params, stats = start()

    def out(key, train=True):
        return np.asarray(net.apply(params, stats, X, key=key, train=train)[0])

    one, other = jax.random.split(jax.random.key(2))
    np.testing.assert_array_equal(out(one), out(one))
    assert (out(one) != out(other)).any()
    np.testing.assert_array_equal(out(one, train=False), out(other, train=False))


def test_several_inputs_reach_the_module():
    class Conditional(nn.Module):
        @nn.compact
        def __call__(self, x, y, *, train=False):
            return nn.Dense(2)(jnp.concatenate([x, y], axis=-1))

    net = network(Conditional())
    params, stats = net.init(jax.random.key(0), X, X[:, :1])
    assert params["Dense_0"]["kernel"].shape == (4, 2)
    out, _ = net.apply(params, stats, X, X[:, :1])
    assert out.shape == (32, 2)
