"""Stacked MNIST: what is stacked, how triples are drawn, and how they are counted."""

import math
import os
from pathlib import Path

import jax
import numpy as np
import pytest

import gan_jax
from gan_jax.data import scaling, stacked_mnist, tfds
from gan_jax.data.dataset import make_dataset
from gan_jax.data.source import Source, select
from gan_jax.errors import UsageError
from gan_jax.metrics import modes, stacked
from gan_jax.metrics.features import load_features

# A fair sample is further off than this many standard errors once in 4 million times.
FAR = 5


def digit_of(index):
    return (7 * index + 3) % 10


@pytest.fixture
def digits(monkeypatch):
    """In the place of MNIST: 60 and 20 digits, whose pixels tell their index, 0 to 79.

    The first row is another: 255 less the index.
    """

    def load(*, builder, split):
        assert builder == "mnist"
        first, n = {"train": (0, 60), "test": (60, 20)}[split.partition("[")[0]]
        index = np.arange(first, first + n)
        x = np.empty((n, 28, 28, 1), np.uint8)
        x[:] = index[:, None, None, None]
        x[:, 0] = 255 - x[:, 0]
        y = digit_of(index).astype(np.int32)
        return select(Source(x, y, tuple("0123456789")), split)

    monkeypatch.setattr(tfds, "load", load)


def indices(x):
    """Which digits are the channels of [.., 28, 28, 3]; they are whole: [.., 3]."""
    x = np.asarray(x)
    assert x.dtype == np.uint8
    assert x.shape[-3:] == (28, 28, 3)
    index = x[..., 5, 5, :]
    np.testing.assert_array_equal(x[..., 1:, :, :] - index[..., None, None, :], 0)
    np.testing.assert_array_equal(255 - x[..., 0, :, :] - index[..., None, :], 0)
    return index.astype(int)


def triples(indices):
    a, b, c = np.moveaxis(digit_of(indices), -1, 0)
    return 100 * a + 10 * b + c


def assert_uniform_and_independent(index, n):
    """Of drawn digits [size, 3] below n: each as often, whatever the other two are."""
    size = len(index)
    for channel in index.T:
        counts = np.bincount(channel, minlength=n)
        deviation = math.sqrt(size * (1 / n) * (1 - 1 / n))
        assert np.abs(counts - size / n).max() < FAR * deviation
    for one, other in ((0, 1), (0, 2), (1, 2)):
        p = 1 / n  # of equal digits in two channels, and of any other fixed difference
        for shift in (0, 1, 2):
            equal = ((index[:, one] - index[:, other]) % n == shift).sum()
            assert abs(equal - size * p) < FAR * math.sqrt(size * p * (1 - p))


@pytest.mark.parametrize(
    ("split", "first", "stop"),
    [
        ("train", 0, 60),
        ("test", 60, 80),
        ("all", 0, 80),
        ("train[:50]", 0, 50),
        ("train[50:]", 50, 60),
        ("all[50:70]", 50, 70),
        ("test[-25%:]", 75, 80),
    ],
)
def test_triples_are_of_the_digits_of_the_split(digits, split, first, stop):
    x, y, classes, *rest = stacked_mnist.load(split=split, size=20_000)
    assert not any(rest)  # drawn, of modes, pairs, text
    assert y.dtype == np.int32
    assert (len(classes), classes[7], classes[70], classes[999]) == (
        *(1000, "007", "070", "999"),
    )
    index = indices(x)
    np.testing.assert_array_equal(y, triples(index))
    assert (index.min(), index.max() + 1) == (first, stop)
    assert_uniform_and_independent(index - first, stop - first)


def test_triples_are_given_by_their_seed(digits):
    one, same, other = (stacked_mnist.load(size=500, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(one.x, same.x)
    np.testing.assert_array_equal(one.y, same.y)
    # two in 216,000 triples are the same by chance 500 * 500 / 216,000 times
    seen = {tuple(index) for index in indices(one.x)}
    assert sum(tuple(index) in seen for index in indices(other.x)) < 10


def test_as_many_triples_as_veegan(digits):
    assert len(stacked_mnist.load(split="test").x) == 128_000


@pytest.mark.parametrize(("split", "kept"), [("train", 60), ("test", 18), ("all", 78)])
@pytest.mark.slow
def test_fresh_sources_store_the_digits_themselves(digits, split, kept):
    x, y, _, fresh, *_ = stacked_mnist.load(split=split, fresh=True)
    first = 60 if split == "test" else 0
    assert indices(x).ravel().tolist() == list(range(first, first + kept))
    np.testing.assert_array_equal(y, triples(indices(x)))
    draw = jax.jit(fresh, static_argnums=2)
    drawn = draw({"x": x, "y": y}, jax.random.key(0), (40, 500))
    assert drawn.shape == (40, 500, 28, 28, 3)
    index = indices(drawn)
    assert_uniform_and_independent(index.reshape(-1, 3) - first, kept)
    # minibatches of one draw are not alike either
    assert (index[0] == index[1]).mean() < 0.2
    again = draw({"x": x, "y": y}, jax.random.key(0), (40, 500))
    np.testing.assert_array_equal(drawn, again)
    other = indices(draw({"x": x, "y": y}, jax.random.key(1), (40, 500)))
    assert (index == other).mean() < 0.2


def test_a_minibatch_is_of_fresh_triples_under_the_scaling(digits):
    source = stacked_mnist.load(fresh=True)
    for scale, low, high in ((scaling.unit(), 0, 1), (scaling.symmetric(), -1, 1)):
        dataset = make_dataset(source, scale)
        batch = jax.jit(dataset.view)(
            dataset.arrays, np.zeros((2, 100), np.int32), jax.random.key(0)
        )
        assert batch.keys() == {"x"}
        assert batch["x"].shape == (2, 100, 28, 28, 3)
        index = indices(dataset.to_uint8(batch["x"]))
        assert len({tuple(row) for row in index.reshape(-1, 3)}) > 190
        expected = low + (high - low) * index / 255
        np.testing.assert_allclose(batch["x"][..., 5, 5, :], expected, atol=1e-6)


def test_the_small_experiment_trains_on_fresh_triples(digits, gan, tmp_path):
    workdir = tmp_path / "run"
    outcome = gan(
        *("--config=experiments/stacked_mnist_small.py", f"--workdir={workdir}"),
        *("--config.steps=2", "--config.batch_size=8", "--config.log_every=1"),
        *("--config.generator.name=mlp", "--config.generator.widths=8"),
        *("--config.discriminator.name=mlp", "--config.discriminator.widths=8"),
    )
    assert outcome.status == 0, outcome.err
    assert "20 examples of 28x28x3" in outcome.out + outcome.err
    run = gan_jax.load(workdir)
    assert np.isfinite(run.metrics()["d_loss"]).all()
    assert run.sample(3).shape == (3, 28, 28, 3)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"split": "tset"}, r"'tset'; accepted: train, test, all.*'test'\?"),
        ({"split": "all[:81]"}, "reaches beyond the 80 examples"),
        ({"split": "train[60:]"}, "reaches beyond the 60 examples"),
        ({"fresh": True, "size": 10}, "size=10 is a number of triples drawn once"),
    ],
)
def test_what_cannot_be_stacked_is_refused(digits, keywords, message):
    with pytest.raises(UsageError, match=message) as error:
        stacked_mnist.load(**keywords)
    assert "\n" not in str(error.value)


# Reading and counting


def test_the_digit_of_every_channel_is_read():
    digits = np.random.default_rng(0).integers(0, 10, (50, 1, 1, 3), np.uint8)
    images = np.broadcast_to(digits, (50, 28, 28, 3))
    seen = []

    def classify(x):
        """By the pixels, which are all the digit; sure of it by 0.3 or by 0.9."""
        assert x.shape[1:] == (28, 28, 1)
        assert x.dtype == np.uint8
        assert np.ptp(x, axis=(1, 2, 3)).max() == 0
        seen.append(len(x))
        digit = x[:, 0, 0, 0]
        sure = np.where(np.arange(len(x)) % 2, 0.3, 0.9)[:, None]
        return np.where(np.eye(10)[digit] == 1, sure, (1 - sure) / 9)

    labels = stacked.read_triples(classify, images)
    a, b, c = digits[:, 0, 0].T.astype(int)
    np.testing.assert_array_equal(labels, 100 * a + 10 * b + c)
    assert sum(seen) == 150


@pytest.mark.parametrize("k", [1, 10, 250, 1000])
def test_k_equal_modes_have_the_kl_log_of_1000_over_k(k):
    rng = np.random.default_rng(k)
    labels = rng.permutation(np.repeat(rng.permutation(1000)[:k], 7))
    found = stacked.stacked_modes(labels)
    assert found["modes"] == k
    np.testing.assert_allclose(found["kl"], math.log(1000 / k), atol=1e-12)


def test_kl_is_that_of_the_definition():
    labels = np.repeat([3, 77, 999], [1, 2, 5])
    expected = sum(p * math.log(p * 1000) for p in (1 / 8, 2 / 8, 5 / 8))
    found = stacked.stacked_modes(labels)
    assert found == {"modes": 3, "kl": pytest.approx(expected, rel=1e-12)}


def test_a_perfect_sampler_scores_its_floor():
    """2 N KL is about chi-squared of K - 1 degrees of freedom."""
    n, runs = 26_000, 20
    rng = np.random.default_rng(0)
    found = [stacked.stacked_modes(rng.integers(1000, size=n)) for _ in range(runs)]
    assert {each["modes"] for each in found} == {1000}
    floor = modes.perfect_reverse_kl(1000, n)
    assert floor == pytest.approx(0.0192, abs=5e-5)
    error = math.sqrt(2 * 999 / runs) / (2 * n)
    # the next term of the floor, about K^2 / 12 N^2, is 0.6 % of it
    mean = np.mean([each["kl"] for each in found])
    assert abs(mean - floor) < FAR * error + 0.01 * floor


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 28, 28, 1), np.uint8),
        np.zeros((2, 32, 32, 3), np.uint8),
        np.zeros((28, 28, 3), np.uint8),
        np.zeros((2, 28, 28, 3), np.float32),
    ],
)
def test_other_images_are_not_read(images):
    with pytest.raises(UsageError, match=r"uint8 \[n, 28, 28, 3\], not"):
        stacked.read_triples(lambda x: np.zeros((len(x), 10)), images)


@pytest.mark.parametrize("labels", [[], [-1, 3], [5, 1000]])
def test_what_is_no_triple_is_not_counted(labels):
    with pytest.raises(UsageError, match="from 0 to 999"):
        stacked.stacked_modes(labels)


# MNIST itself


@pytest.fixture(scope="module")
def mnist():
    """The real data set; skips where it is not prepared."""
    place = Path(os.environ.get("TFDS_DATA_DIR") or "none")
    if not any(place.glob("mnist/*/dataset_info.json")):
        pytest.skip("mnist is not in $TFDS_DATA_DIR")
    return np.concatenate(
        [tfds.load(builder="mnist", split=split).y for split in ("train", "test")]
    )


def test_real_triples_score_a_little_above_the_floor(mnist):
    """The floor, and three times what the digits' frequencies lack of being equal."""
    n, runs = 26_000, 20
    p = np.bincount(mnist, minlength=10) / len(mnist)
    unequal = 3 * float(np.sum(p * np.log(10 * p)))
    expected = modes.perfect_reverse_kl(1000, n) + unequal
    assert (unequal, expected) == pytest.approx((0.0043, 0.0236), abs=1e-4)
    rng = np.random.default_rng(0)
    found = [
        stacked.stacked_modes(
            stacked_mnist.triple_labels(mnist[rng.integers(len(mnist), size=(n, 3))])
        )
        for _ in range(runs)
    ]
    assert {each["modes"] for each in found} == {1000}
    kl = np.array([each["kl"] for each in found])
    error = kl.std(ddof=1) / math.sqrt(runs)
    assert abs(kl.mean() - expected) < FAR * error + 2e-4
    assert 0 < error < 4e-4  # so that the floor itself is out of the question


def test_the_classifier_of_the_project_reads_real_triples(mnist):
    """It knows 99.2 % of held-out digits, so 97.6 % of triples."""
    source = stacked_mnist.load(split="test", size=250)
    network = load_features("mnist")
    labels = stacked.read_triples(lambda x: network.apply(x)[1], source.x)
    assert labels.dtype == np.int32
    assert (labels == source.y).mean() > 0.976 - FAR * math.sqrt(0.976 * 0.024 / 250)


def test_all_of_mnist_is_stacked(mnist):
    source = stacked_mnist.load(split="all", fresh=True)
    assert source.x.shape == (23_333, 28, 28, 3)
    digits = tfds.load(builder="mnist", split="test").x
    np.testing.assert_array_equal(source.x[20_000, :, :, 1], digits[1, :, :, 0])
    np.testing.assert_array_equal(
        source.y, mnist[:69_999].reshape(-1, 3) @ [100, 10, 1]
    )
