"""Networks in bfloat16: what computes in it, what stays float32, what it costs."""

import collections
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from gan_jax import build, layers
from gan_jax.config.files import load_experiment, override
from gan_jax.networks import network
from gan_jax.train_step import make_train_step

N = 32
PRODUCTS = "dot_general", "conv_general_dilated"
MAXOUT = [("generator.widths", "16,16"), ("discriminator.units", "8")]
CONV_2014 = [
    ("generator.width", "200"),
    ("discriminator.channels", "4,4,4"),
    ("discriminator.units", "8"),
]
DCGAN = [("generator.width", "4"), ("discriminator.width", "4")]
# an experiment with small networks and the shape of its images
PAIRS = {
    "digits": ((8, 8, 1), []),
    "mnist_mlp_2014": ((28, 28, 1), MAXOUT),
    "cifar_conv": ((32, 32, 3), CONV_2014),
    "cifar_conv_2014": ((32, 32, 3), CONV_2014),
    "mnist_dcgan": ((28, 28, 1), DCGAN),
    "cifar_dcgan": ((16, 16, 1), DCGAN),
}


def setting(name, *changes):
    """What `changes` make of an experiment: game, training step, () -> first state."""
    shape, small = PAIRS[name]
    config, _ = load_experiment(f"{name}.py")
    override(config, [*small, *changes])
    info = {"shape": shape, "classes": ()}
    built = build.build(config, info, lambda: np.full(shape, 0.3))
    parts = built.game, built.d_tx, built.g_tx, built.schedule
    step = make_train_step(*parts, config.turns)
    init = functools.partial(build.initial_state, config, built)
    return built.game, step, init


def batch(name, seed):
    """A minibatch of images that have something to learn: gradients in two ways."""
    shape, _ = PAIRS[name]
    rng = np.random.default_rng(seed)
    slopes = rng.uniform(-1, 1, (2, 1, N, 1, 1, 1)).astype(np.float32)
    rows, columns = np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1])
    x = slopes[0] * rows[:, None, None] + slopes[1] * columns[None, :, None]
    x = np.broadcast_to(x, (1, N, *shape)).astype(np.float32) / 2
    return {"x": jnp.asarray(x)}


def equations(jaxpr):
    """All equations of a jaxpr, those of its inner ones too."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from equations(inner)


@functools.cache
def step_equations(name, *changes):
    """The equations of a training step: both players, forward and backward."""
    _, step, init = setting(name, *changes)
    jaxpr = jax.make_jaxpr(step)(jax.eval_shape(init), batch(name, 0))
    return list(equations(jaxpr.jaxpr))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", PAIRS)
def test_every_product_is_of_the_dtype_and_every_sum_of_float32(name, dtype):
    used = step_equations(name, ("dtype", dtype))
    kinds = collections.defaultdict(list)
    for e in used:
        kinds[e.primitive.name] += [v.aval.dtype.name for v in e.invars]
    dense, convolutions = (kinds[product] for product in PRODUCTS)
    assert len(dense) > 20
    assert (len(convolutions) > 20) == ("conv" in name or "dcgan" in name)
    assert {*dense, *convolutions} == {dtype}
    assert set(kinds["reduce_sum"]) == {"float32"}


@pytest.mark.parametrize("precision", ["highest", "high", "default"])
@pytest.mark.parametrize("name", ["digits", "cifar_conv", "cifar_dcgan"])
def test_every_product_has_the_precision_of_the_config(name, precision):
    used = step_equations(name, ("matmul_precision", precision))
    given = {e.params["precision"] for e in used if e.primitive.name in PRODUCTS}
    assert given == {(jax.lax.Precision(precision),) * 2}
    assert jax.config.jax_default_matmul_precision is None


STEPS = {"digits": 50, "cifar_dcgan": 20}
BFLOAT16, AVERAGE = ("dtype", "bfloat16"), ("ema_decay", "0.9")


@functools.cache
def trained(name, *changes):
    """The last state, the last metrics, and both losses of every step."""
    _, step, init = setting(name, *changes)
    step, state, losses = jax.jit(step), init(), []
    for i in range(STEPS[name]):
        state, metrics = step(state, batch(name, i))
        losses.append([metrics["d_loss"], metrics["g_loss"]])
    return state, metrics, np.array(losses)


@pytest.mark.parametrize("name", STEPS)
def test_what_is_kept_is_float32(name):
    state, metrics, _ = trained(name, BFLOAT16, AVERAGE)
    kept = state.d, state.g, state.g_ema, metrics
    for path, leaf in jax.tree.leaves_with_path(kept):
        counts = "count" in jax.tree_util.keystr(path)  # Adam its steps
        assert leaf.dtype == ("int32" if counts else "float32")
    # numbers that bfloat16 does not have
    moved = jax.tree.leaves((state.d.params, state.d.stats, state.g.stats))
    rounded = [(x.astype(jnp.bfloat16) == x).mean() for x in moved if x.size > 1]
    assert max(rounded) < 0.5


@pytest.mark.parametrize("name", STEPS)
def test_the_losses_are_nearly_those_of_float32(name):
    """Apart, but by a small part of what another seed changes."""
    exact, lower = trained(name)[2], trained(name, BFLOAT16, AVERAGE)[2]
    other = trained(name, ("seed", "1"))[2]
    assert np.isfinite(lower).all()
    apart = np.abs(lower - exact).max(axis=0)
    assert (apart > 1e-6).all()
    assert (apart < 0.1 * np.abs(other - exact).max(axis=0)).all()


@pytest.mark.parametrize("name", ["digits", "cifar_conv", "cifar_dcgan"])
def test_outputs_and_gradients_are_nearly_those_of_float32(name):
    """Rounded, another of two nearly equal units may be the greater: gradients feel it.

    Of the length of each parameter's gradient 3 % are typical, and 8 % the most.
    """

    def outcome(*changes):
        game, _, init = setting(name, *changes)
        state, x = init(), batch(name, 0)["x"][0]
        z = game.latents(jax.random.key(0), {"x": x})

        def made(params):
            return game.generate(params, state.g.stats, z)[0]

        def scored(params):
            return game.score(state.d.replace(params=params), state.g, {"x": x})

        return judged(made, state.g.params), judged(scored, state.d.params)

    def judged(function, params):
        out, pull = jax.vjp(function, params)
        return out, pull(jax.random.normal(jax.random.key(1), out.shape))

    exact, lower = jax.jit(outcome)(), jax.jit(lambda: outcome(BFLOAT16))()
    leaves = jax.tree.leaves_with_path(exact)
    for (path, a), b in zip(leaves, jax.tree.leaves(lower), strict=True):
        assert b.dtype == jnp.float32
        apart = jnp.linalg.norm(a - b) / jnp.linalg.norm(a)
        assert 1e-4 < apart < 0.15, (jax.tree_util.keystr(path), apart)


@pytest.mark.parametrize(
    "layer",
    [
        functools.partial(layers.Dense, 2),
        functools.partial(layers.Conv, 2, 3),
        functools.partial(layers.ConvTranspose, 2, 3),
        functools.partial(layers.ConvTranspose, 2, 3, untied=True),
    ],
)
def test_the_gradient_of_a_bias_is_summed_in_float32(layer):
    """Many ones over images, of which XLA on CPU would make a hundredth."""

    class Module(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return layer()(x)

    net, x = network(Module(), "bfloat16"), jnp.ones((128, 32, 32, 1))
    params, stats = net.init(jax.random.key(0), x)

    @jax.jit
    def gradient(params, ones):
        return jax.vjp(lambda params: net.apply(params, stats, x)[0], params)[1](ones)

    (gradients,) = gradient(params, jnp.ones((*x.shape[:-1], 2)))
    (bias,) = (layer["bias"] for layer in gradients.values())
    np.testing.assert_array_equal(bias, x.size * 2 / bias.size)


def test_batch_statistics_of_bfloat16_are_float32():
    """Of numbers far from zero, whose squares bfloat16 cannot tell apart."""

    class Module(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return layers.BatchNorm(momentum=0.0)(x, train)

    x = 8 + jax.random.normal(jax.random.key(0), (4096, 3))
    x = x.astype(jnp.bfloat16).astype(jnp.float32)

    @functools.partial(jax.jit, static_argnums=0)
    def outcome(dtype):
        net = network(Module(), dtype)
        return net.apply(*net.init(jax.random.key(0), x), x, train=True)

    (exact, exact_stats), (lower, lower_stats) = map(outcome, ("float32", "bfloat16"))
    for a, b in zip(*map(jax.tree.leaves, (exact_stats, lower_stats)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_array_equal(lower, exact.astype(jnp.bfloat16))
