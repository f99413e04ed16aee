"""Stacked MNIST: three digits as the channels of one image, a thousand known modes.

A generator that has lost modes shows it by the triples that it never makes, which a
classifier of digits can count (`gan_jax.metrics.stacked`). Metz et al. (2017,
arXiv:1611.02163, Unrolled GAN) draw new triples for every minibatch; Srivastava et al.
(2017, arXiv:1705.07761, VEEGAN) stack 128,000 once.
"""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config.ranges import Seed, Size
from gan_jax.data import tfds
from gan_jax.data.source import Source, select, split_name
from gan_jax.errors import UsageError

CLASSES = tuple(f"{triple:03d}" for triple in range(1000))
_PARTS = ("train", "test")


def load(
    *,
    split: str = "train",
    size: Size | None = None,
    seed: Seed = 0,
    fresh: bool = False,
) -> Source:
    """Triples of the digits in `split`, [n, 28, 28, 3], each digit drawn independently.

    Labels are the triples' numbers, 100 a + 10 b + c for the digits a, b, c of the
    first, second and third channel. `split` is "train", "test" or "all", MNIST's
    60,000, 10,000 or 70,000 digits, and its range, if any, is one of digits: triples of
    ranges apart share nothing, while "all" shares its digits with the other two.

    size:  triples, drawn once by `seed`; 128,000 if None
    fresh: triples are drawn anew for every minibatch, without labels. What is stored is
           the digits themselves, three by three, in their own order (less one or two if
           their number is not a multiple of three); `size` is left at None
    """
    if fresh and size is not None:
        raise UsageError(
            f"data stacked_mnist: size={size} is a number of triples drawn once; "
            "fresh=True draws them anew for every minibatch"
        )
    x, y = _digits(split)
    if fresh:
        chosen = np.arange(len(x) // 3 * 3).reshape(-1, 3)
    else:
        rng = np.random.default_rng(seed)
        chosen = rng.integers(len(x), size=(128_000 if size is None else size, 3))
    stacked = np.stack([x[chosen[:, channel]] for channel in range(3)], axis=-1)
    labels = triple_labels(y[chosen])
    return Source(stacked, labels, CLASSES, _draw if fresh else None)


def triple_labels(digits: np.ndarray) -> np.ndarray:
    """100 a + 10 b + c of digits a, b, c: [.., 3] -> int32 [..]."""
    return (np.asarray(digits) @ np.array([100, 10, 1])).astype(np.int32)


def _digits(split):
    """The digits of a split, uint8 [n, 28, 28], and what they are, [n]."""
    if split_name(split, (*_PARTS, "all")) == "all":
        parts = [tfds.load(builder="mnist", split=part) for part in _PARTS]
        x, y = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        source = select(Source(x, y), split)
    else:
        source = tfds.load(builder="mnist", split=split)
    return source.x[..., 0], source.y


def _draw(arrays, key, shape):
    """Triples [*shape, 28, 28, 3] of digits that lie in "x" [n, 28, 28, 3]."""
    stored = arrays["x"]
    chosen = jax.random.randint(key, (*shape, 3), 0, 3 * len(stored))
    digits = stored[chosen // 3, :, :, chosen % 3]  # [*shape, 3, 28, 28]
    return jnp.moveaxis(digits, -3, -1)
