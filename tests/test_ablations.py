"""The ablations: what their points are, and that each changes what it says alone."""

import functools
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax.build import bind
from gan_jax.config.files import (
    experiments_dir,
    fields,
    find_experiment,
    load_experiment,
    load_module,
)
from gan_jax.errors import UsageError
from gan_jax.sweep import points

ABLATIONS = sorted(file.stem for file in (experiments_dir() / "ablations").glob("*.py"))
KEY = jax.random.key(0)


def points_of(name):
    """The cells of an ablation, whatever the seed, and all of its configs."""
    path = f"experiments/ablations/{name}.py"
    parts = points.chosen(load_module(path), path, None, [])
    made, configs = points.combine(load_experiment(path)[0], {}, parts)  # validates
    cells = [{f: x for f, x in point.items() if f != "seed"} for point in made.values()]
    return cells, list(configs.values())


def varied(name, *keys):
    """The values that these fields take together, in order, each once."""
    cells, _ = points_of(name)
    return list(dict.fromkeys(tuple(cell.get(key) for key in keys) for cell in cells))


LOSSES = [("saturating",), ("non_saturating",), ("least_squares",)]


def test_each_ablation_has_the_points_that_it_is_about():
    assert varied("d_steps", "d_steps") == [(1,), (5,), (20,), (40,)]
    assert varied("losses_ring", "loss.name") == LOSSES
    assert varied("mnist_losses", "loss.name") == LOSSES
    rates = "d_optimizer.learning_rate", "g_optimizer.learning_rate"
    assert varied("mnist_losses", *rates) == [(2e-4, 2e-4), (1e-3, 1e-3), (5e-3, 5e-3)]
    root = 3**0.5  # the cube of unit variance
    priors = varied("priors_mnist", "prior.name", "prior.low", "prior.high")
    assert priors == [
        ("normal", None, None),
        ("uniform", None, None),
        ("uniform", -root, root),
        ("spherical", None, None),
    ]
    assert varied("priors_mnist", "prior.dim") == [(2,), (10,), (100,)]


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_cell_of_an_ablation_has_the_same_seeds(name):
    cells, configs = points_of(name)
    seeds = {}
    for cell, config in zip(cells, configs, strict=True):
        seeds.setdefault(str(cell), []).append(config.seed)
    n = {"losses_ring": 10, "losses_and_penalties_ring": 5}.get(name, 3)
    assert set(map(tuple, seeds.values())) == {tuple(range(n))}


@pytest.mark.parametrize("name", ABLATIONS)
def test_the_points_of_an_ablation_differ_in_what_it_varies_alone(name):
    cells, configs = points_of(name)
    base = fields(load_experiment(f"{name}.py")[0])
    entries = {field.split(".")[0] for cell in cells for field in cell}
    for cell, config in zip(cells, configs, strict=True):
        values = fields(config)
        assert {field: values[field] for field in cell} == cell
        changed = {f for f in base | values if base.get(f) != values.get(f)}
        # a new name drops the old one's keywords
        assert {field.split(".")[0] for field in changed - {"seed"}} <= entries


def test_d_takes_forty_updates_to_one_of_g(gan, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (32, 28, 28, 1), np.uint8)
    np.save(tmp_path / "x.npy", images)
    outcome = gan(
        "--config=experiments/ablations/d_steps.py",
        f"--workdir={tmp_path}/run",
        "--config.d_steps=40",
        "--config.data.name=arrays",
        f"--config.data.path={tmp_path}/x.npy",
        "--config.steps=2",
        "--config.batch_size=8",
        "--config.evaluate_every=0",
        "--config.generator.widths=16,16",
        "--config.discriminator.units=4",
        "--config.sample_grid=2,2",
    )
    assert outcome.status == 0, outcome.err
    state = gan_jax.load(tmp_path / "run").state
    for player, updates in (state.d, 80), (state.g, 2):
        counts = [x for x in jax.tree.leaves(player.opt_state) if x.dtype == jnp.int32]
        assert counts
        assert {int(count) for count in counts} == {updates}


# DCGAN's guidelines, against the same networks written anew

SHAPE, WIDTH = (16, 16, 2), 4
GUIDELINES = ("strided", "batch_norm", "fully_convolutional", "relu", "leaky")


class Layers:
    """The layers of a network as numpy computes them, in turn; each is taken once."""

    def __init__(self, variables, left_out):
        self.left = jax.tree.map(np.asarray, variables)
        self.batch_norm = left_out != "batch_norm"
        self.taken = Counter()

    def take(self, kind, collection="params"):
        number = self.taken[collection, kind]
        self.taken[collection, kind] += 1
        return self.left[collection].pop(f"{kind}_{number}")

    def layer(self, kind, operation, x, normed):
        """What it makes of x: normalised, or with a bias, never both."""
        own = self.take(kind)
        if not (normed and self.batch_norm):
            bias = own.pop("bias")
            x = operation(x, **own)
            return x + (bias if x.shape[-1] == len(bias) else bias.reshape(x.shape[1:]))
        x = operation(x, **own)
        seen, own = self.take("BatchNorm", "batch_stats"), self.take("BatchNorm")
        x = (x - seen["mean"]) / np.sqrt(seen["var"] + 1e-5)
        return x * own["scale"] + own["bias"]

    def assert_used(self):
        assert not any(self.left.values())
        assert ("batch_stats" in self.left) == self.batch_norm


def dense(x, kernel):
    return x.reshape(len(x), -1) @ kernel


def project(z, kernel):
    return (z @ kernel).reshape(-1, 4, 4, 2 * WIDTH)


def convolve(x, kernel, stride=2):
    layout = ("NHWC", "HWIO", "NHWC")
    x = jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=layout
    )
    return np.asarray(x)


def transposed(x, kernel):
    """The transpose of the convolution that halves an image twice as large."""
    size = 2 * x.shape[1]
    image = jax.ShapeDtypeStruct((len(x), size, size, kernel.shape[2]), x.dtype)
    layout = ("NHWC", "HWIO", "NHWC")
    back = jax.linear_transpose(
        lambda image: jax.lax.conv_general_dilated(
            image, kernel, (2, 2), "SAME", dimension_numbers=layout
        ),
        image,
    )
    return np.asarray(back(x)[0])


def upsampled(x, kernel):
    nearest = np.arange(2 * x.shape[1]) // 2
    return convolve(x[:, nearest][:, :, nearest], kernel, stride=1)


def pooled(x):
    """The largest of each 2 x 2 pixels."""
    corners = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return np.max(corners, axis=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def generator(variables, z, left_out):
    layers = Layers(variables, left_out)

    def activate(h):
        return sigmoid(h) if left_out == "relu" else np.maximum(h, 0)

    double = ("ConvTranspose", transposed)
    if left_out == "strided":
        double = ("Conv", upsampled)
    if left_out == "fully_convolutional":
        z = activate(layers.layer("Dense", dense, z, normed=True))
        assert z.shape[1] == 16 * WIDTH
    h = activate(layers.layer("Dense", project, z, normed=True))
    h = activate(layers.layer(*double, h, normed=True))
    x = layers.layer(*double, h, normed=False)
    layers.assert_used()
    return x if left_out == "relu" else np.tanh(x)


def discriminator(variables, x, left_out):
    layers = Layers(variables, left_out)

    def activate(h):
        return np.maximum(h, 0 if left_out == "leaky" else 0.2 * h)

    for normed in (False, True):
        if left_out == "strided":
            same = functools.partial(convolve, stride=1)
            x = pooled(activate(layers.layer("Conv", same, x, normed)))
        else:
            x = activate(layers.layer("Conv", convolve, x, normed))
    if left_out == "fully_convolutional":
        x = activate(layers.layer("Dense", dense, x, normed=True))
        assert x.shape[1] == 16 * WIDTH
    scores = layers.layer("Dense", dense, x, normed=False)
    layers.assert_used()
    return scores[:, 0]


def filled(shapes):
    """Variables of these shapes: weights that show in the output, variances > 0."""
    random = np.random.default_rng(0)

    def fill(path, leaf):
        low, high = (0.5, 1.5) if path[-1].key in ("var", "scale") else (-0.4, 0.4)
        return random.uniform(low, high, leaf.shape).astype(np.float32)

    return jax.tree.map_with_path(fill, shapes)


@pytest.mark.parametrize("left_out", [None, *GUIDELINES])
def test_a_point_leaves_one_guideline_out_and_nothing_else(left_out):
    cells, configs = points_of("dcgan_guidelines")
    found = [
        config
        for cell, config in zip(cells, configs, strict=True)
        if {field.split(".")[1] for field in cell} == {left_out} - {None}
    ]
    assert [config.seed for config in found] == [0, 1, 2]
    config = found[0]
    G = bind("generator", config.generator, shape=SHAPE)(width=WIDTH)
    D = bind("discriminator", config.discriminator)(width=WIDTH)
    z, x = (np.asarray(jax.random.normal(KEY, s)) for s in ((3, 10), (3, *SHAPE)))
    for network, inputs, plain in (G, z, generator), (D, x, discriminator):
        variables = filled(jax.eval_shape(network.init, KEY, inputs))
        out = jax.jit(network.apply)(variables, inputs)
        expected = plain(variables, inputs, left_out)
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(out, expected, rtol=1e-3, atol=1e-4)


def test_all_guidelines_are_left_out_in_both_networks_or_in_theirs():
    cells, _ = points_of("dcgan_guidelines")
    players = ("generator", "discriminator")
    both = [tuple(f"{p}.{guideline}" for p in players) for guideline in GUIDELINES[:3]]
    left_out = list(dict.fromkeys(map(tuple, cells)))
    assert left_out == [(), *both, ("generator.relu",), ("discriminator.leaky",)]
    assert not any(value for cell in cells for value in cell.values())


# experiments in a folder of their own


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_is_found_from_any_directory(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    file = experiments_dir() / "ablations" / f"{name}.py"
    for folder in ("experiments/ablations/", "ablations/", ""):
        assert find_experiment(f"{folder}{name}.py") == file
    close = rf"did you mean 'experiments/ablations/{name}\.py'"
    with pytest.raises(UsageError, match=close):
        find_experiment(f"experiments/ablation/{name}.py")
    with pytest.raises(UsageError):
        find_experiment(f"elsewhere/experiments/ablations/{name}.py")


def test_no_two_experiments_have_one_name():
    names = [file.name for file in experiments_dir().rglob("[a-z]*.py")]
    assert sorted(set(names)) == sorted(names)


def test_a_file_of_one_s_own_is_a_diff_of_what_lies_above_it(tmp_path):
    """Beside it, above it, and of the project's experiments by one dot or by two."""
    steps = "config = {}.get_config()\n    config.steps += {}\n    return config\n"
    for path, imported, more in (
        ("above.py", "from . import mnist_mlp", 1),
        ("own/beside.py", "from .. import above", 2),
        ("own/mine.py", "from . import beside", 4),
        ("own/other.py", "from .. import mnist_mlp", 8),
    ):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        body = steps.format(imported.split()[-1], more)
        file.write_text(f"{imported}\n\n\ndef get_config():\n    {body}")
    base = load_experiment("mnist_mlp.py")[0].steps
    found = {
        name: load_experiment(f"{tmp_path}/own/{name}.py")[0].steps - base
        for name in ("mine", "other")
    }
    assert found == {"mine": 7, "other": 8}
