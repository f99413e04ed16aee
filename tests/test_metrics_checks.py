"""What every metric refuses, in one line: shapes, numbers, widths, too few samples."""

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UsageError
from gan_jax.metrics import (
    checks,
    frechet,
    kernel,
    manifold,
    neighbours,
    parzen,
    sliced_wasserstein,
    support,
)
from gan_jax.metrics.class_score import class_histogram, class_score
from gan_jax.metrics.covariate_shift import accuracy

LABELS = np.arange(20) % 2


def of_two(function, **keywords):
    return lambda x, y: function(x, y, **keywords)


# as functions of samples and reference
PAIRS = {
    "kernel_distance": of_two(kernel.kernel_distance, subset_size=5),
    "squared_mmd": kernel.squared_mmd,
    "precision_recall": manifold.precision_recall,
    "density_coverage": manifold.density_coverage,
    "nearest_neighbours": neighbours.nearest_neighbours,
    "copying": lambda x, y: neighbours.copying(x, y, y + 1),
    "copying held out": lambda x, y: neighbours.copying(y + 1, y, x),
    "parzen": lambda x, y: parzen.parzen(x, y, y),
    "parzen test": lambda x, y: parzen.parzen(y, y, x),
    "log_densities": of_two(parzen.log_densities, sigmas=[1.0]),
    "sliced_wasserstein": sliced_wasserstein.sliced_wasserstein,
    "accuracy": lambda x, y: accuracy(x, LABELS, y, LABELS),
    "accuracy test": lambda x, y: accuracy(y, LABELS, x, LABELS),
}
SINGLES = {
    "moments": frechet.moments,
    "closest_pairs": support.closest_pairs,
    "birthday_test": lambda x: support.birthday_test(x, batch_size=5, threshold=1.0),
    "class_score": class_score,
    "class_histogram": class_histogram,
}
ALL = {name: lambda x, f=f: f(x, examples()) for name, f in PAIRS.items()} | SINGLES


def examples(n=20, d=3):
    return np.random.default_rng(0).standard_normal((n, d))


@pytest.mark.parametrize("function", ALL.values(), ids=ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(function, value):
    x = examples()
    x[13, 1] = value
    with pytest.raises(UsageError, match="are not finite") as caught:
        function(x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("function", ALL.values(), ids=ALL)
@pytest.mark.parametrize("shape", [(20,), (20, 3, 1), (20, 0), ()])
def test_other_shapes(function, shape):
    with pytest.raises(UsageError, match=r"expected \[n, d\]"):
        function(np.zeros(shape))


@pytest.mark.parametrize("function", ALL.values(), ids=ALL)
@pytest.mark.parametrize("x", [np.full((20, 3), "a"), np.full((20, 3), 1j)])
def test_what_is_no_number(function, x):
    with pytest.raises(UsageError, match=r"of type .* are not (real )?numbers"):
        function(x)


@pytest.mark.parametrize("function", ALL.values(), ids=ALL)
def test_no_samples_at_all(function):
    with pytest.raises(UsageError, match=r"0 .* are too few; at least"):
        function(np.zeros((0, 3)))


@pytest.mark.parametrize("function", PAIRS.values(), ids=PAIRS)
def test_vectors_of_different_length(function):
    with pytest.raises(UsageError, match=r"vectors differ in length: \w+ \d, \w+ \d"):
        function(examples(d=3), examples(d=4))


@pytest.mark.parametrize(
    ("function", "needed"),
    [
        (lambda x, y: kernel.kernel_distance(x, y, subset_size=5), 10),
        (manifold.precision_recall, 4),
        (manifold.density_coverage, 6),
        (lambda x, y: neighbours.nearest_neighbours(y, x, k=3), 3),
        (lambda x, y: parzen.parzen(y, y, x), 2),
        (kernel.squared_mmd, 2),
        (lambda x, y: support.closest_pairs(x, pairs=1), 2),
        (lambda x, y: class_score(np.full((len(x), 2), 0.5), splits=7), 7),
    ],
)
def test_one_too_few(function, needed):
    function(examples(needed), examples(10 * needed))
    with pytest.raises(UsageError, match=f"{needed - 1} .* too few; at least {needed}"):
        function(examples(needed - 1), examples(10 * needed))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: manifold.precision_recall(x, x, k=0),
        lambda x: manifold.density_coverage(x, x, k=0),
        lambda x: neighbours.nearest_neighbours(x, x, k=0),
        lambda x: support.closest_pairs(x, pairs=0),
        lambda x: sliced_wasserstein.sliced_wasserstein(x, x, directions=0),
        lambda x: frechet.moments(x, batch_size=0),
        lambda x: class_score(x, splits=0),
    ],
)
def test_counts_below_one(function):
    with pytest.raises(UsageError, match="=0: must be at least 1"):
        function(examples())


@pytest.mark.parametrize("size", [0, 1])
def test_subsets_without_a_pair(size):
    with pytest.raises(UsageError, match=f"subset_size={size}: must be at least 2"):
        kernel.kernel_distance(examples(), examples(), subset_size=size)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.uint8, np.float32),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.int64, np.float64),
        (np.float64, np.float64),
    ],
)
def test_numbers_keep_their_precision(given, kept):
    x = checks.vectors(np.full((2, 2), 200, given), "samples")
    assert x.dtype == kept
    assert (x @ x.T == 80_000).all()  # as uint8 it would be 128


def test_arrays_of_jax_are_accepted():
    for dtype in (jnp.bfloat16, jnp.float32):
        assert checks.vectors(jnp.ones((2, 2), dtype), "samples").dtype == np.float32
