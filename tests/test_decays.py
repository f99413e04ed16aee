"""Weight decays: what they add to the gradients of kernels, and to nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from gan_jax import constraints, decays, layers
from gan_jax.config.files import load_experiment, override
from gan_jax.config.hparams import hparams
from gan_jax.config.numbers import by_field
from gan_jax.errors import UsageError
from gan_jax.optimizers import optimizer


class Network(nn.Module):
    """A layer of each kind that has a kernel, and a norm."""

    @nn.compact
    def __call__(self, x):
        x = layers.Conv(3, kernel=2)(x)
        x = layers.ConvTranspose(5, kernel=2, stride=2)(x)
        x = layers.BatchNorm()(x, True)
        return layers.Dense(2)(x)


@pytest.fixture(scope="module")
def params():
    x = jnp.ones((1, 2, 2, 4))
    shapes = jax.eval_shape(Network().init, jax.random.key(0), x)["params"]
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.float32(rng.normal(size=leaf.shape)), shapes)


def matrices(params):
    """Each kernel as [inputs, units]."""
    kernels = {
        name: layer["kernel"] for name, layer in params.items() if "B" not in name
    }
    turned = kernels | {
        "ConvTranspose_0": jnp.swapaxes(kernels["ConvTranspose_0"], -1, -2)
    }
    return {name: w.reshape(-1, w.shape[-1]) for name, w in turned.items()}


def half_square(params):
    return sum(0.5 * jnp.sum(w**2) for w in matrices(params).values())


def off_diagonal(params):
    """Brock et al. (2019), eq. 3, without beta."""
    total = 0.0
    for w in matrices(params).values():
        gram = w.T @ w
        total += jnp.sum(jnp.square(gram * (1 - jnp.eye(len(gram)))))
    return total


def added(tx, params):
    """What a decay adds to gradients of zero."""
    zeros = jax.tree.map(jnp.zeros_like, params)
    return tx.update(zeros, tx.init(params), params)[0]


@pytest.mark.parametrize(
    ("decay", "penalty"),
    [(decays.l2, half_square), (decays.orthogonal, off_diagonal)],
)
def test_a_decay_is_the_gradient_of_its_penalty(decay, penalty, params):
    """Of kernels; a bias or a scale has no gradient in it, and gets none."""
    weights = jnp.array([0.0, 0.3, 2.0])  # data: three of them in one program
    many = jax.vmap(lambda weight: added(decay(weight=weight), params))
    found, exact = jax.jit(many)(weights), jax.jit(jax.grad(penalty))(params)
    for i, weight in enumerate(weights):
        jax.tree.map(
            lambda x, of_penalty, i=i, weight=weight: np.testing.assert_allclose(
                x[i], weight * of_penalty, rtol=1e-4, atol=1e-4
            ),
            found,
            exact,
        )
    assert {w.shape for w in matrices(params).values()} == {(16, 3), (12, 5), (5, 2)}
    assert all(np.abs(w).max() > 0.1 for w in matrices(exact).values())


def test_l2_is_half_the_squared_weights_in_the_loss_under_sgd(params):
    """lr = 0.1, three updates; the loss of the task is a sum of cosines."""

    def task(params):
        return sum(jnp.sum(jnp.cos(leaf)) for leaf in jax.tree.leaves(params))

    def trained(loss, decay, numbers):
        tx = optimizer("sgd", {}, constraints.none, decay)
        tx = tx({"learning_rate": 0.1, "decay": numbers})
        state = tx.init(params)

        def update(params, _):
            updates, _ = tx.update(jax.grad(loss)(params), state, params)
            return optax.apply_updates(params, updates), None

        return jax.lax.scan(update, params, length=3)[0]

    decayed = trained(task, decays.l2, {"weight": 0.4})
    by_loss = trained(lambda p: task(p) + 0.4 * half_square(p), None, {})
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        decayed,
        by_loss,
    )


@pytest.mark.parametrize("shape", [(6, 4), (2, 2, 3, 4)])
def test_orthogonal_matrices_are_left_alone_whatever_their_lengths(shape):
    orthonormal, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(99, 4)))
    orthonormal, _ = np.linalg.qr(orthonormal[: np.prod(shape) // 4])
    lengths = np.array([0.1, 1.0, 2.0, 3.0])
    kernel = jnp.float32((orthonormal * lengths).reshape(shape))
    alone = added(decays.orthogonal(weight=1.0), {"kernel": kernel})["kernel"]
    np.testing.assert_allclose(alone, 0, atol=1e-4)
    askew = added(decays.orthogonal(weight=1.0), {"kernel": kernel + 0.1})["kernel"]
    assert np.abs(askew).max() > 0.1


def test_orthogonal_turns_two_units_apart():
    """Gradient descent: the angle goes to a right one, slowly the lengths change."""
    tx = optimizer("sgd", {}, constraints.none, decays.orthogonal)
    tx = tx({"learning_rate": 0.05, "decay": {"weight": 1.0}})
    params = {"kernel": jnp.array([[1.0, 0.8], [0.0, 0.6]])}
    state = tx.init(params)

    def update(params, _):
        grads = jax.tree.map(jnp.zeros_like, params)
        return optax.apply_updates(params, tx.update(grads, state, params)[0]), None

    after, _ = jax.lax.scan(update, params, length=100)
    gram = after["kernel"].T @ after["kernel"]
    np.testing.assert_allclose(gram[0, 1], 0, atol=1e-3)
    assert (jnp.diag(gram) > 0.5).all()


def test_a_wide_layer_needs_no_square_of_its_units():
    """[100, 16384], the first layer of a generator: W W^T W goes by W W^T."""
    w = {"kernel": jax.ShapeDtypeStruct((100, 16384), jnp.float32)}
    lowered = jax.jit(lambda w: added(decays.orthogonal(weight=1.0), w)).lower(w)
    assert lowered.compile().cost_analysis()["flops"] < 1e9  # by W^T W: 107e9


def test_none_adds_nothing(params):
    assert not any(np.any(x) for x in jax.tree.leaves(added(decays.none(), params)))


def test_an_optimizer_that_has_a_decay_of_its_own_is_told_apart():
    config, _ = load_experiment("mnist_wgan.py")  # rmsprop
    own = hparams(config)
    assert own["d"]["decay"] == 0.99
    assert by_field(own)["d_optimizer.decay"] == 0.99
    override(config, [("d_decay.name", "l2"), ("d_decay.weight", "0.1")])
    with pytest.raises(UsageError, match=r"rmsprop has a number decay of its own"):
        hparams(config)
