"""The convolutional CIFAR-10 networks of Goodfellow et al. (2014).

The defaults are `cifar10_convolutional.yaml` of github.com/goodfeli/adversarial.
FluxGAN.jl has a generator with hidden and output "tanh", and a discriminator with
pooling "mean" and no dropout, both with initializer "glorot".
"""

from typing import Literal

from flax import linen as nn

from gan_jax import layers
from gan_jax.config.ranges import Count, Counts, Fraction, Positive
from gan_jax.errors import UsageError

SIDE = 10  # the generator's last convolution sees 10 x 10 places, and makes of them
IMAGE = 32  # (10 - 1) * 3 + 5 pixels


class Generator(nn.Module):
    """Two dense layers, then one transposed convolution with a bias for every pixel.

    `width` units (a multiple of 100) become 10 x 10 places of width / 100 channels;
    `hidden` is the activation of the second dense layer, the first one's is ReLU.
    """

    shape: tuple[int, ...]
    width: Count = 8000
    hidden: Literal["sigmoid", "tanh", "relu"] = "sigmoid"
    output: Literal["linear", "tanh", "sigmoid"] = "linear"
    initializer: Literal["uniform", "glorot"] = "uniform"
    init_range: Positive = 0.05

    @nn.compact
    def __call__(self, z, *, train=False):
        if len(self.shape) != 3 or self.shape[:2] != (IMAGE, IMAGE):
            raise UsageError(
                f"conv_2014 makes images of shape ({IMAGE}, {IMAGE}, channels), "
                f"not {self.shape}"
            )
        if self.width <= 0 or self.width % SIDE**2:
            raise UsageError(
                f"conv_2014 generator: width {self.width} is not a multiple of "
                f"{SIDE**2}, its {SIDE} x {SIDE} places"
            )
        kernel = layers.uniform_or_glorot(self.initializer, self.init_range)
        h = nn.relu(layers.Dense(self.width, kernel_init=kernel)(z))
        h = layers.Dense(self.width, kernel_init=kernel)(h)
        h = layers.activation(self.hidden)(h).reshape(len(z), SIDE, SIDE, -1)
        x = layers.ConvTranspose(
            self.shape[-1],
            kernel=5,
            stride=3,
            padding=0,
            untied=True,
            kernel_init=kernel,
        )(h)
        return layers.activation(self.output)(x)


class Discriminator(nn.Module):
    """Three maxout convolutions with pooling, a dense maxout layer, one score.

    `pooling` "max" lets the last window reach beyond the image, as cuda-convnet does
    (32 -> 16 -> 7 -> 5 places a side); "mean" does not (32 -> 15 -> 6 -> 4).
    Dropout acts on the input of every layer, the output layer's too: on the first
    with rate `input_dropout`, on the others with rate `dropout`.
    """

    channels: Counts = (32, 32, 192)
    pieces: Count = 2
    units: Count = 500
    dense_pieces: Count = 5
    pooling: Literal["max", "mean"] = "max"
    input_dropout: Fraction = 0.2
    dropout: Fraction = 0.5
    initializer: Literal["uniform", "glorot"] = "uniform"
    init_range: Positive = 0.005

    @nn.compact
    def __call__(self, x, *, train=False):
        if len(self.channels) != 3:
            raise UsageError(
                f"conv_2014 discriminator: channels {self.channels}, but it has three "
                "convolutions"
            )
        if x.ndim != 4 or min(x.shape[1:3]) < 11:
            raise UsageError(
                "conv_2014 judges images of at least 11 x 11 pixels, not examples of "
                f"shape {x.shape[1:]}"
            )

        def kernel(pieces):
            return layers.uniform_or_glorot(self.initializer, self.init_range, pieces)

        rate = self.input_dropout
        # kernel, padding, pooling window; every pooling has stride 2
        geometry = (8, 4, 4), (8, 3, 4), (5, 3, 2)
        for features, (size, padding, window) in zip(
            self.channels, geometry, strict=True
        ):
            x = nn.Dropout(rate, deterministic=not train)(x)
            x = layers.Conv(
                features * self.pieces,
                size,
                padding=padding,
                kernel_init=kernel(self.pieces),
            )(x)
            x = layers.maxout(x, self.pieces)
            if self.pooling == "max":
                x = layers.max_pool(x, window, 2, ceil=True)
            else:
                x = layers.mean_pool(x, window, 2)
            rate = self.dropout
        x = nn.Dropout(rate, deterministic=not train)(x.reshape(len(x), -1))
        width = self.units * self.dense_pieces
        x = layers.Dense(width, kernel_init=kernel(self.dense_pieces))(x)
        x = layers.maxout(x, self.dense_pieces)
        x = nn.Dropout(rate, deterministic=not train)(x)
        return layers.Dense(1, kernel_init=kernel(1))(x)[:, 0]
