"""AC-GAN's networks (Odena et al. 2017, arXiv:1610.09585), at the size of CIFAR-10.

The authors' code is not public; these are those of `network.py` of clvrai/ACGAN-PyTorch
(its third generator of 32 pixels), for square images of any size: z of 100 numbers,
which the class joins, pixels in [-1, 1]. Weights start from N(0, 0.02), as in the
paper. The convolutions have no biases.
"""

import functools

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Fraction
from gan_jax.errors import UsageError

_DEPTH = 3

_normal = nn.initializers.normal(0.02)


class Generator(nn.Module):
    """Two linear layers to 4 * width channels, then three that double the size; tanh.

    Batch norm and ReLU in between; `width` is the channel count next to the image.
    Sizes double from an eighth of the image, rounded up (4, 7, 14, 28): where a layer
    makes one pixel too many, the last row and column are dropped.
    """

    shape: tuple[int, ...]
    classes: int
    width: Count = 48

    @nn.compact
    def __call__(self, z, y, *, train=False):
        if len(self.shape) != 3 or self.shape[0] != self.shape[1]:
            raise UsageError(
                f"acgan makes square images (size, size, channels), not {self.shape}"
            )
        first, *sizes = (-(-self.shape[0] // 2**i) for i in range(_DEPTH, -1, -1))
        transpose = functools.partial(
            layers.ConvTranspose, use_bias=False, kernel_init=_normal
        )

        def activate(h):
            return nn.relu(layers.BatchNorm()(h, train))

        h = layers.join(z, y, self.classes)
        h = layers.Dense(8 * self.width, kernel_init=_normal)(h)
        h = transpose(4 * self.width, first, padding=0)(h[:, None, None])
        for features, size in zip(
            (2 * self.width, self.width, self.shape[-1]), sizes, strict=True
        ):
            h = transpose(features, 4, 2)(activate(h))[:, :size, :size]
        return nn.tanh(h)


class Discriminator(nn.Module):
    """Six 3 x 3 convolutions, every other of stride 2; scores and logits of classes.

    From `width` to 32 * width channels, leaky ReLU of slope 0.2 and dropout after each,
    batch norm before these from the second on.
    """

    classes: int
    width: Count = 16
    dropout: Fraction = 0.5

    @nn.compact
    def __call__(self, x, *, train=False):
        if x.ndim != 4:
            raise UsageError(f"acgan judges images, not examples of {x.shape[1:]}")
        for i in range(2 * _DEPTH):
            x = layers.Conv(
                *(2**i * self.width, 3, 2 - i % 2), use_bias=False, kernel_init=_normal
            )(x)
            x = layers.BatchNorm()(x, train) if i > 0 else x
            x = nn.leaky_relu(x, 0.2)
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        head = layers.Head("auxiliary", self.classes, kernel_init=_normal)
        return head(x.reshape(len(x), -1))
