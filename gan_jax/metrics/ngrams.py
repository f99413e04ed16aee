"""How often samples of text have each n-gram of characters, beside real text.

The Jensen-Shannon divergence between the two distributions of n-grams, by which
WGAN-GP's text was watched (Gulrajani et al. 2017, figure 5, `language_helpers.py` of
igul222/improved_wgan_training, which prints it in bits: over log 2). Single characters
tell frequencies, four in a row something like syllables; no n-gram tells of sentences,
and copied text is as good as new.

It falls as the number of examples grows, the more slowly the larger n: compare equal
numbers alone, and with those of held-out text.
"""

import numpy as np
from scipy.special import rel_entr

from gan_jax.errors import UsageError
from gan_jax.metrics import checks

_CODES = 256
_LONGEST = 7  # that a 64-bit number can tell apart


def jensen_shannon(samples, reference, n: int) -> float:
    """Between the n-grams of codes uint8 [a, length] and [b, length], in nats.

    0 for equal distributions, log 2 where no n-gram of the one is in the other. All
    n-grams count, [:, i : i + n] of each example.

    Raises UsageError for what is no text, and for an n that no example has.
    """
    grams, counts = zip(*(_counted(x, n) for x in (samples, reference)), strict=True)
    _, places = np.unique(np.concatenate(grams), return_inverse=True)
    both = np.zeros((2, places.max() + 1))
    both[0, places[: len(grams[0])]] = counts[0] / counts[0].sum()
    both[1, places[len(grams[0]) :]] = counts[1] / counts[1].sum()
    return float(rel_entr(both, both.mean(axis=0)).sum() / 2)


def _counted(x, n):
    """The n-grams that occur in codes [m, length], as numbers, and how often."""
    x = np.asarray(x)
    if x.ndim != 2 or x.dtype != np.uint8:
        raise UsageError("n-grams are of text, codes uint8 [n, length]")
    checks.at_least(1, n=n, examples=len(x))
    if n > min(x.shape[1], _LONGEST):
        raise UsageError(
            f"n={n}: examples have {x.shape[1]} characters; accepted are up to "
            f"{min(x.shape[1], _LONGEST)}"
        )
    windows = np.lib.stride_tricks.sliding_window_view(x, n, axis=1)
    return np.unique(windows @ _CODES ** np.arange(n), return_counts=True)
