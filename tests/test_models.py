"""The networks: sizes of the papers, ranges, what training changes, what is refused."""

import functools
import importlib
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.models import (
    conv_2014,
    dcgan,
    dcgan_mnist,
    dcgan_tensorflow,
    dcgan_tiny,
    maxout,
    mlp,
)

KEY = jax.random.key(0)
MNIST, CIFAR, STACKED = (28, 28, 1), (32, 32, 3), (28, 28, 3)
CIFAR_MLP = {
    "widths": (8000, 8000),
    "activations": ("relu", "sigmoid"),
    "output": "linear",
    "output_init_range": 0.5,
    "marginal_bias": False,
}
FLUX_CONV = {"pooling": "mean", "initializer": "glorot"}


def dense(*sizes):
    """The number of parameters of dense layers with these numbers of units."""
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def count(module, *shape):
    """Numbers of parameters, without making them."""
    variables = jax.eval_shape(module.init, KEY, jax.ShapeDtypeStruct(shape, "float32"))
    leaves = jax.tree.leaves(variables["params"])
    assert {leaf.dtype for leaf in leaves} == {np.dtype("float32")}
    return sum(math.prod(leaf.shape) for leaf in leaves)


TINY_GENERATOR = (
    (100 * 4 * 4 * 64 + 2 * 64)
    + (9 * 64 * 32 + 2 * 32)
    + (9 * 32 * 16 + 2 * 16)
    + (9 * 16 * 8 + 2 * 8)
    + (9 * 8 * 3 + 3)
)
COUNTS = {
    "mlp": (
        (mlp.Generator(MNIST, (128, 128)), mlp.Discriminator((128,))),
        (dense(100, 128, 128, 784), dense(784, 128, 1)),
    ),
    "maxout on MNIST": (
        (maxout.Generator(MNIST, mean=np.full(MNIST, 0.1)), maxout.Discriminator()),
        (2_503_984, 1_231_441),
    ),
    "maxout on CIFAR-10": (
        (maxout.Generator(CIFAR, **CIFAR_MLP), maxout.Discriminator(units=1600)),
        (89_395_072, dense(3072, 8000) + dense(1600, 8000) + dense(1600, 1)),
    ),
    # 64,800,000 + 16,000 dense, a 5 x 5 kernel 80 -> 3, one bias a pixel and channel
    "conv_2014": (
        (conv_2014.Generator(CIFAR), conv_2014.Discriminator()),
        (
            dense(100, 8000, 8000) + 25 * 80 * 3 + 3072,
            (8 * 8 * 3 + 1) * 64
            + (8 * 8 * 32 + 1) * 64
            + (5 * 5 * 32 + 1) * 384
            + dense(4800, 2500)
            + dense(500, 1),
        ),
    ),
    "conv_2014 as FluxGAN": (
        (
            conv_2014.Generator(CIFAR, hidden="tanh", output="tanh"),
            conv_2014.Discriminator(**FLUX_CONV),
        ),
        (
            dense(100, 8000, 8000) + 25 * 80 * 3 + 3072,
            12_352 + 131_136 + 307_584 + dense(3072, 2500) + dense(500, 1),
        ),
    ),
    # two numbers a unit for batch norm
    "dcgan_mnist": (
        (dcgan_mnist.Generator(MNIST), dcgan_mnist.Discriminator()),
        (
            (dense(100, 1024, 6272) + 2 * (1024 + 6272))
            + (16 * 128 * 64 + 64 + 2 * 64)
            + (16 * 64 + 1),
            (25 + 1) * 32 + (25 * 32 + 1) * 64 + dense(1024, 1024, 1),
        ),
    ),
    # no biases before batch norm
    "dcgan": (
        (dcgan.Generator(CIFAR), dcgan.Discriminator()),
        (
            (100 * 4096 + 2 * 256)
            + (16 * 256 * 128 + 2 * 128)
            + (16 * 128 * 64 + 2 * 64)
            + (16 * 64 * 3 + 3),
            (16 * 3 + 1) * 64
            + (16 * 64 * 128 + 2 * 128)
            + (16 * 128 * 256 + 2 * 256)
            + dense(4096, 1),
        ),
    ),
    # four layers, to 2 x 2
    "dcgan_tensorflow": (
        (dcgan_tensorflow.Generator(STACKED), dcgan_tensorflow.Discriminator()),
        (
            (100 * 2048 + 2 * 512)
            + (25 * 512 * 256 + 2 * 256)
            + (25 * 256 * 128 + 2 * 128)
            + (25 * 128 * 64 + 2 * 64)
            + (25 * 64 * 3 + 3),
            (25 * 3 + 1) * 64
            + (25 * 64 * 128 + 2 * 128)
            + (25 * 128 * 256 + 2 * 256)
            + (25 * 256 * 512 + 2 * 512)
            + dense(2048, 1),
        ),
    ),
    # D at half of G's channels, then at a quarter
    "dcgan_tiny": (
        (dcgan_tiny.Generator(STACKED), dcgan_tiny.Discriminator()),
        (
            TINY_GENERATOR,
            (9 * 3 * 4 + 2 * 4)
            + (9 * 4 * 8 + 2 * 8)
            + (9 * 8 * 16 + 2 * 16)
            + dense(256, 1),
        ),
    ),
    "dcgan_tiny, D at a quarter": (
        (dcgan_tiny.Generator(STACKED), dcgan_tiny.Discriminator(width=2)),
        (
            TINY_GENERATOR,
            (9 * 3 * 2 + 2 * 2)
            + (9 * 2 * 4 + 2 * 4)
            + (9 * 4 * 8 + 2 * 8)
            + dense(128, 1),
        ),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_numbers_of_parameters(name):
    (generator, discriminator), expected = COUNTS[name]
    counts = count(generator, 2, 100), count(discriminator, 2, *generator.shape)
    assert counts == expected


def test_published_numbers_of_parameters():
    """The rounded numbers of the 2014 networks, from their configuration files."""
    sizes = {name: counts for name, (_, counts) in COUNTS.items()}
    assert [round(n / 1e5) for n in sizes["maxout on CIFAR-10"]] == [894, 374]
    assert [round(n / 1e4) for n in sizes["conv_2014"]] == [6483, 1245]


# small networks that share the code of the large ones
SMALL = {
    "mlp": ({"widths": (8,)}, {"widths": (8,)}),
    "maxout": (
        {"widths": (8, 8), "output": "tanh", "marginal_bias": False},
        {"units": 6, "pieces": 2, "init_range": 0.3},
    ),
    "conv_2014": (
        {"width": 200},
        {"channels": (2, 3, 4), "units": 5, "init_range": 0.3},
    ),
    "dcgan_mnist": ({"width": 4}, {"width": 4}),
    "dcgan": ({"width": 4}, {"width": 4}),
    "dcgan_tensorflow": ({"width": 2}, {"width": 2}),
    "dcgan_tiny": ({"width": 2}, {"width": 2}),
}
VECTORS = [("mlp", (2,)), ("mlp", (4, 6, 1)), ("maxout", (5,)), ("maxout", (4, 6, 3))]
IMAGES = [
    ("conv_2014", (32, 32, 3)),
    ("dcgan_mnist", (16, 20, 1)),
    ("dcgan", (16, 16, 1)),
    ("dcgan_tensorflow", (28, 28, 3)),
    ("dcgan_tiny", (28, 28, 3)),
]
OTHERS = [
    ("conv_2014", (32, 32, 1)),
    ("dcgan_mnist", (28, 28, 1)),
    ("dcgan_mnist", (32, 32, 3)),
    ("dcgan", (32, 32, 3)),
    ("dcgan", (64, 64, 3)),
    ("dcgan", (128, 128, 2)),
    ("dcgan_tensorflow", (64, 64, 3)),
    ("dcgan_tensorflow", (45, 45, 1)),
    ("dcgan_tiny", (32, 32, 1)),
    ("dcgan_tiny", (45, 45, 1)),
]


def small(name, shape):
    """A small pair and its variables."""
    module = importlib.import_module(f"gan_jax.models.{name}")
    for_g, for_d = SMALL[name]
    generator = module.Generator(shape, **for_g)
    discriminator = module.Discriminator(**for_d)
    z, x = normal(3, 10), normal(3, *shape)
    return (
        (generator, jax.jit(generator.init)(KEY, z)),
        (discriminator, jax.jit(discriminator.init)(KEY, x)),
    )


def normal(*shape):
    return jax.random.normal(jax.random.key(1), shape)


@pytest.mark.parametrize(("name", "shape"), VECTORS + IMAGES)
def test_shapes_and_ranges(name, shape):
    (generator, for_g), (discriminator, for_d) = small(name, shape)
    x = jax.jit(generator.apply)(for_g, 30 * normal(5, 10))
    scores = jax.jit(discriminator.apply)(for_d, 3 * normal(5, *shape))
    assert x.shape == (5, *shape)
    assert scores.shape == (5,)
    assert x.dtype == scores.dtype == jnp.float32
    assert np.ptp(np.asarray(x), axis=0).max() > 0  # the latent matters
    assert np.ptp(np.asarray(scores)) > 0
    if name != "conv_2014":  # tanh; that network's output is linear
        assert -1 <= x.min() < 0 < x.max() <= 1


@pytest.mark.parametrize(("name", "shape"), OTHERS)
def test_shapes_of_larger_images(name, shape):
    def shapes():
        (generator, for_g), (discriminator, for_d) = small(name, shape)
        x = generator.apply(for_g, jnp.zeros((5, 10)))
        return x, discriminator.apply(for_d, x)

    x, scores = jax.eval_shape(shapes)
    assert x.shape == (5, *shape)
    assert scores.shape == (5,)


@pytest.mark.parametrize("name", ["mlp", "maxout"])
def test_output_activations(name):
    z = 1e6 * normal(50, 10)
    module = importlib.import_module(f"gan_jax.models.{name}")
    low, high = {}, {}
    for output in ("tanh", "sigmoid", "linear"):
        generator = module.Generator(
            (4,), output=output, **{"widths": (8, 8), "marginal_bias": False}
        )
        x = generator.apply(generator.init(KEY, z), z)
        low[output], high[output] = x.min(), x.max()
    assert -1 <= low["tanh"] < -0.9 < 0.9 < high["tanh"] <= 1
    assert 0 <= low["sigmoid"] < 0.1 < 0.9 < high["sigmoid"] <= 1
    assert low["linear"] < -1.1 < 1.1 < high["linear"]


@pytest.mark.parametrize("name", ["maxout", "conv_2014"])
def test_dropout_acts_in_training_only(name):
    shape = (32, 32, 3)
    _, (discriminator, variables) = small(name, shape)
    x = normal(4, *shape)

    @jax.jit
    def training(key):
        return discriminator.apply(variables, x, train=True, rngs={"dropout": key})

    one, two = jax.random.split(KEY)
    evaluated = jax.jit(discriminator.apply)(variables, x)
    np.testing.assert_array_equal(training(one), training(one))
    assert np.abs(training(one) - training(two)).min() > 0
    assert np.abs(training(one) - evaluated).min() > 0
    quiet = discriminator.copy(input_dropout=0.0, dropout=0.0)
    without = quiet.apply(variables, x, train=True, rngs={"dropout": one})
    np.testing.assert_allclose(without, evaluated, rtol=1e-5)


def test_dropout_is_on_the_input_of_every_layer_and_inverted():
    """All weights one: the score counts what was kept, at the scale of its rate."""
    x = jnp.ones((2000, 10))

    def scores(**rates):
        module = maxout.Discriminator(units=20, depth=1, pieces=2, **rates)
        ones = jax.tree.map(jnp.ones_like, module.init(KEY, x))
        zero_bias = {
            layer: {"kernel": p["kernel"], "bias": 0 * p["bias"]}
            for layer, p in ones["params"].items()
        }
        return module.apply({"params": zero_bias}, x, train=True, rngs={"dropout": KEY})

    # a sum of n units kept with probability q, each weighing 1/q: variance n (1-q)/q
    first = scores(input_dropout=0.2, dropout=0.0)
    np.testing.assert_allclose(first.mean(), 200, rtol=0.02)
    np.testing.assert_allclose(first.std(), 20 * np.sqrt(10 * 0.25), rtol=0.1)
    second = scores(input_dropout=0.0, dropout=0.5)
    np.testing.assert_allclose(second.mean(), 200, rtol=0.02)
    np.testing.assert_allclose(second.std(), 10 * np.sqrt(20 * 1.0), rtol=0.1)


@pytest.mark.parametrize(
    ("name", "player"),
    [
        ("dcgan_mnist", 0),
        ("dcgan", 0),
        ("dcgan", 1),
        ("dcgan_tensorflow", 0),
        ("dcgan_tensorflow", 1),
        ("dcgan_tiny", 0),
        ("dcgan_tiny", 1),
    ],
)
def test_batch_statistics_change_in_training_only(name, player):
    module, variables = small(name, (16, 16, 1))[player]
    x = normal(6, 10) if player == 0 else normal(6, 16, 16, 1)
    out, changed = module.apply(variables, x, mutable=["batch_stats"])
    same = jax.tree.map(
        np.array_equal, variables["batch_stats"], changed["batch_stats"]
    )
    assert all(jax.tree.leaves(same))
    trained, changed = module.apply(variables, x, train=True, mutable=["batch_stats"])
    same = jax.tree.map(
        np.array_equal, variables["batch_stats"], changed["batch_stats"]
    )
    assert not any(jax.tree.leaves(same))
    assert np.abs(trained - out).max() > 1e-3


@pytest.mark.parametrize("name", ["mlp", "maxout"])
@pytest.mark.parametrize("shape", [(6,), (4, 5, 1)])
def test_marginal_bias_gives_the_mean_of_the_data(name, shape):
    module = importlib.import_module(f"gan_jax.models.{name}")
    mean = np.linspace(0, 1, math.prod(shape)).reshape(shape)
    keywords = {"widths": (8, 8), "output": "sigmoid", "marginal_bias": True}
    generator = module.Generator(shape, mean=mean, **keywords)
    z = normal(2, 10)
    params = generator.init(KEY, z)["params"]
    zero = {
        layer: {"kernel": 0 * p["kernel"], "bias": p["bias"]}
        for layer, p in params.items()
    }
    x = generator.apply({"params": zero}, z)
    np.testing.assert_allclose(x, np.broadcast_to(mean, x.shape), atol=1e-6)
    without = module.Generator(shape, **keywords)
    with pytest.raises(ValueError, match="mean"):
        without.init(KEY, z)
    # only init needs the mean
    np.testing.assert_array_equal(without.apply({"params": zero}, z), x)


def test_mlp_slope():
    params = {
        "Dense_0": {"kernel": jnp.eye(1), "bias": jnp.zeros(1)},
        "Dense_1": {"kernel": jnp.eye(1), "bias": jnp.zeros(1)},
    }
    for slope in (0.2, 0.01):
        scores = mlp.Discriminator((1,), slope).apply(
            {"params": params}, jnp.array([[-1.0], [2.0]])
        )
        np.testing.assert_allclose(scores, [-slope, 2])


def test_places_of_the_convolutional_discriminator():
    """Ceil mode leaves 5 x 5 x 192 = 4800 numbers, floor mode 4 x 4 x 192 = 3072."""
    x = jax.ShapeDtypeStruct((1, *CIFAR), "float32")
    for pooling, numbers in (("max", 4800), ("mean", 3072)):
        module = conv_2014.Discriminator(pooling=pooling)
        params = jax.eval_shape(module.init, KEY, x)["params"]
        assert params["Dense_0"]["kernel"].shape == (numbers, 2500)


def test_initial_weights():
    def kernels(module, *shape):
        params = jax.jit(module.init)(KEY, jnp.zeros((1, *shape)))["params"]
        return [np.asarray(p["kernel"]) for p in params.values() if "kernel" in p]

    def ranges(module, *shape):
        return [np.abs(kernel).max() for kernel in kernels(module, *shape)]

    everything = [np.ravel(k) for k in kernels(dcgan.Discriminator(8), 16, 16, 1)]
    np.testing.assert_allclose(np.concatenate(everything).std(), 0.02, rtol=0.05)
    uniform = {"output_init_range": 0.5, "marginal_bias": False}
    uniform = ranges(maxout.Generator((50,), (40, 40), **uniform), 100)
    np.testing.assert_allclose(uniform, [0.05, 0.05, 0.5], rtol=0.01)
    uniform = ranges(conv_2014.Discriminator((4, 4, 4), units=100), 16, 16, 3)
    np.testing.assert_allclose(uniform, 0.005, rtol=0.05)
    glorot = ranges(maxout.Discriminator(units=30, initializer="glorot"), 170)
    np.testing.assert_allclose(glorot[0], (6 / 200) ** 0.5, rtol=0.01)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("dcgan_tensorflow", (2, 4, 7, 14, 28)), ("dcgan_tiny", (4, 7, 14, 28))],
)
def test_stacked_generators_double_by_transposes_of_convolutions(name, sizes):
    """Each layer is the transpose of a SAME convolution of stride 2, odd sizes too."""
    (generator, variables), _ = small(name, STACKED)
    apply = functools.partial(generator.apply, capture_intermediates=True)
    _, seen = jax.jit(apply)(variables, normal(3, 10))
    for i, (size, doubled) in enumerate(itertools.pairwise(sizes)):
        (normed,) = seen["intermediates"][f"BatchNorm_{i}"]["__call__"]
        (image,) = seen["intermediates"][f"ConvTranspose_{i}"]["__call__"]
        assert normed.shape[1:3] == (size, size)
        params = variables["params"][f"ConvTranspose_{i}"]

        def convolution(x, kernel=params["kernel"]):
            layout = ("NHWC", "HWIO", "NHWC")
            return jax.lax.conv_general_dilated(
                x, kernel, (2, 2), "SAME", dimension_numbers=layout
            )

        like = jax.ShapeDtypeStruct((3, doubled, doubled, image.shape[-1]), "float32")
        transpose = jax.jit(jax.linear_transpose(convolution, like))
        (expected,) = transpose(jax.nn.relu(normed))
        np.testing.assert_allclose(image, expected, atol=1e-6)
        assert "bias" not in params or not params["bias"].any()


@pytest.mark.parametrize(
    ("name", "slope"), [("dcgan_tensorflow", 0.2), ("dcgan_tiny", 0.3)]
)
def test_slopes_of_stacked_discriminators(name, slope):
    _, (discriminator, variables) = small(name, STACKED)
    x = normal(4, *STACKED)
    apply = functools.partial(discriminator.apply, capture_intermediates=True)
    scores, seen = jax.jit(apply)(variables, x)
    norms = sorted(name for name in seen["intermediates"] if "BatchNorm" in name)
    assert norms == ["BatchNorm_0", "BatchNorm_1", "BatchNorm_2"]
    (h,) = seen["intermediates"]["BatchNorm_2"]["__call__"]
    assert h.min() < 0 < h.max()
    features = jnp.where(h > 0, h, slope * h).reshape(len(x), -1)
    expected = features @ variables["params"]["Dense_0"]["kernel"][:, 0]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("module", [dcgan_tensorflow, dcgan_tiny])
def test_weights_of_stacked_networks_are_normal_cut_off_in_convolutions(module):
    for network, x in (
        (module.Generator(STACKED, 16), jnp.zeros((1, 100))),
        (module.Discriminator(16), jnp.zeros((1, *STACKED))),
    ):
        params = jax.jit(network.init)(KEY, x)["params"]
        for layer, values in params.items():
            if "kernel" not in values or values["kernel"].size < 10_000:
                continue
            kernel = np.asarray(values["kernel"])
            # cut off at two standard deviations, 0.880 of one are left
            cut = layer.startswith("Conv_")
            deviation = 0.02 * (0.880 if cut else 1)
            np.testing.assert_allclose(kernel.std(), deviation, rtol=0.05)
            assert (np.abs(kernel).max() <= 0.04) == cut, layer


GUIDELINES = [
    ("Generator", "strided"),
    ("Generator", "batch_norm"),
    ("Generator", "fully_convolutional"),
    ("Generator", "relu"),
    ("Discriminator", "strided"),
    ("Discriminator", "batch_norm"),
    ("Discriminator", "fully_convolutional"),
    ("Discriminator", "leaky"),
]


@pytest.mark.parametrize(("player", "guideline"), GUIDELINES)
def test_each_guideline_of_dcgan_switches_something(player, guideline):
    shape = (16, 16, 2)

    def make(**keywords):
        if player == "Generator":
            return dcgan.Generator(shape, 4, **keywords), normal(3, 10)
        return dcgan.Discriminator(4, **keywords), normal(3, *shape)

    on, x = make()
    off, _ = make(**{guideline: False})
    with_it, without = (jax.eval_shape(m.init, KEY, x) for m in (on, off))
    out, other = (
        jax.eval_shape(on.apply, with_it, x),
        jax.eval_shape(off.apply, without, x),
    )
    assert out.shape == other.shape
    layers = {name.split("_")[0] for name in with_it["params"]}
    others = {name.split("_")[0] for name in without["params"]}
    if guideline == "batch_norm":
        assert layers - others == {"BatchNorm"}
        assert "batch_stats" not in without
    elif guideline == "fully_convolutional":
        denses = [sum("Dense" in n for n in v["params"]) for v in (with_it, without)]
        assert denses == [1, 2]
    elif guideline == "strided" and player == "Generator":
        assert layers - others == {"ConvTranspose"}
        assert others - layers == {"Conv"}
    else:  # the same parameters, used otherwise
        assert jax.tree.structure(with_it) == jax.tree.structure(without)
        variables = jax.jit(on.init)(KEY, x)
        out, other = (jax.jit(m.apply)(variables, x) for m in (on, off))
        assert np.abs(out - other).max() > 1e-4


def test_norms_are_not_next_to_the_image():
    x = jax.ShapeDtypeStruct((1, 64, 64, 3), "float32")
    z = jax.ShapeDtypeStruct((1, 10), "float32")
    g = jax.eval_shape(dcgan.Generator((64, 64, 3), 8).init, KEY, z)["params"]
    d = jax.eval_shape(dcgan.Discriminator(8).init, KEY, x)["params"]
    norms = [
        [p["scale"].shape[0] for name, p in params.items() if "BatchNorm" in name]
        for params in (g, d)
    ]
    assert [sorted(n) for n in norms] == [[8, 16, 32, 64], [16, 32, 64]]


@pytest.mark.parametrize(
    ("generator", "says"),
    [
        (conv_2014.Generator((28, 28, 1)), "32, 32"),
        (conv_2014.Generator((3072,)), "32, 32"),
        (conv_2014.Generator(CIFAR, width=250), "multiple of 100"),
        (dcgan_mnist.Generator((30, 28, 1)), "divisible by 4"),
        (dcgan_mnist.Generator((784,)), "divisible by 4"),
        (dcgan.Generator((28, 28, 1)), "16, 32, 64, 128"),
        (dcgan.Generator((32, 16, 1)), "16, 32, 64, 128"),
        (dcgan.Generator((2,)), "16, 32, 64, 128"),
        (dcgan_tensorflow.Generator((28, 24, 3)), "square images"),
        (dcgan_tensorflow.Generator((784,)), "square images"),
        (dcgan_tiny.Generator((28, 24, 3)), "square images"),
        (dcgan_tiny.Generator((784,)), "square images"),
        (maxout.Generator((2,), widths=(8,), marginal_bias=False), "activations"),
        (maxout.Generator((2,), activations=("relu", "elu")), "elu"),
        (maxout.Generator((2,), output="tanh"), "sigmoid"),
        (mlp.Generator((2,), output="linear", marginal_bias=True), "sigmoid"),
    ],
)
def test_a_generator_refuses_what_it_cannot_make(generator, says):
    with pytest.raises(UsageError, match=says) as error:
        jax.eval_shape(generator.init, KEY, jax.ShapeDtypeStruct((1, 4), "float32"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("discriminator", "shape", "says"),
    [
        (conv_2014.Discriminator(), (2,), "11 x 11"),
        (conv_2014.Discriminator(), (10, 32, 3), "11 x 11"),
        (conv_2014.Discriminator(channels=(8, 8)), CIFAR, "three"),
        (dcgan_mnist.Discriminator(), (15, 28, 1), "16 x 16"),
        (dcgan_mnist.Discriminator(), (784,), "16 x 16"),
        (dcgan.Discriminator(), (28, 28, 1), "16, 32, 64, 128"),
        (dcgan.Discriminator(), (2,), "16, 32, 64, 128"),
        (dcgan_tensorflow.Discriminator(), (2,), "judges images"),
        (dcgan_tiny.Discriminator(), (2,), "judges images"),
    ],
)
def test_a_discriminator_refuses_what_it_cannot_judge(discriminator, shape, says):
    with pytest.raises(UsageError, match=says) as error:
        jax.eval_shape(
            discriminator.init, KEY, jax.ShapeDtypeStruct((1, *shape), "float32")
        )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("discriminator", "shape"),
    [
        (conv_2014.Discriminator(pooling="max"), (11, 11, 1)),
        (conv_2014.Discriminator(pooling="mean"), (11, 11, 1)),
        (dcgan_mnist.Discriminator(), (16, 16, 1)),
    ],
)
def test_the_smallest_images_are_judged(discriminator, shape):
    x = jax.ShapeDtypeStruct((1, *shape), "float32")
    params = jax.eval_shape(discriminator.init, KEY, x)["params"]
    assert params["Dense_0"]["kernel"].shape[0] > 0


def test_a_population_s_row_equals_its_single_run():
    """Gradients of both players, vmapped over parameters, equal one by one."""
    shape = (16, 16, 1)
    (generator, _), (discriminator, _) = small("dcgan", shape)
    z, x = normal(3, 10), normal(3, *shape)
    keys = jax.random.split(KEY, 2)

    def grads(key):
        for_g, for_d = generator.init(key, z), discriminator.init(key, x)

        def loss(params, x):
            return (discriminator.apply({**for_d, "params": params}, x) ** 2).sum()

        def g_loss(params):
            fake = generator.apply({**for_g, "params": params}, z)
            return loss(for_d["params"], fake)

        return jax.grad(loss)(for_d["params"], x), jax.grad(g_loss)(for_g["params"])

    population, single = jax.jit(jax.vmap(grads))(keys), jax.jit(grads)
    for i, key in enumerate(keys):
        for row, leaf in zip(
            jax.tree.leaves(population), jax.tree.leaves(single(key)), strict=True
        ):
            scale = np.abs(leaf).max() + 1e-8
            np.testing.assert_allclose(row[i] / scale, leaf / scale, atol=1e-4)
