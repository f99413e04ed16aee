"""BigGAN's residual networks (Brock et al. 2019, arXiv:1809.11096), with labels.

As in github.com/ajbrock/BigGAN-PyTorch for 32, 64 and 128 pixels, and likewise narrower
at each doubling for 28; pixels in [-1, 1]. Spectral norm in both networks, batch norm
in the generator's blocks by the label, a vector for each class in the discriminator.

The defaults are those of CIFAR-10, with z of 128 numbers. ImageNet at 128 pixels has

    width=96, shared=128, hierarchical=true, attention=64, initializer=orthogonal

and z of 120. `attention` is after the blocks at whose end images have as many pixels a
side; `weight` is that of every layer, but for what a label is told by in the generator.
"""

from typing import Literal

import jax.numpy as jnp
from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, CountOrZero, Counts
from gan_jax.errors import UsageError
from gan_jax.layers.attention import require_sizes
from gan_jax.layers.residual import Plan, Residual, plan_of

Initializer = Literal["normal", "orthogonal"]


_PLANS = {
    28: Plan(7, (4, 2, 1), (1, 2, 4, 4), 2),
    32: Plan(4, (4, 4, 4, 4), (4, 4, 4, 4), 2),
    64: Plan(4, (16, 16, 8, 4, 2), (1, 2, 4, 8, 16), 4),
    128: Plan(4, (16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5),
}


def _plan(shape):
    return plan_of("biggan", _PLANS, shape)


def _initializer(name: Initializer):
    normal, orthogonal = nn.initializers.normal(0.02), nn.initializers.orthogonal()
    return {"normal": normal, "orthogonal": orthogonal}[name]


class Generator(nn.Module):
    """A projection to 4 x 4 or 7 x 7 places, blocks that double the size, tanh.

    shared:       numbers of a vector that each class learns, of which the scales and
                  shifts of all batch norms are linear functions; 0: of the class itself
    hierarchical: z is cut into equal chunks, the first for the projection, one for the
                  batch norms of each block, beside the class
    """

    shape: tuple[int, ...]
    classes: int
    width: Count = 64
    shared: CountOrZero = 0
    hierarchical: bool = False
    attention: Counts = ()
    initializer: Initializer = "normal"
    weight: layers.WeightName = "spectral"

    @nn.compact
    def __call__(self, z, y, *, train=False):
        plan = _plan(self.shape)
        first, *blocks = (times * self.width for times in plan.generator)
        sizes = [plan.places * 2 ** (i + 1) for i in range(len(blocks))]
        require_sizes("generator biggan", self.attention, sizes)
        init = _initializer(self.initializer)
        how = {"kernel_init": init, "weight": layers.weight(self.weight)}
        # a table of classes is not normalised, as in the authors' code
        of_norm = how if self.shared else how | {"weight": layers.plain}
        if self.shared:
            told = layers.Embedding(self.classes, self.shared, init)(y)
        else:
            told = layers.one_hot(y, self.classes)
        told = told.astype(z.dtype)

        start, *each = self._chunks(z, len(blocks))
        h = layers.Dense(plan.places**2 * first, **how)(start)
        h = h.reshape(len(z), plan.places, plan.places, first)
        for features, size, chunk in zip(blocks, sizes, each, strict=True):
            v = jnp.concatenate([told, chunk], -1)

            def norm(h, v=v):
                return layers.AdaptiveBatchNorm(**of_norm)(h, v, train)

            h = Residual(features, "up", norm=norm, **how)(h)
            h = layers.SelfAttention(**how)(h) if size in self.attention else h
        h = nn.relu(layers.BatchNorm()(h, train))
        return nn.tanh(layers.Conv(self.shape[-1], 3, **how)(h))

    def _chunks(self, z, blocks):
        """Of z [n, d], what the projection is given, and what each of the blocks is."""
        if not self.hierarchical:
            return [z, *[z[:, :0]] * blocks]
        size, left = divmod(z.shape[-1], blocks + 1)
        if left or not size:
            near = [x * (blocks + 1) for x in (size, size + 1) if x]
            raise UsageError(
                f"generator biggan: hierarchical latents of {z.shape[-1]} numbers do "
                f"not divide into {blocks + 1} chunks; accepted for prior.dim are "
                f"multiples of that, such as {' or '.join(map(str, near))}"
            )
        return jnp.split(z, blocks + 1, -1)


class Discriminator(nn.Module):
    """Blocks that halve the size, then ones that keep it; ReLU, sum over pixels.

    The score is a projection.
    """

    classes: int
    width: Count = 64
    attention: Counts = ()
    initializer: Initializer = "normal"
    weight: layers.WeightName = "spectral"

    @nn.compact
    def __call__(self, x, y, *, train=False):
        plan = _plan(x.shape[1:])
        sizes = [x.shape[1] // 2 ** (i + 1) for i in range(plan.down)]
        require_sizes("discriminator biggan", self.attention, sizes)
        init = _initializer(self.initializer)
        how = {"kernel_init": init, "weight": layers.weight(self.weight)}
        for i, times in enumerate(plan.discriminator):
            down = i < plan.down
            resample = "down" if down else None
            features = times * self.width
            x = Residual(features, resample, first=i == 0, wide=True, **how)(x)
            if down and sizes[i] in self.attention:
                x = layers.SelfAttention(**how)(x)
        x = nn.relu(x).sum(axis=(1, 2))
        return layers.Head("projection", self.classes, **how)(x, y)
