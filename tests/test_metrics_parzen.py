"""The Parzen estimate against float64, closed forms, and densities that are known."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from gan_jax.data import tfds
from gan_jax.errors import UsageError
from gan_jax.metrics import parzen as module
from gan_jax.metrics.parzen import SIGMAS, log_densities, parzen


def direct(x, centres, sigma):
    x, centres = x.astype(np.float64), centres.astype(np.float64)
    squares = ((x[:, np.newaxis] - centres) ** 2).sum(axis=2)
    kernels = logsumexp(-squares / (2 * sigma**2), axis=1) - np.log(len(centres))
    return kernels - x.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))


def test_the_grid_of_widths_is_that_of_2014():
    np.testing.assert_allclose(SIGMAS, 10 ** (-1 + np.arange(10) / 9), rtol=1e-12)


def test_agrees_with_float64(monkeypatch):
    """Pixels in [0, 1]; one row is a copy of a centre, where distances cancel."""
    monkeypatch.setattr(module, "_ROWS", 8)
    rng = np.random.default_rng(0)
    x, centres = rng.random((21, 784), np.float32), rng.random((50, 784), np.float32)
    x[3] = centres[7]
    got = log_densities(x, centres, SIGMAS)
    assert got.shape == (21, 10)
    assert got.dtype == np.float64
    for column, sigma in zip(got.T, SIGMAS, strict=True):
        np.testing.assert_allclose(column, direct(x, centres, sigma), atol=0.02)


def test_the_product_is_in_full_float32_on_every_device():
    """Accelerators round the factors unless told not to."""
    x, sigmas = jnp.ones((2, 3)), jnp.ones(1)
    program = str(jax.make_jaxpr(module._log_mean_exp)(x, x, sigmas))
    assert program.count("dot_general") == program.count("Precision.HIGHEST") / 2 == 1


def test_far_from_the_origin_nothing_is_lost():
    rng = np.random.default_rng(0)
    x, centres = rng.random((5, 20)), rng.random((9, 20))
    near = log_densities(x, centres, [0.1])
    np.testing.assert_allclose(
        log_densities(x + 1000, centres + 1000, [0.1]), near, atol=0.02
    )


def test_one_centre_is_one_normal():
    rng = np.random.default_rng(0)
    x, centre = rng.standard_normal((6, 3)), rng.standard_normal(3)
    for sigma in (0.3, 2.0):
        expected = multivariate_normal(centre, sigma**2).logpdf(x)
        got = log_densities(x, centre[np.newaxis], [sigma])[:, 0]
        np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_many_centres_of_a_normal_are_a_wider_normal():
    """Its density convolved with the kernel's."""
    rng = np.random.default_rng(0)
    x, centres = rng.standard_normal((20, 2)), rng.standard_normal((200_000, 2))
    expected = multivariate_normal(np.zeros(2), 1 + 0.3**2).logpdf(x)
    got = log_densities(x, centres, [0.3])[:, 0]
    np.testing.assert_allclose(got, expected, atol=0.05)


def test_far_from_every_centre_it_is_finite():
    got = log_densities(np.full((1, 10), 100.0), np.zeros((5, 10)), [0.1])
    expected = -10 * 100**2 / (2 * 0.1**2) - 10 * np.log(0.1 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(got, [[expected]], rtol=1e-5)


def test_validation_chooses_sigma_and_test_is_measured():
    rng = np.random.default_rng(0)
    samples, test = rng.random((300, 5)), rng.random((200, 5))
    validation = rng.random((1500, 5))
    validation[1000:] = samples[
        0
    ]  # beyond the first 1,000: would ask for a small sigma
    result = parzen(samples, validation, test)
    scores = [direct(validation[:1000], samples, s).mean() for s in SIGMAS]
    best = SIGMAS[int(np.argmax(scores))]
    assert SIGMAS[0] < best < SIGMAS[-1]
    assert result.sigma == best
    values = direct(test, samples, best)
    np.testing.assert_allclose(result.log_likelihood, values.mean(), atol=1e-4)
    np.testing.assert_allclose(
        result.standard_error, values.std() / np.sqrt(200), rtol=1e-4
    )


@pytest.mark.slow
def test_training_images_of_mnist_score_what_theis_et_al_report():
    """About 243 nats (2016, table 1), with 2014's split of the training images."""
    if not Path(os.environ.get("TFDS_DATA_DIR", ""), "mnist").is_dir():
        pytest.skip("mnist is not in $TFDS_DATA_DIR")

    def pixels(split):
        x = tfds.load(builder="mnist", split=split).x
        return x.reshape(len(x), -1).astype(np.float32) / 255

    train, validation = pixels("train[:10000]"), pixels("train[50000:51000]")
    result = parzen(train, validation, pixels("test"))
    assert abs(result.log_likelihood - 243) < result.standard_error
    np.testing.assert_allclose(result.standard_error, 2.1, atol=0.1)
    assert result.sigma == SIGMAS[2]


@pytest.mark.parametrize("sigmas", [[], [0.1, 0.0], [-1.0], [np.nan], 0.1])
def test_other_sigmas_are_refused(sigmas):
    with pytest.raises(UsageError, match="must be positive numbers"):
        log_densities(np.zeros((2, 3)), np.zeros((2, 3)), sigmas)
