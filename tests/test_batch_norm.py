"""Whose statistics a generator with batch norm samples by."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import gan_jax
from gan_jax import layers, losses, priors
from gan_jax.batch_norm import recalibrated
from gan_jax.errors import UsageError
from gan_jax.games.gan import game as gan
from gan_jax.metrics import judge
from gan_jax.models import mlp
from gan_jax.networks import network


class Normed(nn.Module):
    """Latents, scaled and shifted, then batch norm of some momentum."""

    momentum: float = 0.9

    @nn.compact
    def __call__(self, z, *, train=False):
        return layers.BatchNorm(momentum=self.momentum)(3 * z + 5, train)


def game_with(momentum):
    G, D = network(Normed(momentum)), network(mlp.Discriminator(widths=(4,)))
    return gan(G, D, losses.non_saturating(), priors.normal(dim=2))


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_recalibrated_statistics_are_the_mean_over_minibatches(momentum):
    game = game_with(momentum)
    _, (params, stats) = game.init(jax.random.key(1), {"x": jnp.zeros((2, 2))})
    found = recalibrated(game, params, stats, batch_size=64, batches=200)
    (found,) = found["batch_stats"].values()
    np.testing.assert_allclose(found["mean"], 5, atol=0.1)
    # a minibatch's variance is (n - 1) / n of the distribution's on average
    np.testing.assert_allclose(found["var"], 9 * 63 / 64, rtol=0.03)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a tiny DCGAN, whose G has batch norm."""
    from gan_jax import cli, main

    folder = tmp_path_factory.mktemp("batch_norm")
    x = np.random.default_rng(0).integers(256, size=(32, 16, 16, 1), dtype=np.uint8)
    np.save(folder / "x.npy", x)
    flags = (
        "--config.data.name=arrays",
        f"--config.data.path={folder}/x.npy",
        "--config.generator.name=dcgan",
        "--config.generator.width=4",
        "--config.discriminator.name=dcgan",
        "--config.discriminator.width=4",
        "--config.batch_size=8",
        "--config.steps=3",
        "--config.ema_decay=0.5",
        f"--workdir={folder}/run",
    )
    assert cli.run(main.main, list(flags)) == 0
    return gan_jax.load(folder / "run")


def test_samples_of_a_minibatch_depend_on_each_other_only_in_batch_mode(run):
    z = np.asarray(run.latents(8))
    other = np.concatenate([z[:1], 2 * z[1:]])
    for mode, depends in (("running", 0), ("batch", 1), ("recalibrated", 0)):
        sampler = run.sampled_by(mode)
        moved = sampler.generate(z)[0] != sampler.generate(other)[0]
        assert bool(moved.any()) == bool(depends), mode


def test_batch_mode_is_the_mode_of_training(run):
    z = np.asarray(run.latents(11))

    def in_training(z):
        how = {"key": jax.random.key(0), "train": True}
        made, _ = run.game.generate(*run.state.sampler, z, **how)
        return run.built.scaling.invert(np.asarray(made), run.info["fitted"])

    made = run.sampled_by("batch").generate(z)
    np.testing.assert_array_equal(made[:8], in_training(z[:8]))
    # the last minibatch is filled up with the first latents
    last = np.concatenate([z[8:], z[:5]])
    np.testing.assert_array_equal(made[8:], in_training(last)[:3])


def test_the_average_of_g_is_recalibrated_with_its_own_parameters(run):
    params, _ = run.sampled_by("recalibrated").state.sampler
    for one, other in zip(
        jax.tree.leaves(params), jax.tree.leaves(run.state.g_ema[0]), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    plain, _ = run.sampled_by("recalibrated", ema=False).state.sampler
    for one, other in zip(
        jax.tree.leaves(plain), jax.tree.leaves(run.state.g.params), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert run.sampled_by(ema=False).state.sampler[0] is run.state.g.params
    # statistics that are measured anew stand where an average does, and are none
    for ema in (True, False):
        told = judge.about(run.sampled_by("recalibrated", ema=ema), "name")
        assert (told["batch_norm"], told["ema"]) == ("recalibrated", ema)


def test_how_a_run_samples_is_chosen_anew_each_time(run):
    z = run.latents(3)
    expected = run.generate(z)
    chained = run.sampled_by("recalibrated", ema=False).sampled_by()
    np.testing.assert_array_equal(chained.generate(z), expected)
    assert judge.about(chained, "name") == judge.about(run, "name")
    once = run.sampled_by("recalibrated").generate(z)
    twice = run.sampled_by("batch").sampled_by("recalibrated").generate(z)
    np.testing.assert_array_equal(twice, once)
    assert (once != expected).any()


def test_what_cannot_be_sampled_by(run, digits_run):
    with pytest.raises(UsageError, match=r"batch_norm='bach'.*batch, recal"):
        run.sampled_by("bach")
    plain = gan_jax.load(digits_run)
    with pytest.raises(UsageError, match="has no batch norm"):
        plain.sampled_by("batch")


def test_samples_that_are_not_finite_are_refused(digits_run):
    run = gan_jax.load(digits_run)
    broken = jax.tree.map(lambda leaf: leaf * np.nan, run.state.g_ema)
    run = dataclasses.replace(run, state=run.state.replace(g_ema=broken))
    with pytest.raises(UsageError) as error:
        run.sample(3)
    assert re.search("not finite", str(error.value))
