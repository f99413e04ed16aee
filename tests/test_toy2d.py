"""The distributions on the plane, against what a fair sample of them obeys."""

import math
import re
import typing
import warnings

import jax
import numpy as np
import pytest
from PIL import Image
from sklearn import datasets

import gan_jax
from gan_jax import build
from gan_jax.config import resolve
from gan_jax.config.files import load_experiment, override
from gan_jax.data import loading, scaling, toy2d
from gan_jax.data.dataset import make_dataset
from gan_jax.errors import UsageError
from gan_jax.painters import make_painter, plane

CORNERS = math.sqrt(0.5)
RING = [
    *((1, 0), (CORNERS, CORNERS), (0, 1), (-CORNERS, CORNERS)),
    *((-1, 0), (-CORNERS, -CORNERS), (0, -1), (CORNERS, -CORNERS)),
]
GRID = [(a, b) for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)]
TRIANGLE = [(3, 0), (-1.5, 1.5 * math.sqrt(3)), (-1.5, -1.5 * math.sqrt(3))]
SQUARE = [(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)]
# keywords, and what they say of the modes: their means and their standard deviation
SETTINGS = [
    ({}, RING, 0.01),
    ({"distribution": "grid"}, GRID, 0.05),
    ({"modes": 3, "radius": 3.0, "std": 0.5}, TRIANGLE, 0.5),
    ({"distribution": "grid", "side": 2, "spacing": 1.0, "std": 0.2}, SQUARE, 0.2),
    ({"modes": 1, "std": 2.0}, [(1, 0)], 2.0),
    (
        {"distribution": "8gaussians"},
        [(2 / 1.414 * a, 2 / 1.414 * b) for a, b in RING],
        0.02 / 1.414,
    ),
    (
        {"distribution": "25gaussians"},
        [(a / 2.828, b / 2.828) for a, b in GRID],
        0.05 / 2.828,
    ),
]
# A fair sample is further off than this many standard errors once in 4 million times.
FAR = 5


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(("keywords", "means", "std"), SETTINGS)
def test_modes_are_where_they_should_be_as_wide_and_as_frequent(
    keywords, means, std, split
):
    x, y, classes, *_ = toy2d.load(split=split, **keywords)
    assert (x.shape, x.dtype, y.dtype) == ((50_000, 2), np.float32, np.int32)
    assert classes == tuple(str(i) for i in range(len(means)))
    assert set(y) == set(range(len(means)))
    share = 1 / len(means)
    for mode, mean in enumerate(means):
        points = x[y == mode].astype(np.float64)
        n = len(points)
        off = abs(n - 50_000 * share)
        assert off <= FAR * math.sqrt(50_000 * share * (1 - share))
        z = (points - mean) / std
        assert np.abs(z.mean(axis=0)).max() < FAR / math.sqrt(n)
        # a sum of n squares has mean n and variance 2 n, a sum of products n
        products = z.T @ z
        assert np.abs(np.diag(products) - n).max() < FAR * math.sqrt(2 * n)
        assert abs(products[0, 1]) < FAR * math.sqrt(n)
        # the share of a normal distribution within 3 standard deviations of its mean
        inside, p = (np.linalg.norm(z, axis=1) < 3).sum(), 1 - math.exp(-4.5)
        assert abs(inside - n * p) < FAR * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize(("keywords", "means", "std"), SETTINGS)
def test_the_modes_are_told(keywords, means, std):
    modes = toy2d.load(size=1, **keywords).modes
    np.testing.assert_allclose(modes.means, means, atol=1e-12)
    np.testing.assert_allclose(modes.weights, 1 / len(means), rtol=1e-12)
    assert modes.std == pytest.approx(std)


@pytest.mark.parametrize(
    "keywords",
    [
        {"distribution": "unrolled_ring"},
        {"distribution": "ring", "endpoint_bug": True},
    ],
)
def test_the_endpoint_bug_leaves_seven_modes_and_one_is_double(keywords):
    angle = np.linspace(0, 2 * np.pi, 8)
    as_published = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x, y, classes, _, modes, *_ = toy2d.load(**keywords)
    np.testing.assert_allclose(modes.means, as_published[:-1], atol=1e-12)
    np.testing.assert_allclose(modes.means[0], as_published[-1], atol=1e-12)
    np.testing.assert_allclose(modes.weights, [1 / 4] + [1 / 8] * 6)
    assert len(classes) == 7
    n = len(x)
    for share, count in zip(modes.weights, np.bincount(y), strict=True):
        assert abs(count - n * share) < FAR * math.sqrt(n * share * (1 - share))
    assert np.abs((x - modes.means[y]) / modes.std).max() < 6


def assert_alike(one, other):
    """That two samples are of one distribution, by means of many functions."""

    def functions(x):
        x = np.asarray(x, np.float64)
        waves = [
            np.cos(x @ (a, b) + c) for a in (-2, 0, 1) for b in (1, 3) for c in (0, 1)
        ]
        return np.stack([*x.T, *(x**2).T, x[:, 0] * x[:, 1], *waves])

    one, other = functions(one), functions(other)
    error = np.sqrt(one.var(axis=1) / one.shape[1] + other.var(axis=1) / other.shape[1])
    off = np.abs(one.mean(axis=1) - other.mean(axis=1)) / error
    assert off.max() < FAR, off


def test_the_swiss_roll_is_wgan_gp_s():
    roll = datasets.make_swiss_roll(50_000, noise=0.25, random_state=0)[0]
    source = toy2d.load(distribution="swiss_roll")
    assert_alike(source.x, roll[:, [0, 2]] / 7.5)
    assert (source.y, source.classes, source.modes) == (None, (), None)
    wide = toy2d.load(distribution="swiss_roll", radius=3.0, std=0.0)
    assert np.linalg.norm(wide.x, axis=1).max() == pytest.approx(3, rel=1e-3)


@pytest.mark.parametrize(("radius", "std"), [(1.0, 0.1), (1.0, 0.3), (4.0, 0.1)])
def test_the_moons_are_those_of_scikit_learn(radius, std):
    moons, labels = datasets.make_moons(50_000, noise=std / radius, random_state=0)
    source = toy2d.load(distribution="two_moons", radius=radius, std=std)
    for moon in range(2):
        assert_alike(source.x[source.y == moon] / radius, moons[labels == moon])


@pytest.mark.parametrize(("side", "spacing"), [(4, 2.0), (3, 0.5), (1, 1.0)])
def test_a_checkerboard_covers_every_other_square_evenly(side, spacing):
    x, y, classes, *_ = toy2d.load(
        distribution="checkerboard", side=side, spacing=spacing
    )
    column, row = np.floor(x / spacing + side / 2).astype(int).T
    assert set(zip(column, row, strict=True)) == {
        (i, j) for i in range(side) for j in range(side) if (i + j) % 2 == 0
    }
    assert len(classes) == -(-(side**2) // 2)
    assert len({*zip(column, row, y, strict=True)}) == len(classes)
    n, share = len(x), 1 / len(classes)
    assert np.abs(np.bincount(y) - n * share).max() <= FAR * math.sqrt(n * share)
    uniform = np.random.default_rng(1).random((n, 2))
    assert_alike((x / spacing + side / 2) % 1, uniform)


# Fresh draws


@pytest.mark.parametrize("distribution", toy2d._DISTRIBUTIONS)
def test_fresh_draws_are_of_the_same_distribution(distribution):
    source = toy2d.load(distribution=distribution, fresh=True, size=20_000)
    assert (source.y, source.classes) == (None, ())
    data = make_dataset(source, scaling.identity())
    view = jax.jit(data.view)
    indices = np.zeros((4, 5_000), np.int32)
    batch = view(data.arrays, indices, jax.random.key(0))
    assert {name: leaf.shape for name, leaf in batch.items()} == {"x": (4, 5_000, 2)}
    x = np.asarray(batch["x"]).reshape(-1, 2)
    assert_alike(x, source.x)
    again = view(data.arrays, indices, jax.random.key(0))["x"]
    np.testing.assert_array_equal(again, batch["x"])
    other = np.asarray(view(data.arrays, indices, jax.random.key(1))["x"])
    drawn = np.concatenate([x, other.reshape(-1, 2)])
    assert len(np.unique(drawn, axis=0)) > 0.999 * len(drawn)


def test_every_distribution_is_a_choice():
    choices = typing.get_type_hints(toy2d.load)["distribution"]
    assert typing.get_args(choices) == tuple(toy2d._DISTRIBUTIONS)


def test_points_are_drawn_independently():
    x, y, *_ = toy2d.load()
    z = (x - np.float32(RING)[y]) / 0.01
    for series in (*z.T, np.cos(math.tau * y / 8) * 2**0.5):
        assert abs(np.mean(series[1:] * series[:-1])) < FAR / math.sqrt(len(series))


def test_a_sample_is_given_by_its_seed_and_split():
    def same(one, other):
        return np.array_equal(one.x, other.x) and np.array_equal(one.y, other.y)

    train, test = toy2d.load(), toy2d.load(split="test")
    assert same(train, toy2d.load(seed=0))
    assert same(test, toy2d.load(split="test"))
    points = {tuple(point) for point in train.x}
    for other in test, toy2d.load(seed=1), toy2d.load(seed=1, split="test"):
        assert points.isdisjoint(tuple(point) for point in other.x)
        assert not np.array_equal(train.y, other.y)
    part = toy2d.load(split="train[1000:3000]")
    np.testing.assert_array_equal(part.x, train.x[1000:3000])
    np.testing.assert_array_equal(part.y, train.y[1000:3000])
    assert part.classes == train.classes
    last = toy2d.load(split="test[-10%:]", size=70)
    np.testing.assert_array_equal(last.x, toy2d.load(split="test", size=70).x[-7:])


def test_modes_of_no_width_are_points():
    x, y, *_ = toy2d.load(std=0.0, size=100)
    np.testing.assert_allclose(x, np.float32(RING)[y], atol=1e-7)
    # a mode that no point was drawn from has its name all the same
    assert len(toy2d.load(size=1).classes) == 8


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"split": "tets"}, r"no data split 'tets'; accepted: train, test.*'test'\?"),
        ({"split": "train[:9]", "size": 8}, "reaches beyond the 8 examples"),
        ({"distribution": "rong"}, r"'rong'; accepted: ring, grid, .*you.*'ring'\?"),
        ({"modes": 1, "endpoint_bug": True}, "needs modes=2 for its endpoint_bug"),
        (
            {"distribution": "two_moons", "modes": 2},
            "the two_moons of data toy2d has no modes; accepted: radius, std",
        ),
        (
            {"distribution": "8gaussians", "spacing": 2.0},
            "the 8gaussians of data toy2d has no spacing; accepted: modes, radius, std",
        ),
        ({"side": 3}, "the ring of data toy2d has no side; accepted: modes, radius, s"),
        (
            {"distribution": "grid", "modes": 25, "radius": 4.0, "std": 1.0},
            "the grid of data toy2d has no modes and no radius; accepted: side, spac",
        ),
    ],
)
def test_what_a_distribution_does_not_know_is_refused(keywords, message):
    with pytest.raises(UsageError, match=message):
        toy2d.load(**keywords)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["distribution=rong"], "distribution=rong: expected ring or grid or swiss"),
        (["modes=0"], r"data\.modes=0: must be between 1 and 10,000"),
        (["modes=10001"], r"data\.modes=10001: must be between 1 and 10,000"),
        (["modes=2.5"], r"data\.modes=2\.5: expected an integer or none"),
        (["radius=-1"], r"data\.radius=-1\.0: must be in \(0, 1e6\]"),
        (["std=-0.1"], r"data\.std=-0\.1: must be in \[0, 1e6\]"),
        (["std=1e39"], r"data\.std=1e\+39: must be in \[0, 1e6\]"),
        (["std=nan"], r"data\.std=nan: expected a number or none"),
        (["distribution=grid", "side=0"], r"data\.side=0: must be between 1 and 1"),
        (["distribution=grid", "side=101"], r"side=101: must be between 1 and 100"),
        (["endpoint_bug=maybe"], "endpoint_bug=maybe: expected true or false or none"),
        (["distribution=grid", "spacing=0"], r"spacing=0\.0: must be in \(0, 1e6\]"),
        (["size=0"], r"data\.size=0: must be between 1 and 10,000,000"),
        (["size=1e9"], r"data\.size=1000000000: must be between 1 and 10,000,000"),
        (["seed=-1"], r"data\.seed=-1: must be in \[0, 2\^32\)"),
        (["side=3"], "the ring of data toy2d has no side"),
        (["flip=true"], "for images, not for vectors"),
        (
            ["size=9"],
            "batch_size=128 is larger than the data of config.data: 9 examples",
        ),
        (["validation_split=train[:9]"], "shares examples with"),
    ],
)
def test_nonsense_in_a_config_is_one_line(gan, tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    flags = [f"--config.data.{flag}" for flag in flags]
    outcome = gan("--config=experiments/toy2d.py", *flags)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.error.startswith("gan_jax: ")
    assert "Traceback" not in outcome.err
    assert re.search(message, outcome.error), outcome.error
    assert list(tmp_path.iterdir()) == []


def test_the_held_out_draw_serves_for_validation(gan, tmp_path):
    flags = (
        *("--config.steps=2", "--config.log_every=1", "--config.validate_every=2"),
        *("--config.data.size=300", "--config.data.validation_split=test"),
    )
    workdir = tmp_path / "run"
    config = "--config=experiments/toy2d.py"
    outcome = gan(config, f"--workdir={workdir}", *flags)
    assert outcome.status == 0, outcome.err
    assert np.isfinite(gan_jax.load(workdir).metrics()["validation_d_loss"][-1])


# The painter


def painted(*changes, points=None):
    """A painter of the experiment toy2d and the state that it starts with."""
    config, _ = load_experiment("toy2d.py")
    small = ("generator.widths", "8"), ("discriminator.widths", "8")
    override(config, [*small, ("data.size", "300"), *changes])
    if points is None:
        dataset = loading.load_dataset(config)
    else:
        scale = resolve.bind("scaling", config.scaling)()
        dataset = make_dataset(toy2d.Source(points), scale)
    built = build.build(config, dataset.info, dataset.mean)
    state = build.initial_state(config, built)
    painter = make_painter(config, built, dataset, jax.random.key(0))
    return painter, built, state, dataset


def test_fewer_points_than_arrows_are_painted_under_any_loss():
    """A relativistic loss compares real and made examples one by one."""
    changes = ("loss.name", "relativistic"), ("batch_size", "8"), ("data.size", "20")
    painter, _, state, _ = painted(*changes)
    seen = painter.sample(state)
    assert len(seen["downhill"]) == 100
    assert np.isfinite(painter.paint(seen)).all()


def test_what_is_painted_is_what_the_players_say():
    painter, built, state, dataset = painted()
    seen = jax.device_get(painter.sample(state))
    d, side = state.d, math.isqrt(len(seen["output"]))
    # D's output, row by row from below, over a frame that holds the data
    low, high = dataset.arrays["x"].min(axis=0), dataset.arrays["x"].max(axis=0)
    margin = 0.2 * (high - low)
    corners = [low - margin, [high[0] + margin[0], low[1] - margin[1]], high + margin]
    scores = built.game.score(d, state.g, {"x": np.float32(corners)})
    expected = 1 / (1 + np.exp(-np.asarray(scores)))
    shown = seen["output"][[0, side - 1, -1]]
    np.testing.assert_allclose(shown, expected, rtol=1e-4)
    # an arrow points to where G's loss falls fastest
    samples, downhill = seen["samples"][:100], seen["downhill"]
    real = np.zeros((100, 2), np.float32)

    def g_loss(fake):
        d_real, d_fake = (built.game.score(d, state.g, {"x": x}) for x in (real, fake))
        return float(built.game.loss.g(d_real, d_fake))

    step = 1e-3 / np.linalg.norm(downhill, axis=1).max() * downhill
    fall = g_loss(samples) - g_loss(samples + step)
    assert fall == pytest.approx((step * downhill).sum(), rel=0.05)
    assert fall > 0


def test_cells_of_latents_are_equally_probable_and_mapped_by_g():
    for prior, others in (("normal", ()), ("uniform", (("prior.low", "-3"),))):
        painter, built, state, _ = painted(("prior.name", prior), ("prior.dim", "2"),
                                           *others)  # fmt: skip
        latents = jax.random.key(1), {"x": np.zeros((200_000, 0))}
        z = np.asarray(built.game.latents(*latents))
        lattice = np.asarray(plane._lattice(built.prior, z)).reshape(29, 29, 2)
        counts = np.histogram2d(*z.T, bins=(lattice[0, :, 0], lattice[:, 0, 1]))[0]
        share, n = 0.99 / 28, len(z)
        assert np.abs(counts - share**2 * n).max() < 7 * share * math.sqrt(n)
        for axis in range(2):
            line = counts.sum(axis=axis)
            assert np.abs(line - 0.99 * share * n).max() < FAR * math.sqrt(share * n)
        cells = painter.sample(state)["cells"]
        assert cells.shape == (29 * 29, 2)


@pytest.mark.parametrize(
    ("changes", "panels"),
    [
        ((), 2),
        ((("prior.dim", "3"),), 1),
        ((("prior.name", "spherical"), ("prior.dim", "2")), 1),
        ((("loss.name", "least_squares"),), 2),
        ((("pack", "4"), ("data.distribution", "two_moons")), 2),
    ],
)
def test_pictures_of_the_plane(changes, panels):
    painter, _, state, _ = painted(*changes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = painter.paint(painter.sample(state))
    assert (picture.dtype, picture.shape) == (np.uint8, (490, 460 * panels, 3))
    # the middle of every panel shows something
    for panel in range(panels):
        part = picture[60:420, 460 * panel + 60 : 460 * (panel + 1) - 30]
        assert part.reshape(-1, 3).std(axis=0).max() > 5


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((20, 2)),
        np.ones((20, 2)) * [1e6, -1e-30],
        np.random.default_rng(0).normal(size=(20, 2)) * [1e-20, 1e6] + [0, 1e6],
    ],
)
def test_any_points_can_be_painted(points):
    points = points.astype(np.float32)
    painter, _, state, _ = painted(("scaling.name", "symmetric"), points=points)
    # a D that says the same of everything has no level sets and no slope
    flat = jax.tree.map(lambda leaf: 0 * leaf, state.d.params)
    for params in (state.d.params, flat):
        seen = painter.sample(state.replace(d=state.d.replace(params=params)))
        assert painter.paint(seen).shape == (490, 920, 3)


def test_a_user_s_own_points_have_a_picture_of_the_plane_and_no_known_modes(
    gan, tmp_path
):
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(200, 2)))
    outcome = gan(
        *("--config=experiments/toy2d.py", "--config.data.name=arrays"),
        *(f"--config.data.path={tmp_path}/points.npy", "--config.steps=1"),
        *("--config.log_every=1", "--config.validate_every=1"),
        f"--workdir={tmp_path}/run",
    )
    assert outcome.status == 0, outcome.err
    with Image.open(tmp_path / "run" / "samples" / "00000001.png") as picture:
        assert picture.size == (920, 490)
    assert "modes" not in gan_jax.load(tmp_path / "run").metrics()
    assert not (tmp_path / "run" / "quality.png").exists()
