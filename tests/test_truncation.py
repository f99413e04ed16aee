"""Latents pulled towards what is typical: the prior's law, runs, the command."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image
from test_main import refused

import gan_jax
from gan_jax import priors, sample
from gan_jax.errors import UsageError

KEY = jax.random.key(0)
NORMAL = priors.normal(dim=4)


@pytest.fixture(scope="module")
def run(labelled_run):
    """A conditional run with batch norm and a normal prior of 4 numbers."""
    return gan_jax.load(labelled_run)


# the law


@pytest.mark.parametrize("bound", [0.01, 0.5, 2.0, 6.0])
def test_a_truncated_normal_is_the_same_quantile_within_the_bound(bound):
    """As jax draws it by the same key, and as scipy has its law."""
    z = NORMAL(KEY, 2_000)
    found = np.asarray(NORMAL.truncate(z, bound))
    drawn = jax.random.truncated_normal(KEY, -bound, bound, z.shape)
    np.testing.assert_allclose(found, drawn, rtol=1e-3, atol=1e-3 * bound)
    quantiles = scipy.stats.norm.cdf(np.float64(z))
    exact = scipy.stats.truncnorm.ppf(quantiles, -bound, bound)
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-3 * bound)
    assert np.abs(found).max() <= np.float32(bound)
    assert np.abs(found).max() > 0.95 * min(bound, 3)


def test_nothing_is_truncated_far_out():
    z = NORMAL(KEY, 2_000)
    np.testing.assert_allclose(NORMAL.truncate(z, 100.0), z, rtol=1e-3)
    far = jnp.float32([[-9.0, 9.0, 0.0, 7.0]])
    assert np.isfinite(NORMAL.truncate(far, 100.0)).all()


# runs


def test_samples_of_a_truncation_are_those_of_the_latents_moved(run):
    z, moved = run.latents(6, seed=3), run.latents(6, seed=3, truncation=0.3)
    np.testing.assert_array_equal(moved["y"], z["y"])
    np.testing.assert_array_equal(moved["z"], NORMAL.truncate(z["z"], 0.3))
    assert np.abs(moved["z"]).max() <= 0.3 < np.abs(z["z"]).max()
    sevens = run.latents(6, 3, "7", truncation=0.3)
    assert (sevens["y"] == 7).all()
    assert run.truncated(z) is z
    by_batch = run.sampled_by("batch")  # an untrained G shows more of z so
    samples = by_batch.sample(6, 3, truncation=0.3)
    np.testing.assert_array_equal(samples, by_batch.generate(moved))
    assert (samples != by_batch.sample(6, 3)).any()
    same = run.sampled_by("batch", truncation=0.3).sample(6, 3)
    np.testing.assert_array_equal(same, samples)


def test_recalibrated_statistics_are_of_truncated_latents(run):
    """Of the first layer, a linear one: of less noise, statistics of less variance."""

    def variance(bound):
        again = run.sampled_by("recalibrated", truncation=bound)
        statistics = again.state.sampler[1]["batch_stats"]["BatchNorm_0"]
        return float(statistics["var"].mean())

    assert 0 < variance(0.1) < variance(None)  # the labels are left


def test_a_game_s_own_truncation_comes_first(run):
    """It is given G, and what it makes of latents is what G is given."""

    def truncate(params, stats, z, psi):
        centre = jax.tree.leaves(params)[0].mean()
        return z | {"z": centre + psi * (z["z"] - centre)}

    built = run.built._replace(game=run.game._replace(truncate=truncate))
    own = dataclasses.replace(run, built=built)
    z, centre = own.latents(4), jax.tree.leaves(run.state.sampler[0])[0].mean()
    expected = centre + (z["z"] - centre) / 4
    np.testing.assert_allclose(own.truncated(z, 0.25)["z"], expected, rtol=1e-5)
    np.testing.assert_allclose(own.latents(4, truncation=0)["z"], centre, rtol=1e-5)
    np.testing.assert_array_equal(
        own.sample(4, truncation=0.25), own.generate(own.truncated(z, 0.25))
    )
    for psi in (-0.5, 1.5, np.nan):
        with pytest.raises(UsageError, match="must be between 0 and 1"):
            own.latents(4, truncation=psi)


@pytest.mark.parametrize("prior", [priors.uniform(dim=4), priors.spherical(dim=4)])
def test_other_priors_have_none(run, prior):
    other = dataclasses.replace(run, built=run.built._replace(prior=prior))
    with pytest.raises(UsageError, match=r"truncation=0\.5: this run has none; .*norm"):
        other.sample(1, truncation=0.5)
    with pytest.raises(UsageError, match="this run has none"):
        other.sampled_by(truncation=0.5)


# python -m gan_jax.sample


def test_the_command_takes_one_truncation_or_a_row_of_each(run, draw, tmp_path):
    def drawn(*flags):
        to = f"--workdir={run.workdir}", f"--out={tmp_path}/x.npz", "--seed=2"
        outcome = draw(*to, "--num=6", *flags)
        assert outcome.status == 0, outcome.err
        with np.load(tmp_path / "x.npz") as arrays:
            return dict(arrays)

    one = drawn("--truncation=.5", "--label=7")
    np.testing.assert_array_equal(one["x"], run.sample(6, 2, "7", truncation=0.5))
    np.testing.assert_array_equal(one["z"], run.latents(6, 2, "7", truncation=0.5)["z"])
    both = drawn("--truncation=.5,2", "--batch_norm=batch")
    z = np.concatenate([run.latents(3, 2, truncation=t)["z"] for t in (0.5, 2.0)])
    np.testing.assert_array_equal(both["z"], z)
    np.testing.assert_array_equal(both["y"][:3], both["y"][3:])
    again = run.sampled_by("batch", truncation=2.0)
    np.testing.assert_array_equal(both["x"][3:], again.sample(3, 2))


def test_pictures_and_walks_of_several_truncations(run, draw, tmp_path):
    to = f"--workdir={run.workdir}", "--num=6", "--truncation=.5,2"
    for out in ("rows.png", "walk.gif"):
        more = ["--interpolate"] if out == "walk.gif" else []
        outcome = draw(*to, f"--out={tmp_path / out}", *more)
        assert outcome.status == 0, outcome.err
        with Image.open(tmp_path / out) as picture:
            assert picture.size == (3 * 58 + 2, 2 * 58 + 2)  # a row of each
    outcome = draw(*to, "--label=all", f"--out={tmp_path}/x.png")
    refused(outcome, "one class, or one truncation")


def test_a_walk_is_straight_in_what_a_game_s_own_truncation_makes(
    run, tmp_path, monkeypatch
):
    def truncate(params, stats, z, psi):
        return z | {"z": psi * z["z"] ** 3}

    built = run.built._replace(game=run.game._replace(truncate=truncate))
    own = dataclasses.replace(run, built=built)
    monkeypatch.setattr(sample, "load", lambda *_: own)
    seen, generate = [], type(run).generate
    monkeypatch.setattr(
        type(run), "generate", lambda self, z: seen.append(z) or generate(self, z)
    )
    flags = f"--out={tmp_path}/walk.gif", "--workdir=run", "--num=2", "--label=7"
    for psi, more in ((1.0, ()), (0.5, ("--truncation=.5",))):
        seen.clear()
        sample.main([*flags, "--interpolate", *more])
        z = run.latents(2 * sample._STATIONS, label="7")
        stations = psi * np.asarray(z["z"]).reshape(sample._STATIONS, 2, -1) ** 3
        way = np.stack([place["z"] for place in seen])
        assert len(way) == sample._STATIONS * sample._FRAMES
        np.testing.assert_allclose(way[:: sample._FRAMES], stations, rtol=1e-5)
        half = way[sample._FRAMES // 2]
        np.testing.assert_allclose(half, stations[:2].mean(0), rtol=1e-4, atol=1e-6)
        assert (np.stack([place["y"] for place in seen]) == 7).all()
