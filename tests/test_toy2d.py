"""The distributions on the plane, against what a fair sample of them obeys."""

import math
import re

import numpy as np
import pytest

import gan_jax
from gan_jax.data import toy2d
from gan_jax.errors import UsageError

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
]
# A fair sample is further off than this many standard errors once in 4 million times.
FAR = 5


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(("keywords", "means", "std"), SETTINGS)
def test_modes_are_where_they_should_be_as_wide_and_as_frequent(
    keywords, means, std, split
):
    x, y, classes = toy2d.load(split=split, **keywords)
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


def test_points_are_drawn_independently():
    x, y, _ = toy2d.load()
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
    x, y, _ = toy2d.load(std=0.0, size=100)
    np.testing.assert_allclose(x, np.float32(RING)[y], atol=1e-7)
    # a mode that no point was drawn from has its name all the same
    assert len(toy2d.load(size=1).classes) == 8


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"split": "tets"}, r"no data split 'tets'; accepted: train, test.*'test'\?"),
        ({"split": "train[:9]", "size": 8}, "reaches beyond the 8 examples"),
        ({"distribution": "rong"}, r"'rong'; accepted: ring, grid; did you.*'ring'\?"),
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
        (["distribution=rong"], "distribution=rong: expected ring or grid"),
        (["modes=0"], r"data\.modes=0: must be at least 1"),
        (["modes=2.5"], r"data\.modes=2\.5: expected an integer or none"),
        (["radius=-1"], r"data\.radius=-1\.0: must be in \(0, 1e6\]"),
        (["std=-0.1"], r"data\.std=-0\.1: must be in \[0, 1e6\]"),
        (["std=1e39"], r"data\.std=1e\+39: must be in \[0, 1e6\]"),
        (["std=nan"], r"data\.std=nan: expected a number or none"),
        (["distribution=grid", "side=0"], r"data\.side=0: must be at least 1"),
        (["distribution=grid", "spacing=0"], r"spacing=0\.0: must be in \(0, 1e6\]"),
        (["size=0"], r"data\.size=0: must be at least 1"),
        (["seed=-1"], r"data\.seed=-1: must be in \[0, 2\^32\)"),
        (["side=3"], "the ring of data toy2d has no side"),
        (["flip=true"], "for images, not for vectors"),
        (["size=9"], "batch_size=128 is larger than the data: 9 examples"),
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
