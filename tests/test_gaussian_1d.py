"""Data on a line: its distribution, its pictures, and a GAN that learns it."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax import build, theory
from gan_jax.config.files import load_experiment
from gan_jax.data import gaussian_1d, loading
from gan_jax.errors import UsageError
from gan_jax.painters import line, make_painter
from gan_jax.train_step import make_train_step

MIXTURE = {"means": (-2.0, 1.0), "stds": (0.5, 1.0), "weights": (1.0, 3.0)}


def cdf(x, means, stds, weights):
    parts = [
        w * scipy.stats.norm.cdf(x, mean, std)
        for w, mean, std in zip(weights, means, stds, strict=True)
    ]
    return sum(parts) / sum(weights)


def fresh(source, *shape, seed=0):
    draw = jax.jit(source.fresh, static_argnums=2)
    return np.asarray(draw({"x": source.x}, jax.random.key(seed), shape))


@pytest.mark.parametrize("split", ["train", "test"])
def test_both_the_sample_and_fresh_draws_follow_the_mixture(split):
    source = gaussian_1d.load(split=split, **MIXTURE)
    assert (source.x.shape, source.x.dtype) == ((50_000, 1), np.float32)
    for x in (source.x, fresh(source, 50_000)):
        test = scipy.stats.kstest(x[:, 0], lambda v: cdf(v, **MIXTURE))
        # of a fair sample this small once in a million times
        assert test.pvalue > 1e-6
    other = {**MIXTURE, "means": (-2.0, 1.1)}
    assert scipy.stats.kstest(source.x[:, 0], lambda v: cdf(v, **other)).pvalue < 1e-6


def test_one_number_serves_for_all_and_weights_are_relative():
    means = (-1.0, 0.0, 4.0)
    every = gaussian_1d.load(
        means=means, stds=(0.5,) * 3, weights=(0.2,) * 3, size=1000
    )
    one = gaussian_1d.load(means=means, stds=(0.5,), size=1000)
    np.testing.assert_array_equal(every.x, one.x)
    np.testing.assert_array_equal(fresh(every, 9), fresh(one, 9))


def test_samples_are_given_by_seed_and_split_and_fresh_draws_by_the_key():
    source = gaussian_1d.load(size=500)
    np.testing.assert_array_equal(source.x, gaussian_1d.load(size=500).x)
    part = gaussian_1d.load(split="train[100:200]", size=500)
    np.testing.assert_array_equal(part.x, source.x[100:200])
    for other in (
        gaussian_1d.load(size=500, seed=1),
        gaussian_1d.load(size=500, split="test"),
    ):
        assert not np.isin(other.x, source.x).any()
    draws = fresh(source, 3, 50)
    assert (draws.shape, draws.dtype) == ((3, 50, 1), np.float32)
    assert len(np.unique(draws)) == 150
    np.testing.assert_array_equal(draws, fresh(source, 3, 50))
    assert not np.isin(fresh(source, 3, 50, seed=1), draws).any()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"stds": (1.0, 2.0)}, "has 1 means and 2 stds; accepted: as many, or one"),
        ({"means": (1.0, 2.0, 3.0), "weights": (1.0, 2.0)}, "3 means and 2 weights"),
        ({"split": "tset"}, "no data split 'tset'; accepted: train, test"),
    ],
)
def test_what_makes_no_mixture_is_refused(keywords, message):
    with pytest.raises(UsageError, match=message):
        gaussian_1d.load(**keywords)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("means=", r"data\.means=\(\): must be in \+-1e6"),
        ("means=1e39", r"data\.means=\(1e\+39,\): must be in \+-1e6"),
        ("stds=", r"data\.stds=\(\): must be in \[0, 1e6\]"),
        ("weights=", r"data\.weights=\(\): each must be positive"),
        ("means=1,x", "expected numbers separated by commas"),
        ("stds=-1", r"data\.stds=\(-1\.0,\): must be in \[0, 1e6\]"),
        ("weights=0,1", r"data\.weights=\(0\.0, 1\.0\): each must be positive"),
        ("weights=1,1", "1 means and 2 weights"),
    ],
)
def test_nonsense_in_a_config_is_one_line(gan, tmp_path, monkeypatch, flag, message):
    monkeypatch.chdir(tmp_path)
    outcome = gan("--config=experiments/gaussian_1d.py", f"--config.data.{flag}")
    assert outcome.status == 2
    assert re.search(message, outcome.error), outcome.error
    assert "Traceback" not in outcome.err


# --- the pictures ---


@pytest.fixture(scope="module")
def scene():
    """The experiment, its functions, and a state trained for some steps."""
    config, _ = load_experiment("gaussian_1d.py")
    dataset = loading.load_dataset(config)
    built = build.build(config, dataset.info, dataset.mean)
    train_step = make_train_step(built.game, built.d_tx, built.g_tx, built.schedule)
    shape = config.d_steps, config.batch_size

    def step(state, key):
        batch = dataset.view(dataset.arrays, jnp.zeros(shape, jnp.int32), key)
        return train_step(state, batch)[0], None

    start = build.initial_state(config, built)
    keys = jax.random.split(jax.random.key(0), 1000)
    train = jax.jit(lambda state: jax.lax.scan(step, state, keys)[0])
    return config, built, dataset, start, train(start)


def test_the_experiment_learns_the_distribution(scene):
    config, built, dataset, start, trained = scene
    painter = make_painter(config, built, dataset, jax.random.key(1))
    data = dataset.arrays["x"][:20_000, 0]
    distance = [
        float(theory.wasserstein1_of_samples(painter.sample(state).samples[:, 0], data))
        for state in (start, trained)
    ]
    assert distance[0] > 0.8
    assert distance[1] < 0.15
    # D is at its wits' end where the data are
    x = np.linspace(-0.5, 2.5, 31, dtype=np.float32)[:, None]
    scores = built.game.score(trained.d, trained.g, {"x": x})
    assert np.abs(built.game.loss.output(scores) - 0.5).mean() < 0.1


def test_a_picture_shows_d_g_and_the_latents_of_the_state(scene):
    config, built, dataset, _, state = scene
    painter = make_painter(config, built, dataset, jax.random.key(1))
    seen = painter.sample(state)
    x = dataset.arrays["x"]
    low, high = x.min() - 0.15 * np.ptp(x), x.max() + 0.15 * np.ptp(x)
    axis = np.linspace(low, high, len(seen.output), dtype=np.float32)[:, None]
    scores = built.game.score(state.d, state.g, {"x": axis})
    np.testing.assert_allclose(seen.output, jax.nn.sigmoid(scores), atol=1e-5)
    # the arrows' latents are evenly spread over the prior
    spread = jnp.linspace(config.prior.low, config.prior.high, len(seen.ends))
    ends, _ = built.game.generate(*state.sampler, spread[:, None])
    np.testing.assert_allclose(seen.ends, ends, atol=0.15)
    picture = painter.paint(seen)
    assert (picture.dtype, picture.shape[2]) == (np.uint8, 3)
    np.testing.assert_array_equal(picture, painter.paint(painter.sample(state)))


def test_curves_have_their_colours(scene):
    config, built, dataset, start, state = scene
    painter = make_painter(config, built, dataset, jax.random.key(1))
    for each in (start, state):
        picture = painter.paint(painter.sample(each)).reshape(-1, 3).astype(int)
        for color in ((44, 160, 44), (31, 119, 180), (0, 0, 0)):  # C2, C0, black
            assert (np.abs(picture - color).max(axis=1) < 12).sum() > 100


def test_stills_stand_side_by_side(scene):
    config, built, dataset, start, state = scene
    key = jax.random.key(1)
    four = line.stills(config, built, dataset, key, [start, state, start, state])
    two = line.stills(config, built, dataset, key, [start, state])
    assert four.shape[0] == two.shape[0]
    assert four.shape[1] == pytest.approx(2 * two.shape[1], abs=2)
    same = line.stills(config, built, dataset, key, [start, start])
    assert (same != two).any()


def test_a_density_estimate_is_the_density():
    x = np.random.default_rng(0).standard_normal(200_000)
    axis = np.linspace(-6, 6, 301)
    density = line._density(x, axis)
    np.testing.assert_allclose(density, scipy.stats.norm.pdf(axis), atol=0.015)
    assert np.sum(density) * (axis[1] - axis[0]) == pytest.approx(1, abs=1e-3)
    # what lies outside the picture is not squeezed into it
    half = line._density(x, np.linspace(0, 6, 301))
    assert np.sum(half) * 6 / 300 == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("flags", [("prior.dim", 3), ("loss.name", "least_squares")])
def test_other_priors_and_losses_can_be_drawn(flags):
    config, _ = load_experiment("gaussian_1d.py")
    with config.unlocked():
        entry, key = flags[0].split(".")
        config[entry] = {"name": config[entry].name} | {key: flags[1]}
    dataset = loading.load_dataset(config)
    built = build.build(config, dataset.info, dataset.mean)
    painter = make_painter(config, built, dataset, jax.random.key(0))
    seen = painter.sample(build.initial_state(config, built))
    assert (seen.ends is None) == (entry == "prior")
    assert np.ptp(painter.paint(seen)) == 255
