"""The Parzen window estimate of the log-likelihood, as the paper of 2014 measured it.

Goodfellow et al. (2014), section 5, after Breuleux et al. (2011): a normal distribution
of width sigma around each of 10,000 samples, sigma chosen on the first 1,000 validation
examples, and the mean log-density of the test examples under that mixture, in nats.
Their MNIST pixels are in [0, 1], and the paper's number is 225 +- 2.

It anchors a reproduction and judges no generator: in so many dimensions the estimate is
far from the likelihood and ranks models wrongly (Theis et al. 2016). The first 10,000
training images of MNIST in the order of TFDS, taken for samples, score 243.6 +- 2.1;
in that of the original files 241.2.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import UsageError
from gan_jax.metrics import checks

SIGMAS = tuple(np.logspace(-1, 0, 10))
_ROWS = 500  # examples at a time: 20 MB of distances to 10,000 centres


class Parzen(NamedTuple):
    """log_likelihood: mean over the test examples, in nats
    standard_error: their standard deviation over the square root of their number
    sigma:          the width that was chosen
    """

    log_likelihood: float
    standard_error: float
    sigma: float


def parzen(samples, validation, test, *, sigmas=SIGMAS) -> Parzen:
    """The mean log-density of test examples [t, d] around samples [n, d].

    Of validation examples [v, d] the first 1,000 choose among `sigmas`.
    """
    test = checks.vectors(test, "test examples", at_least=2)
    validation = checks.vectors(validation, "validation examples")[:1000]
    scores = log_densities(validation, samples, sigmas).mean(axis=0)
    sigma = float(np.asarray(sigmas)[np.argmax(scores)])
    values = log_densities(test, samples, [sigma])[:, 0]
    error = values.std() / np.sqrt(len(values))
    return Parzen(float(values.mean()), float(error), sigma)


def log_densities(x, centres, sigmas) -> np.ndarray:
    """log p(x) float64 [n, s] for x [n, d] under equal normals around centres [m, d].

    A column for each of `sigmas`, the standard deviation in every direction.
    """
    x = checks.vectors(x, "examples")
    centres = checks.vectors(centres, "samples")
    checks.same_width(examples=x, samples=centres)
    sigmas = np.asarray(sigmas, np.float64)
    if sigmas.ndim != 1 or not len(sigmas) or not (sigmas > 0).all():
        raise UsageError(f"sigmas={sigmas.tolist()}: must be positive numbers")
    # distances are unchanged, and the closer to 0 the less float32 rounds them
    middle = centres.mean(axis=0, dtype=np.float64)
    centres = jnp.asarray(centres - middle, jnp.float32)
    parts = [
        _log_mean_exp(
            jnp.asarray(x[start : start + _ROWS] - middle, jnp.float32),
            centres,
            jnp.asarray(sigmas, jnp.float32),
        )
        for start in range(0, len(x), _ROWS)
    ]
    normaliser = x.shape[1] * np.log(sigmas * np.sqrt(2 * np.pi))
    return np.concatenate(parts).astype(np.float64) - normaliser


@jax.jit
def _log_mean_exp(x, centres, sigmas):
    """log of the mean over centres of exp(-|x - c|^2 / 2 sigma^2), [n, s]."""
    # An error of the TF32 or bfloat16 product, over 2 sigma^2, would be whole nats.
    product = jnp.matmul(x, centres.T, precision=jax.lax.Precision.HIGHEST)
    squares = jnp.sum(x**2, axis=1)[:, None] + jnp.sum(centres**2, axis=1)[None]
    distances = jnp.maximum(squares - 2 * product, 0)
    log_sums = jax.lax.map(  # one sigma at a time: the distances are large enough
        lambda sigma: jax.nn.logsumexp(-distances / (2 * sigma**2), axis=1), sigmas
    )
    return log_sums.T - jnp.log(len(centres))
