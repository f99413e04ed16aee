"""Mode coverage: against its definition, known histograms and fair samples."""

import math

import numpy as np
import pytest
import scipy.stats

import gan_jax
from gan_jax import build
from gan_jax.data import loading, toy2d
from gan_jax.data.source import Modes
from gan_jax.metrics import modes as metrics
from gan_jax.state import keys_of
from gan_jax.watches.modes import make_mode_watch

RING = toy2d.load(size=1).modes
RNG = np.random.default_rng(0)


def by_definition(samples, means, std):
    """The counts sample by sample: the next mode, and whether it is within 3 std."""
    counts = [0] * len(means)
    for x in samples:
        distances = [math.dist(x, mean) / std for mean in means]
        if min(distances) < 3:
            counts[distances.index(min(distances))] += 1
    return counts


@pytest.mark.parametrize("std", [0.01, 0.3, 2.0])  # of the modes; the last ones overlap
def test_counts_are_those_of_the_definition(std):
    samples = RNG.uniform(-1.5, 1.5, (400, 2))
    samples[:200] = RING.means[RNG.integers(8, size=200)]
    samples[:200] += 1.5 * std * RNG.normal(size=(200, 2))
    counts = metrics.mode_counts(samples, RING.means, std)
    assert counts.tolist() == by_definition(samples, RING.means, std)
    assert 0 < counts.sum() < 400 or std == 2.0


def test_a_sample_counts_within_three_standard_deviations():
    angle = np.linspace(0, 2 * np.pi, 60)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for scale, counted in ((2.999, 60), (3.001, 0)):
        samples = RING.means[2] + scale * RING.std * circle
        counts = metrics.mode_counts(samples, RING.means, RING.std)
        assert counts.tolist() == [0, 0, counted, 0, 0, 0, 0, 0]


def test_large_numbers_are_counted_in_parts_with_the_same_result():
    grid = toy2d.load(distribution="grid", side=30, size=3_000)
    many = metrics.mode_counts(grid.x, grid.modes.means, grid.modes.std)
    parts = [
        metrics.mode_counts(part, grid.modes.means, grid.modes.std)
        for part in np.array_split(grid.x, 10)
    ]
    np.testing.assert_array_equal(many, np.sum(parts, axis=0))
    inside = np.abs(grid.x - grid.modes.means[grid.y]) ** 2
    inside = inside.sum(axis=1) < (3 * grid.modes.std) ** 2
    expected = np.bincount(grid.y[inside], minlength=900)
    np.testing.assert_array_equal(many, expected)


def test_samples_that_are_not_finite_are_nowhere():
    samples = np.float32([[np.nan, 0], [np.inf, 0], [1, 0]])
    counts = metrics.mode_counts(samples, RING.means, RING.std)
    assert counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert metrics.high_quality(counts, 3) == pytest.approx(1 / 3)


def test_modes_of_no_width_have_no_sample_within():
    assert metrics.mode_counts(RING.means, RING.means, 0.0).sum() == 0


def test_one_sample_captures_a_mode():
    assert metrics.modes_captured([0, 1, 500, 0]) == 2
    assert metrics.modes_captured(np.zeros(4, int)) == 0


@pytest.mark.parametrize("weights", [None, [1, 1, 1, 1], [0.4, 0.1, 0.2, 0.3]])
def test_reverse_kl_is_the_divergence_of_the_histogram_from_the_weights(weights):
    counts = [7, 0, 1, 92]
    expected = scipy.stats.entropy(counts, [1, 1, 1, 1] if weights is None else weights)
    assert metrics.reverse_kl(counts, weights) == pytest.approx(expected, rel=1e-12)


def test_reverse_kl_at_its_ends():
    assert metrics.reverse_kl([3, 3, 3]) == pytest.approx(0, abs=1e-12)
    assert metrics.reverse_kl([0, 9, 0]) == pytest.approx(math.log(3))
    counts = [40, 25, 35]
    less_entropy = math.log(3) - scipy.stats.entropy(counts)
    assert metrics.reverse_kl(counts) == pytest.approx(less_entropy)
    assert metrics.reverse_kl([2, 1], [2 / 3, 1 / 3]) == pytest.approx(0, abs=1e-12)
    assert math.isnan(metrics.reverse_kl([0, 0, 0]))


@pytest.mark.parametrize("distribution", ["ring", "grid", "unrolled_ring"])
def test_fair_samples_are_perfect(distribution):
    n, trials = 500, 1_000
    source = toy2d.load(distribution=distribution, size=n * trials)
    judged = [metrics.judge(part, source.modes) for part in np.split(source.x, trials)]
    perfect = metrics.perfect(source.modes, n)
    k = len(source.modes.means)
    assert (
        perfect["modes"]
        == k
        == {"ring": 8, "grid": 25, "unrolled_ring": 7}[distribution]
    )
    assert all(row["modes"] == k for row in judged)
    p = perfect["high_quality"]
    assert p == pytest.approx(1 - math.exp(-4.5), rel=1e-12)
    share = np.mean([row["high_quality"] for row in judged])
    assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / len(source.x))
    # 2 n KL is chi-squared with k - 1 degrees of freedom
    kl = np.mean([row["reverse_kl"] for row in judged])
    error = math.sqrt(2 * (k - 1) / trials) / (2 * n)
    assert abs(kl - perfect["reverse_kl"]) < 5 * error


@pytest.mark.parametrize("dim", [1, 2, 3, 8, 1200])
def test_the_share_of_high_quality_in_any_dimension(dim):
    # the squared distance from the mean of a normal distribution is chi-squared
    expected = scipy.stats.chi2(dim).cdf(9)
    assert metrics.perfect_high_quality(dim) == pytest.approx(expected, abs=1e-12)


def test_no_reverse_kl_without_a_sample_of_high_quality():
    far = np.zeros((5, 2))
    assert metrics.judge(far, RING) == {"modes": 0, "high_quality": 0.0}


# In a run

FLAGS = (
    "--config=experiments/toy2d.py",
    *("--config.steps=4", "--config.log_every=1", "--config.validate_every=2"),
    *("--config.sample_every=4", "--config.data.size=300"),
    *("--config.generator.widths=8", "--config.discriminator.widths=8"),
)


def test_a_run_logs_the_modes_of_what_it_samples(gan, tmp_path):
    # modes as wide as the ring, with samples near them from the first step on
    wide = (
        *("--config.data.std=0.3", "--config.scaling.name=symmetric"),
        "--config.data.fresh=true",
    )
    outcome = gan(*FLAGS, *wide, f"--workdir={tmp_path}/run")
    assert outcome.status == 0, outcome.err
    run = gan_jax.load(tmp_path / "run")
    logged = run.metrics()
    assert np.isnan(logged["modes"]).tolist() == [True, False, True, False]
    assert (tmp_path / "run" / "quality.png").is_file()

    dataset = loading.load_dataset(run.config)
    assert dataset.info == run.info
    built = build.build(run.config, dataset.info, dataset.mean)
    sample_key = keys_of(run.config.seed)["samples"]
    watch = make_mode_watch(run.config, built, dataset, sample_key)
    values = watch.read(watch.compute(run.state))
    assert 0 < values["high_quality"] < 1
    assert {name: logged[name][-1] for name in values} == pytest.approx(values)

    # the same from scratch, in the units of the data
    z = built.game.latents(sample_key, {"x": np.empty((2_500, 0))})
    made = run.generate(z)
    counts = by_definition(made, metrics.known_modes(run.info).means, 0.3)
    assert values["high_quality"] == pytest.approx(sum(counts) / 2_500, abs=2e-3)


def test_modes_survive_the_record_of_a_run():
    modes = Modes(RING.means, 0.5, RING.weights)
    info = {
        "modes": {name: np.asarray(v).tolist() for name, v in modes._asdict().items()}
    }
    for known, given in zip(metrics.known_modes(info), modes, strict=True):
        np.testing.assert_array_equal(known, given)
    assert metrics.known_modes({}) is None  # of an older run
