"""What kernels are made of: spectral norm, weight norm, equalised learning rates."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from jax import lax

from gan_jax import layers
from gan_jax.errors import UsageError
from gan_jax.models import dcgan, mlp

# shape of a kernel and the axis of its units, for each kind of layer
DENSE = ((7, 5), -1)
CONV = ((3, 3, 2, 5), -1)
TRANSPOSED = ((3, 3, 5, 2), -2)
KINDS = [DENSE, CONV, TRANSPOSED]
WEIGHTS = {
    "plain": layers.plain,
    "spectral": layers.spectral,
    "weight_norm": layers.weight_norm,
    "equalised": layers.equalised(gain=1.5, rate=0.5),
}


def normal(seed, shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def normal_kernel(key, shape):
    """An initialiser that asks no key: nothing to compile."""
    return jnp.asarray(normal(0, shape))


class Kernel(nn.Module):
    """A layer that gives its kernel."""

    shape: tuple[int, ...]
    unit_axis: int
    weight: Callable
    kernel_init: Callable = normal_kernel

    @nn.compact
    def __call__(self):
        return layers.kernel_of(self, self.shape)


def started(kind, weight, seed=0):
    module = Kernel(*kind, weight)
    return module, jax.jit(module.init)(jax.random.key(seed))


def matrix(kernel, axis):
    """[inputs, units], in float64"""
    wide = np.moveaxis(np.asarray(kernel, np.float64), axis, -1)
    return wide.reshape(-1, wide.shape[-1])


def trained(module, variables, *inputs, times=300):
    """The variables after passes in which the vectors of spectral norm move."""

    def forward(spectral, _):
        variables_now = variables | {"spectral": spectral}
        _, moved = module.apply(variables_now, *inputs, mutable=["spectral"])
        return moved["spectral"], None

    spectral, _ = lax.scan(forward, variables["spectral"], None, length=times)
    return variables | {"spectral": spectral}


# all weights


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda **how: layers.Dense(5, **how), DENSE),
        (lambda **how: layers.Conv(5, 3, **how), CONV),
        (lambda **how: layers.ConvTranspose(5, 3, 2, **how), TRANSPOSED),
    ],
    ids=["dense", "conv", "transposed"],
)
def test_a_layer_computes_with_the_kernel_of_its_weight(build, kind):
    shape, axis = kind
    inputs = shape[-1] if axis == -2 else shape[-2]
    x = normal(1, (2, *(4,) * (len(shape) - 2), inputs))
    plain = build(use_bias=False)

    @jax.jit
    def outputs():
        """Of the layer, of a plain one with its kernel, of one with its parameter."""
        found = {}
        for name, weight in WEIGHTS.items():
            layer = build(weight=weight, use_bias=False, kernel_init=normal_kernel)
            y, variables = layer.init_with_output(jax.random.key(0), x)
            kernel = Kernel(*kind, weight).apply(variables)
            assert kernel.shape == shape
            kernels = kernel, variables["params"]["kernel"]
            found[name] = (
                y,
                *(plain.apply({"params": {"kernel": k}}, x) for k in kernels),
            )
        return found

    for name, (y, of_kernel, of_parameter) in outputs().items():
        np.testing.assert_allclose(y, of_kernel, rtol=1e-5, atol=1e-5)
        same = np.allclose(y, of_parameter, rtol=1e-3)
        assert same == (name in ("plain", "weight_norm"))  # starts like a plain layer


@pytest.mark.parametrize("name", WEIGHTS)
def test_in_bfloat16_a_kernel_is_the_float32_one_rounded(name):
    module, variables = started(CONV, WEIGHTS[name])
    low = jax.tree.map(lambda x: x.astype(jnp.bfloat16), variables["params"])
    rounded = jax.tree.map(lambda x: np.asarray(x, np.float32), low)
    kernel, moved = module.apply(variables | {"params": low}, mutable=["spectral"])
    exact = module.apply(variables | {"params": rounded})
    assert kernel.dtype == jnp.bfloat16
    error = np.abs(np.asarray(kernel, np.float32) - exact).max()
    assert error <= 2**-8 * np.abs(exact).max()
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(moved))


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_penalty_on_slopes_is_differentiable(name):
    """The second derivative that a gradient penalty needs, by finite differences."""
    layer = layers.Dense(5, kernel_init=normal_kernel, weight=WEIGHTS[name])
    x = normal(1, (4, 7)) / 5
    start = jax.jit(layer.init)(jax.random.key(0), x)
    if name == "spectral":  # else u and v, which are held still, depend on the kernel
        start = trained(layer, start, x)

    def penalty(kernel):
        variables = start | {"params": start["params"] | {"kernel": kernel}}

        def scores(x):
            return jnp.tanh(layer.apply(variables, x)).sum()

        return jnp.sum(jnp.square(jax.grad(scores)(x)))

    slopes = jax.jit(jax.value_and_grad(penalty))
    kernel, step = start["params"]["kernel"], 3e-3 * normal(2, (7, 5))
    expected = slopes(kernel + step)[0] - slopes(kernel - step)[0]
    found = 2 * np.vdot(slopes(kernel)[1], step)
    np.testing.assert_allclose(found, expected, rtol=0.01)
    assert abs(expected) > 1e-4


def test_weights_by_name():
    for name in ("plain", "spectral", "weight_norm"):
        assert layers.weight(name) is WEIGHTS[name]
    assert layers.weight("equalised") == layers.equalised(gain=2**0.5)
    with pytest.raises(UsageError, match="plain, spectral, weight_norm, equalised"):
        layers.weight("spectral_norm")


# spectral norm


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_end_the_largest_singular_value_is_one(kind):
    module, variables = started(kind, layers.spectral)
    _, axis = kind
    w = matrix(variables["params"]["kernel"], axis)
    before = np.linalg.norm(matrix(module.apply(variables), axis), 2)
    assert before > 1.02  # one iteration finds less than the largest value
    kernel = module.apply(trained(module, variables))
    np.testing.assert_allclose(
        matrix(kernel, axis), w / np.linalg.norm(w, 2), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_one_pass_is_one_power_iteration(kind):
    module, variables = started(kind, layers.spectral)
    _, axis = kind
    w = matrix(variables["params"]["kernel"], axis)
    u = np.asarray(variables["spectral"]["u"], np.float64)
    np.testing.assert_allclose(np.linalg.norm(u), 1, rtol=1e-6)
    v = w @ u / np.linalg.norm(w @ u)
    expected = v @ w / np.linalg.norm(v @ w)
    kernel, moved = module.apply(variables, mutable=["spectral"])
    np.testing.assert_allclose(moved["spectral"]["u"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        matrix(kernel, axis), w / (v @ w @ expected), rtol=1e-5, atol=1e-6
    )
    assert np.abs(expected - u).max() > 0.05

    def entry(kernel):
        return module.apply(variables | {"params": {"kernel": kernel}}).ravel()[0]

    slope = jax.grad(entry)(variables["params"]["kernel"])  # u and v are held still
    sigma = v @ w @ expected
    still = -w.ravel()[0] / sigma**2 * np.outer(v, expected)
    still[0, 0] += 1 / sigma
    np.testing.assert_allclose(matrix(slope, axis), still, rtol=1e-4, atol=1e-6)


def test_u_starts_from_the_key_and_moves_in_training_alone():
    module, variables = started(CONV, layers.spectral)
    _, others = started(CONV, layers.spectral, seed=1)
    u = variables["spectral"]["u"]
    assert np.abs(u - others["spectral"]["u"]).max() > 0.1
    kernel, moved = module.apply(variables, mutable=["batch_stats"])
    assert not moved
    trained_kernel, moved = module.apply(variables, mutable=["spectral"])
    assert np.abs(moved["spectral"]["u"] - u).max() > 0.05
    np.testing.assert_array_equal(kernel, trained_kernel)


def test_an_average_of_vectors_will_do():
    module, variables = started(CONV, layers.spectral)
    shorter = variables | {"spectral": {"u": 0.3 * variables["spectral"]["u"]}}
    np.testing.assert_allclose(
        module.apply(shorter), module.apply(variables), rtol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_gradients_are_those_of_w_over_sigma(kind):
    module, variables = started(kind, layers.spectral)
    shape, axis = kind
    variables = trained(module, variables)
    weights = np.random.default_rng(0).normal(size=shape)

    def objective(kernel):
        used = module.apply(variables | {"params": {"kernel": kernel}})
        return jnp.vdot(jnp.asarray(weights, jnp.float32), used)

    kernel = variables["params"]["kernel"]
    gradient = jax.grad(objective)(kernel)
    w = np.asarray(kernel, np.float64)

    def value(w):
        return np.vdot(weights, w) / np.linalg.norm(matrix(w, axis), 2)

    expected = np.zeros_like(w)
    for i in np.ndindex(shape):
        step = np.zeros_like(w)
        step[i] = 1e-5
        expected[i] = (value(w + step) - value(w - step)) / 2e-5
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)
    # a longer kernel is the same one
    np.testing.assert_allclose(np.vdot(gradient, w), 0, atol=1e-5)


def test_sigma_is_exact_whatever_the_products_of_the_network():
    module, variables = started(CONV, layers.spectral)

    def loss(variables):
        return module.apply(variables, mutable=["spectral"])[0].sum()

    with jax.default_matmul_precision("bfloat16"):
        program = jax.jit(jax.grad(loss)).lower(variables).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line]
    assert len(products) >= 3
    assert all("HIGHEST, HIGHEST" in line for line in products)


# weight norm


@pytest.mark.parametrize("kind", KINDS)
def test_weight_norm_is_a_direction_and_a_length(kind):
    module, variables = started(kind, layers.weight_norm)
    _, axis = kind
    kernel, gain = variables["params"]["kernel"], variables["params"]["gain"]
    np.testing.assert_allclose(module.apply(variables), kernel, rtol=1e-6)
    lengths = np.linalg.norm(matrix(kernel, axis), axis=0)
    np.testing.assert_allclose(gain, lengths, rtol=1e-6)

    chosen = jnp.arange(1.0, 1 + len(gain))
    longer = {"params": {"kernel": 7 * kernel, "gain": chosen}}
    found = matrix(module.apply(longer), axis)
    expected = matrix(kernel, axis) / lengths * np.asarray(chosen)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_weight_norm_s_gradients_are_the_papers(kind):
    """Salimans and Kingma (2016), eq. 3."""
    module, variables = started(kind, layers.weight_norm)
    shape, axis = kind
    variables["params"]["gain"] = jnp.linspace(0.5, 2.0, shape[axis])
    weights = np.random.default_rng(0).normal(size=shape)

    def objective(variables):
        used = module.apply(variables)
        return jnp.vdot(jnp.asarray(weights, jnp.float32), used)

    found = jax.grad(objective)(variables)["params"]
    v, g = matrix(variables["params"]["kernel"], axis), variables["params"]["gain"]
    g, to_w = np.asarray(g, np.float64), matrix(weights, axis)
    length = np.linalg.norm(v, axis=0)
    to_g = (to_w * v).sum(0) / length
    to_v = g / length * to_w - g * to_g / length**2 * v
    np.testing.assert_allclose(found["gain"], to_g, rtol=1e-4)
    np.testing.assert_allclose(
        matrix(found["kernel"], axis), to_v, rtol=1e-4, atol=1e-5
    )


# equalised learning rate


@pytest.mark.parametrize(
    ("shape", "axis", "fan_in", "rate"),
    [
        ((64, 100), -1, 64, 1.0),
        ((3, 3, 16, 50), -1, 144, 0.01),
        ((3, 3, 50, 16), -2, 144, 0.1),
    ],
)
def test_equalised_layers_start_from_he_s_constant(shape, axis, fan_in, rate):
    module, variables = started((shape, axis), layers.equalised(gain=1.5, rate=rate))
    kernel = module.apply(variables)
    np.testing.assert_allclose(np.std(kernel), 1.5 / np.sqrt(fan_in), rtol=0.03)
    np.testing.assert_allclose(
        np.std(variables["params"]["kernel"]) * rate, 1, rtol=0.03
    )


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_adam_s_first_step_is_scaled_in_the_kernel_and_the_bias(rate):
    """It is of one size, the learning rate, in the parameters."""
    layer = layers.Dense(
        5, bias_init=nn.initializers.ones, weight=layers.equalised(2.0, rate)
    )
    x = normal(1, (6, 16))

    def used(variables):
        """The kernel and the bias, told by the layer's outputs."""
        bias = layer.apply(variables, jnp.zeros((1, 16)))
        return layer.apply(variables, jnp.eye(16)) - bias, bias

    @jax.jit
    def before_and_after(key):
        variables = layer.init(key, x)
        grads = jax.grad(lambda v: jnp.sum(jnp.tanh(layer.apply(v, x))))(variables)
        tx = optax.adam(0.1)
        updates, _ = tx.update(grads, tx.init(variables))
        return used(variables), used(optax.apply_updates(variables, updates))

    (kernel, bias), (kernel_after, bias_after) = before_and_after(jax.random.key(0))
    size = 0.1 * rate
    np.testing.assert_allclose(bias, 1, rtol=1e-6)
    np.testing.assert_allclose(np.abs(bias_after - bias), size, rtol=1e-3)
    # by 2 / sqrt(16), as is every entry of the kernel
    np.testing.assert_allclose(np.abs(kernel_after - kernel), 0.5 * size, rtol=5e-3)


def test_an_equalised_layer_s_own_initialiser_is_not_asked():
    def refused(*_):
        raise AssertionError

    layer = layers.Dense(3, kernel_init=refused, weight=layers.equalised())
    layer.init(jax.random.key(0), jnp.zeros((1, 4)))


# networks


@pytest.mark.parametrize("network", [mlp, dcgan])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_network_s_kernels_are_all_made_alike(network, weight):
    shape, width = (16, 16, 1), {"width": 4} if network is dcgan else {"widths": (8, 8)}
    z, x = jnp.zeros((2, 6)), jnp.zeros((2, *shape))
    G = network.Generator(shape=shape, weight=weight, **width)
    D = network.Discriminator(weight=weight, **width)
    for module, inputs in ((G, z), (D, x)):
        variables = jax.eval_shape(module.init, jax.random.key(0), inputs)
        kernels = [name for name, own in variables["params"].items() if "kernel" in own]
        gains = [name for name, own in variables["params"].items() if "gain" in own]
        vectors = list(variables.get("spectral", {}))
        assert len(kernels) >= 3
        assert gains == (kernels if weight == "weight_norm" else [])
        assert vectors == (kernels if weight == "spectral" else [])
