"""SNGAN's residual networks (Miyato et al. 2018, arXiv:1802.05957, tables 4 and 5).

For 32, 48 and 64 pixels: z of 128 numbers, pixels in [-1, 1]. Those of 32 and of 64 are
as in github.com/pfnet-research/sngan_projection; those of 48 (STL-10) are the paper's.
At 48 and 64 the published `width` is 64 in both networks.

With labels they are those of the projection discriminator (Miyato and Koyama 2018,
arXiv:1802.05637): the generator's blocks have conditional batch norm, and the
discriminator has a vector for each class.
"""

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count
from gan_jax.layers.residual import Plan, Residual, plan_of, through

_glorot = nn.initializers.glorot_uniform()


_PLANS = {
    32: Plan(4, (1, 1, 1, 1), (1, 1, 1, 1), 2),
    48: Plan(6, (8, 4, 2, 1), (1, 2, 4, 8, 16), 4),
    64: Plan(4, (16, 8, 4, 2, 1), (1, 2, 4, 8, 16), 5),
}


def _plan(shape):
    return plan_of("sngan_resnet", _PLANS, shape)


class Generator(nn.Module):
    """A projection to 4 x 4 or 6 x 6 places, blocks that double the size, tanh.

    Batch norm and ReLU before every convolution; `width` is the channel count before
    the last one. With labels y, batch norm in the blocks is conditional.

    remat: see `layers.residual.through`
    """

    shape: tuple[int, ...]
    width: Count = 256
    classes: int = 0
    remat: bool = False

    @nn.compact
    def __call__(self, z, y=None, *, train=False):
        plan = _plan(self.shape)

        def norm(h):
            return layers.BatchNorm(epsilon=2e-5)(h, train)

        def norm_of_class(h):
            return layers.ConditionalBatchNorm(self.classes, 2e-5)(h, y, train)

        first, *blocks = (times * self.width for times in plan.generator)
        h = layers.Dense(plan.places**2 * first, kernel_init=_glorot)(z)
        h = h.reshape(len(z), plan.places, plan.places, first)
        for features in blocks:
            block = Residual(features, "up", norm=norm if y is None else norm_of_class)
            h = through(self.remat)(block, h)
        h = nn.relu(norm(h))
        return nn.tanh(layers.Conv(self.shape[-1], 3, kernel_init=_glorot)(h))


class Discriminator(nn.Module):
    """Blocks that halve the size, then ones that keep it; ReLU, sum over pixels, score.

    `width` is the channel count of the first block; `weight` is that of every layer,
    the vectors of the classes among them. With labels y, the score is a projection.

    remat: see `layers.residual.through`
    """

    width: Count = 128
    weight: layers.WeightName = "spectral"
    classes: int = 0
    remat: bool = False

    @nn.compact
    def __call__(self, x, y=None, *, train=False):
        plan = _plan(x.shape[1:])
        weight = layers.weight(self.weight)
        for i, times in enumerate(plan.discriminator):
            resample = "down" if i < plan.down else None
            features = times * self.width
            block = Residual(features, resample, first=i == 0, weight=weight)
            x = through(self.remat)(block, x)
        x = nn.relu(x).sum(axis=(1, 2))
        # the authors' score has a bias at 64 pixels, and none at 32
        bias = plan is not _PLANS[32]
        how = {"use_bias": bias, "kernel_init": _glorot, "weight": weight}
        if y is not None:
            return layers.Head("projection", self.classes, **how)(x, y)
        return layers.Dense(1, **how)(x)[:, 0]
