"""Networks of games with codes, encoders, autoencoders and pairs: sizes and laws."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.models import (
    ali,
    began,
    bigan,
    cogan,
    ebgan,
    improved_gan,
    improved_gan_cifar,
    infogan,
)

KEY = jax.random.key(0)
MNIST, CIFAR, FACES = (28, 28, 1), (32, 32, 3), (64, 64, 3)
SMALL, TINY = (16, 16, 3), (8, 8, 2)


def dense(*sizes):
    """The number of parameters of dense layers with these numbers of units."""
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def shapes(module, *inputs):
    """Output and variables, without computing them."""
    inputs = [jax.ShapeDtypeStruct((3, *shape), "float32") for shape in inputs]
    return jax.eval_shape(functools.partial(module.init_with_output, KEY), *inputs)


def count(module, *inputs):
    return sum(p.size for p in jax.tree.leaves(shapes(module, *inputs)[1]["params"]))


INFOGAN = (
    (74 + 2) * 1024 + (1024 + 2) * 6272 + (16 * 128 + 2) * 64 + (16 * 64 + 1),
    (16 + 1) * 64
    + (16 * 64 + 2) * 128
    + (6272 + 2) * 1024
    + dense(1024, 1)
    + ((1024 + 2) * 128 + dense(128, 10 + 2)),
)
# codes of 64, 8 x 8 places, at four sizes a pair of convolutions of 128 channels
DECODER = dense(64, 8 * 8 * 128) + 8 * (9 * 128 + 1) * 128 + (9 * 128 + 1) * 3
COUNTS = {
    "infogan": (
        (infogan.Generator(MNIST), [(74,)], INFOGAN[0]),
        (infogan.Discriminator(10, 2), [MNIST], INFOGAN[1]),
    ),
    # no biases, nothing in batch norm
    "bigan": (
        (bigan.Generator(MNIST), [(50,)], 2 * 50 * 1024 + 1024**2 + 1024 * 784),
        (bigan.Encoder(50), [MNIST], 784 * 1024 + 1024**2 + 1024 * 50),
        (
            bigan.Discriminator(),
            [MNIST, (50,)],
            784 * 1024 + 1024**2 + 50 * 1024 + 1024,
        ),
    ),
    # of maxout, twice as many maps as channels
    "ali": (
        (
            ali.Generator(CIFAR, mean=np.full(CIFAR, 0.5)),
            [(64,)],
            (16 * 64 + 2) * 256
            + (16 * 256 + 2) * 128
            + (16 * 128 + 2) * 64
            + (16 * 64 + 2) * 32
            + (25 * 32 + 2) * 32
            + (32 + 2) * 32
            + (32 * 3 + 3072),
        ),
        (
            ali.Encoder(64),
            [CIFAR],
            (25 * 3 + 2) * 32
            + (16 * 32 + 2) * 64
            + (16 * 64 + 2) * 128
            + (16 * 128 + 2) * 256
            + (16 * 256 + 2) * 512
            + (512 + 2) * 512
            + dense(512, 2 * 64),
        ),
        (
            ali.Discriminator(),
            [CIFAR, (64,)],
            (25 * 3 + 1) * 64
            + 16 * (32 * 128 + 64 * 256 + 128 * 512 + 256 * 1024)
            + (64 + 512) * 1024
            + dense(1024, 2048)
            + dense(1024, 2048)
            + dense(1024, 1),
        ),
    ),
    # a shift a unit in batch norm, a length a unit of the last layers
    "improved_gan": (
        (
            improved_gan.Generator(MNIST),
            [(100,)],
            dense(100, 500, 500, 784) + 784,
        ),
        (
            improved_gan.Discriminator(10),
            [MNIST],
            dense(784, 1000, 500, 250, 250, 250, 10) + 10,
        ),
    ),
    "improved_gan_cifar": (
        (
            improved_gan_cifar.Generator(CIFAR),
            [(100,)],
            dense(100, 8192)
            + (25 * 512 + 1) * 256
            + (25 * 256 + 1) * 128
            + (25 * 128 + 2) * 3,
        ),
        (
            improved_gan_cifar.Discriminator(10),
            [CIFAR],
            ((9 * 3 + 1) * 96 + 2 * (9 * 96 + 1) * 96)
            + ((9 * 96 + 1) * 192 + 2 * (9 * 192 + 1) * 192)
            + ((9 * 192 + 1) * 192 + dense(192, 192, 192, 10) + 10),
        ),
    ),
    "began": (
        (began.Generator(FACES), [(64,)], DECODER),
        (
            began.Discriminator(),
            [FACES],
            (9 * 3 + 1) * 128
            + 3 * (9 * 128 + 1) * 128
            + ((9 * 128 + 1) + 2 * (9 * 256 + 1)) * 256
            + ((9 * 256 + 1) + 2 * (9 * 384 + 1)) * 384
            + ((9 * 384 + 1) + (9 * 512 + 1)) * 512
            + dense(8 * 8 * 512, 64)
            + DECODER,
        ),
    ),
    "ebgan": (
        (ebgan.Generator(MNIST), [(74,)], INFOGAN[0]),
        (
            ebgan.Discriminator(),
            [MNIST],
            (16 + 1) * 64 + dense(12544, 32) + (32 + 2) * 12544 + (16 * 64 + 1),
        ),
    ),
    # a slope of each leaky ReLU
    "cogan": (
        (
            cogan.Generator(MNIST),
            [(100,)],
            (100 * 16384 + 1024)
            + (9 * 1024 + 1) * 512
            + (9 * 512 + 1) * 256
            + (9 * 256 + 1) * 128
            + 4
            + 2 * (36 * 128 + 1),
        ),
        (
            cogan.Discriminator(),
            [MNIST, MNIST],
            2 * (25 + 1) * 20 + (25 * 20 + 1) * 50 + dense(4 * 4 * 50, 500, 1) + 1,
        ),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_numbers_of_parameters(name):
    for module, inputs, expected in COUNTS[name]:
        assert count(module, *inputs) == expected, type(module)


# small networks, the shapes of what they are given and of what they say of 3 examples
PLAYERS = {
    "infogan G": (infogan.Generator(TINY, 4), [(6,)], TINY),
    "infogan D": (infogan.Discriminator(4, 1, 2), [TINY], ((), (5,))),
    "infogan D without codes": (infogan.Discriminator(4, 0, 2), [TINY], ((), (4,))),
    "bigan G": (bigan.Generator((3, 2), 5), [(6,)], (3, 2)),
    "bigan E": (bigan.Encoder(6, 5), [(3, 2)], ((6,), (5,))),
    "bigan D": (bigan.Discriminator(5), [(3, 2), (6,)], ()),
    "ali G": (ali.Generator((32, 32, 1), 2, False), [(6,)], (32, 32, 1)),
    "ali E": (ali.Encoder(6, 2), [CIFAR], ((6,), (32,))),
    "ali D": (ali.Discriminator(2), [CIFAR, (6,)], ()),
    "improved_gan G": (improved_gan.Generator((3, 2), (5, 4)), [(6,)], (3, 2)),
    "improved_gan D": (
        improved_gan.Discriminator(4, (6, 5)),
        [(3, 2)],
        ((4,), (5,)),
    ),
    "improved_gan_cifar G": (improved_gan_cifar.Generator(SMALL, 2), [(6,)], SMALL),
    "improved_gan_cifar D": (
        improved_gan_cifar.Discriminator(4, 3),
        [(24, 16, 3)],
        ((4,), (6,)),
    ),
    "began G": (began.Generator((14, 14, 2), 3), [(6,)], (14, 14, 2)),
    "began D": (began.Discriminator(3, 4), [(16, 16, 2)], ((16, 16, 2), (4,))),
    "ebgan D": (ebgan.Discriminator(3, 4), [TINY], (TINY, (4,))),
    "cogan G": (cogan.Generator(MNIST, 2), [(6,)], (MNIST, MNIST)),
    "cogan D": (cogan.Discriminator((2, 3), 4), [MNIST, MNIST], ((), ())),
}


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def filled(module, *inputs, seed=0):
    """Variables of a module, normal; fast, as there is no initialiser to compile."""
    rng = np.random.default_rng(seed)

    def fill(path, leaf):
        values = 0.3 * rng.normal(size=leaf.shape)
        positive = any(name in str(path) for name in ("'var'", "'gain'"))
        return jnp.asarray(abs(values) + 0.1 if positive else values, leaf.dtype)

    variables = jax.eval_shape(module.init, KEY, *inputs)
    return jax.tree_util.tree_map_with_path(fill, variables)


def player(name, n=3):
    """A small network, its variables, and what it is given."""
    module, inputs, _ = PLAYERS[name]
    inputs = [normal(i + 1, n, *shape) for i, shape in enumerate(inputs)]
    return module, filled(module, *inputs), inputs


def training(module, variables, inputs, key):
    """What it says in training, and its statistics after."""
    return module.apply(
        variables, *inputs, train=True, mutable=["batch_stats"], rngs={"dropout": key}
    )


DRAW = {"ali E", "ali D", "improved_gan D", "improved_gan_cifar D", "cogan D"}


@pytest.mark.parametrize("name", PLAYERS)
def test_what_they_say_in_training_and_after(name):
    """Shapes, types and gradients; and what is drawn, which is in training alone."""
    module, variables, inputs = player(name)

    @jax.jit
    def run(params):
        def objective(params):
            out, _ = training(module, variables | {"params": params}, inputs, KEY)
            return sum(jnp.sum(jnp.square(y - 0.3)) for y in jax.tree.leaves(out)), out

        (_, out), grads = jax.value_and_grad(objective, has_aux=True)(params)
        other, _ = training(module, variables, inputs, jax.random.key(1))
        return module.apply(variables, *inputs), out, other, grads

    evaluated, out, other, grads = run(variables["params"])
    _, _, expected = PLAYERS[name]
    several = isinstance(evaluated, tuple)
    found = evaluated if several else (evaluated,)
    assert [y.shape for y in found] == [
        (3, *shape) for shape in (expected if several else (expected,))
    ]
    for y in jax.tree.leaves((evaluated, out)):
        assert y.dtype == jnp.float32
        assert np.ptp(np.asarray(y), axis=0).max() > 0  # what is given matters
    apart = jax.tree.map(lambda a, b: np.abs(a - b).max() / np.abs(a).max(), out, other)
    apart = max(jax.tree.leaves(apart))
    assert apart > 1e-3 if name in DRAW else apart < 1e-5
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(leaf).all(), path
        assert leaf.any(), path


def test_bigan_does_not_know_the_order_of_pixels():
    """Nor of anything: with permuted weights, permuted examples say the same."""
    order = np.random.default_rng(3).permutation(6)
    (E, for_e, (x,)), (D, for_d, (_, z)) = player("bigan E"), player("bigan D")

    def permuted(variables):
        params = dict(variables["params"])
        params["Dense_0"] = {"kernel": params["Dense_0"]["kernel"][order]}
        return variables | {"params": params}

    shuffled = x.reshape(3, 6)[:, order].reshape(x.shape)
    for module, variables, more in ((E, for_e, ()), (D, for_d, (z,))):
        one = module.apply(variables, x, *more)
        two = module.apply(permuted(variables), shuffled, *more)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), one, two)


def test_bigan_is_the_published_chain():
    """In training: z enters G at both layers, and D's second before batch norm."""

    def leaky(h):
        return np.where(h > 0, h, 0.2 * h)

    def relu(h):
        return np.maximum(h, 0)

    def norm(h):
        return (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)

    def kernels(variables):
        assert {name.split("_")[0] for name in variables["params"]} == {"Dense"}
        layers = variables["params"]
        return [np.asarray(layers[f"Dense_{i}"]["kernel"]) for i in range(len(layers))]

    G, for_g, (z,) = player("bigan G", 8)
    first, second, again, last = kernels(for_g)
    h = np.asarray(z)
    h = relu(norm(relu(norm(h @ first)) @ second + h @ again))
    made, _ = training(G, for_g, [z], KEY)
    expected = 1 / (1 + np.exp(-h @ last))
    np.testing.assert_allclose(made.reshape(8, -1), expected, rtol=1e-3, atol=1e-5)

    D, for_d, (x, z) = player("bigan D", 8)
    first, second, of_z, last = kernels(for_d)
    flat = np.asarray(x).reshape(8, -1)
    h = leaky(norm(leaky(flat @ first) @ second + np.asarray(z) @ of_z))
    scores, _ = training(D, for_d, [x, z], KEY)
    np.testing.assert_allclose(scores, (h @ last)[:, 0], rtol=1e-3, atol=1e-4)

    E, for_e, (x,) = player("bigan E", 8)
    first, second, last = kernels(for_e)
    expected = leaky(norm(leaky(flat @ first) @ second))
    (code, features), _ = training(E, for_e, [x], KEY)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(code, np.tanh(expected @ last / 2), rtol=1e-3, atol=1e-4)
    (code, _), _ = training(E.copy(output="linear"), for_e, [x], KEY)
    np.testing.assert_allclose(code, expected @ last, rtol=1e-3, atol=1e-4)


def test_bigan_starts_undecided():
    D = bigan.Discriminator(5)
    x, z = normal(1, 3, 4), normal(2, 3, 2)
    scores, variables = D.init_with_output(KEY, x, z)
    np.testing.assert_array_equal(scores, 0)
    assert all(variables["params"][f"Dense_{i}"]["kernel"].any() for i in range(3))


def test_ali_s_codes_are_drawn_from_the_law_that_its_encoder_says():
    module, variables, (x,) = player("ali E", 64)
    last = variables["params"]["Dense_0"]
    last |= {"bias": jnp.linspace(-1.0, 1.0, 6)[jnp.array([*range(6), *range(6)])]}

    @functools.partial(jax.jit, static_argnums=1)
    def run(key, train):
        return module.apply(
            *(variables, x),
            train=train,
            mutable=True,
            rngs={} if key is None else {"dropout": key},
            capture_intermediates=True,
        )

    (mean, features), seen = run(None, True)  # without a key
    (law,) = seen["intermediates"]["Dense_0"]["__call__"]
    np.testing.assert_array_equal(mean, law[:, :6])
    expected = features @ last["kernel"] + last["bias"][None]
    np.testing.assert_allclose(law, expected, rtol=1e-3, atol=1e-4)
    (code, same), _ = run(KEY, True)
    np.testing.assert_array_equal(same, features)
    noise = (code - mean) / np.exp(law[:, 6:])
    bound = 4 / math.sqrt(noise.size)
    assert abs(noise.mean()) < bound
    np.testing.assert_allclose(noise.std(), 1, atol=bound / math.sqrt(2))
    for with_key in run(KEY, False)[0], run(jax.random.key(1), False)[0]:
        np.testing.assert_array_equal(with_key[0], run(None, False)[0][0])


def test_ali_starts_from_the_mean_of_the_data():
    mean = np.linspace(0.1, 0.9, 32 * 32).reshape(32, 32, 1)
    G = ali.Generator((32, 32, 1), 1, mean=mean)
    variables = jax.jit(G.init)(KEY, jnp.zeros((1, 6)))
    params = {
        name: jax.tree.map(lambda leaf: 0 * leaf, layer) if "Conv" in name else layer
        for name, layer in variables["params"].items()
    }
    # only init needs the mean
    told = ali.Generator((32, 32, 1), 1)
    x = jax.jit(told.apply)(variables | {"params": params}, normal(1, 2, 6))
    np.testing.assert_allclose(x, np.stack([mean, mean]), rtol=1e-5)
    with pytest.raises(ValueError, match="mean"):
        jax.eval_shape(told.init, KEY, jnp.zeros((1, 6)))


@pytest.mark.parametrize("name", ["improved_gan D", "improved_gan_cifar D"])
def test_lengths_of_weights_are_not_the_parameters(name):
    module, variables, inputs = player(name)
    scaled = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 5 * leaf if "kernel" in str(path) else leaf,
        variables["params"],
    )

    @jax.jit
    def run():
        params = variables["params"], scaled
        return [module.apply({"params": p}, *inputs) for p in params]

    (one, features), (two, same) = run()
    np.testing.assert_allclose(two, one, rtol=1e-4)
    np.testing.assert_allclose(same, features, rtol=1e-4)
    gains = [path for path, _ in jax.tree_util.tree_leaves_with_path(scaled)]
    gains = [str(path) for path in gains if "gain" in str(path)]
    assert len(gains) == 1  # those of the logits are learned
    assert "Head_0" in gains[0]


def test_units_of_the_improved_gan_start_with_variance_1():
    """For pixels of MNIST's variance; one layer's units are normal for the next."""
    D = improved_gan.Discriminator(10, (400, 400))
    x = 0.067**0.5 * normal(1, 500, 300)
    variables = D.init(KEY, x)
    apply = functools.partial(D.apply, train=True, capture_intermediates=True)
    _, seen = jax.jit(apply)(variables, x, rngs={"dropout": KEY})
    seen = seen["intermediates"]
    for layer in (seen["Dense_0"], seen["Dense_1"], seen["Head_0"]):
        (h,) = layer["__call__"]
        assert 0.9 < np.std(h, axis=0).mean() < 1.1
    np.testing.assert_allclose(
        variables["params"]["Dense_0"]["kernel"].std(), 0.1, rtol=0.05
    )


def test_noise_of_the_improved_gan_has_its_deviation_in_training_alone():
    """Logits of one example alone have the noise's deviation, times their length."""
    D = improved_gan.Discriminator(3, (), input_noise=0.3)
    x = jnp.tile(normal(1, 1, 50), (4000, 1))
    variables = D.init(KEY, x)
    out, features = D.apply(variables, x)
    np.testing.assert_array_equal(out, out[:1].repeat(4000, 0))
    np.testing.assert_array_equal(features, x)
    (noisy, quiet), _ = training(D, variables, [x], KEY)
    np.testing.assert_array_equal(quiet, x)  # features are before the noise
    np.testing.assert_allclose(noisy.mean(0), out[0], atol=0.06)
    expected = 0.3 / math.sqrt(0.067 + 0.3**2)
    np.testing.assert_allclose(noisy.std(0), expected, rtol=0.05)


def test_sizes_of_began():
    """From 8 or 7 pixels on; the encoder ends, and both decoders start, there."""
    for size, first, levels in (
        (64, 8, 4),
        (32, 8, 3),
        (28, 7, 3),
        (56, 7, 4),
        (8, 8, 1),
    ):
        shape = (size, size, 3)
        G, D = began.Generator(shape, 2), began.Discriminator(2, 5)
        x, for_g = shapes(G, (6,))
        (again, code), for_d = shapes(D, shape)
        assert x.shape == again.shape == (3, *shape)
        assert code.shape == (3, 5)
        assert for_g["params"]["Dense_0"]["kernel"].shape == (6, first**2 * 2)
        assert for_d["params"]["Dense_0"]["kernel"].shape == (first**2 * 2 * levels, 5)
        assert for_d["params"]["Dense_1"]["kernel"].shape == (5, first**2 * 2)
        convolutions = [name for name in for_g["params"] if "Conv" in name]
        assert len(convolutions) == 2 * levels + 1


@pytest.mark.parametrize("name", ["began D", "ebgan D"])
def test_reconstructions_are_of_codes_alone(name):
    """With a code that says nothing, all examples are reconstructed alike."""
    module, variables, (x,) = player(name)
    params = variables["params"]
    encoding = params["Dense_0"]
    silent = params | {"Dense_0": encoding | {"kernel": 0 * encoding["kernel"]}}
    again, code = jax.jit(module.apply)(variables | {"params": silent}, x)
    np.testing.assert_array_equal(code, code[:1].repeat(3, 0))
    np.testing.assert_allclose(again, again[:1].repeat(3, 0), rtol=1e-5, atol=1e-6)


def test_ebgan_s_generator_is_infogan_s():
    assert ebgan.Generator is infogan.Generator


def test_a_pair_shares_all_but_the_last_layer():
    G, for_g, (z,) = player("cogan G")
    params = for_g["params"]

    @jax.jit
    def pair(params):
        return G.apply(for_g | {"params": params}, z)

    first, second = pair(params)
    assert np.abs(first - second).max() > 1e-3
    last = params | {"ConvTranspose_4": params["ConvTranspose_3"]}
    one, two = pair(last)
    np.testing.assert_array_equal(one, first)
    np.testing.assert_array_equal(two, first)
    shared = params | {"Dense_0": jax.tree.map(lambda p: -p, params["Dense_0"])}
    for image, before in zip(pair(shared), (first, second), strict=True):
        assert np.abs(image - before).max() > 1e-3


def test_domains_are_judged_one_by_one():
    """A score does not depend on the other's image; layers after the first are one."""
    D, for_d, (a, b) = player("cogan D")
    params = for_d["params"]
    alike = {"params": params | {"Conv_1": params["Conv_0"]}}
    apply = jax.jit(D.apply)
    first, second = apply(for_d, a, b)
    alone, other = apply(for_d, a, -b)
    np.testing.assert_allclose(alone, first, rtol=1e-5)
    assert np.abs(other - second).max() > 1e-4
    swapped = apply(alike, b, a)
    for one, two in zip(apply(alike, a, b), swapped[::-1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_cogan_s_slopes_start_at_a_quarter():
    params = jax.jit(cogan.Discriminator((2, 3), 4).init)(
        KEY, *2 * [jnp.zeros((1, *MNIST))]
    )
    assert params["params"]["PReLU_0"]["negative_slope"] == 0.25


@pytest.mark.parametrize(
    ("module", "inputs", "says"),
    [
        (infogan.Generator((28, 30, 1)), [(6,)], "divisible by 4"),
        (infogan.Discriminator(10, 2), [(784,)], "divisible by 4"),
        (ali.Generator(MNIST), [(6,)], r"\(32, 32, channels\)"),
        (ali.Encoder(6), [MNIST], r"\(32, 32, channels\)"),
        (ali.Discriminator(), [(3072,), (6,)], r"\(32, 32, channels\)"),
        (improved_gan.Discriminator(0), [MNIST], "the data have none"),
        (improved_gan_cifar.Generator((28, 28, 1)), [(6,)], "divisible by 8"),
        (improved_gan_cifar.Discriminator(10), [(8, 8, 1)], "from 16 on"),
        (began.Generator((48, 48, 3)), [(6,)], "28, 32 or 64"),
        (began.Generator((0, 0, 3)), [(6,)], "power of 2"),
        (began.Discriminator(), [(32, 64, 3)], "square"),
        (began.Discriminator(), [(64,)], "square"),
        (ebgan.Discriminator(), [(27, 28, 1)], "divisible by 2"),
        (cogan.Generator(CIFAR), [(6,)], r"\(28, 28, channels\)"),
        (cogan.Discriminator(), [MNIST, (784,)], "16 x 16"),
        (cogan.Discriminator((2, 3, 4)), [MNIST, MNIST], "two convolutions"),
    ],
)
def test_what_they_cannot_do_is_refused_in_one_line(module, inputs, says):
    with pytest.raises(UsageError, match=says) as error:
        shapes(module, *inputs)
    assert "\n" not in str(error.value)
