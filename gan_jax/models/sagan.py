"""SAGAN's residual networks (Zhang et al. 2019, arXiv:1805.08318).

SNGAN's, with spectral norm in the generator, too, and self-attention in both. As in
github.com/brain-research/self-attention-gan, where images have 128 pixels, for squares
of any power of two from 32 on: `width` channels at the size of the image, twice as many
at half of it, and so on up to 16 times. z of 128 numbers, pixels in [-1, 1].

With labels the generator's blocks have conditional batch norm, and the discriminator
has a vector for each class. `attention` is after the blocks at whose end images have as
many pixels a side; at 128 the published one is 32. `weight` is that of every layer.
"""

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Counts
from gan_jax.errors import UsageError
from gan_jax.layers.attention import require_sizes
from gan_jax.layers.residual import Residual

_glorot = nn.initializers.glorot_uniform()


def _sizes(shape):
    """From 4 pixels a side to the image's, by doubling."""
    size = shape[0]
    if len(shape) != 3 or shape[1] != size or size < 32 or size & (size - 1):
        raise UsageError(
            "sagan takes square images of 32, 64, 128, .. pixels, shape (size, size, "
            f"channels), not {tuple(shape)}"
        )
    return [2**i for i in range(2, size.bit_length())]


class Generator(nn.Module):
    """A projection to 4 x 4 places, blocks that double the size, tanh."""

    shape: tuple[int, ...]
    width: Count = 64
    attention: Counts = (32,)
    weight: layers.WeightName = "spectral"
    classes: int = 0

    @nn.compact
    def __call__(self, z, y=None, *, train=False):
        first, *sizes = _sizes(self.shape)
        require_sizes("generator sagan", self.attention, sizes)
        how = {"kernel_init": _glorot, "weight": layers.weight(self.weight)}

        def channels(size):
            return min(16, sizes[-1] // size) * self.width

        def norm(h):
            return layers.BatchNorm()(h, train)

        def norm_of_class(h):
            return layers.ConditionalBatchNorm(self.classes)(h, y, train)

        h = layers.Dense(first**2 * channels(first), **how)(z)
        h = h.reshape(len(z), first, first, -1)
        for size in sizes:
            own = norm if y is None else norm_of_class
            h = Residual(channels(size), "up", norm=own, **how)(h)
            h = layers.SelfAttention(**how)(h) if size in self.attention else h
        return nn.tanh(layers.Conv(self.shape[-1], 3, **how)(nn.relu(norm(h))))


class Discriminator(nn.Module):
    """Blocks that halve the size to 4 x 4, one that keeps it; ReLU, sum over pixels.

    With labels y, the score is a projection.
    """

    width: Count = 64
    attention: Counts = (32,)
    weight: layers.WeightName = "spectral"
    classes: int = 0

    @nn.compact
    def __call__(self, x, y=None, *, train=False):
        *sizes, _ = _sizes(x.shape[1:])
        sizes.reverse()
        require_sizes("discriminator sagan", self.attention, sizes)
        how = {"kernel_init": _glorot, "weight": layers.weight(self.weight)}
        for i, size in enumerate(sizes):
            features = min(16, sizes[0] // size) * self.width
            x = Residual(features, "down", first=i == 0, wide=True, **how)(x)
            x = layers.SelfAttention(**how)(x) if size in self.attention else x
        x = nn.relu(Residual(x.shape[-1], wide=True, **how)(x)).sum(axis=(1, 2))
        kind = "score" if y is None else "projection"
        return layers.Head(kind, self.classes, **how)(x, y)
