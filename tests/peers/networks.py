"""The networks of gan_jax/models in PyTorch, each a plain `nn.Sequential`.

`shape` is ours, (h, w, c); images are [n, c, h, w] in channels-last memory, in which
the convolutional networks are faster on CPU. Between images and vectors lies the order
of that memory, so that neither way copies anything. Activations work in place: nothing
before them needs its output for its gradient.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {
    "linear": nn.Identity,
    "relu": functools.partial(nn.ReLU, inplace=True),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


class Flatten(nn.Module):
    """Images [n, c, h, w] to vectors, in the order of [h, w, c]."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Unflatten(nn.Module):
    """Vectors to images, the way back from `Flatten`."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.view(-1, *self.shape).permute(0, 3, 1, 2)


class Maxout(nn.Module):
    """The greatest of `pieces` affine maps: [n, pieces * units, ..] -> [n, units, ..].

    max(a, b) as b + relu(a - b): with its gradient two to four times faster on CPU than
    `amax` or `max` over an axis of pieces, `torch.maximum` and max pooling.
    """

    def __init__(self, pieces):
        super().__init__()
        self.pieces = pieces

    def forward(self, x):
        return functools.reduce(
            lambda a, b: b + F.relu(a - b, inplace=True), x.chunk(self.pieces, 1)
        )


class UntiedConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with a bias for every pixel of every channel."""

    def __init__(self, *arguments, shape, **keywords):
        super().__init__(*arguments, bias=False, **keywords)
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        x = F.conv_transpose2d(x, self.weight, None, self.stride, self.padding)
        return x + self.bias.permute(2, 0, 1)


def _vectors(shape):
    """The layer that D's dense layers see examples of `shape` through."""
    return Flatten() if len(shape) == 3 and shape[-1] > 1 else nn.Flatten()


def _examples(shape):
    """The layer that makes examples of `shape` of G's dense layers."""
    if len(shape) == 1:
        return nn.Identity()
    return Unflatten(*shape)


def score(inputs):
    """The last layers of a discriminator: one raw score [n]."""
    return nn.Linear(inputs, 1), nn.Flatten(0)


# mlp, and the generator of maxout


def mlp_generator(dim, shape, widths, activations=None, output="tanh"):
    """Dense layers, with ReLU or each with its own of `activations`."""
    layers = []
    for width, name in zip(widths, activations or ["relu"] * len(widths), strict=True):
        layers += nn.Linear(dim, width), ACTIVATIONS[name]()
        dim = width
    last = nn.Linear(dim, math.prod(shape))
    return nn.Sequential(*layers, last, ACTIVATIONS[output](), _examples(shape))


def mlp_discriminator(shape, widths, slope=0.2):
    """Dense layers with leaky ReLU."""
    layers, inputs = [_vectors(shape)], math.prod(shape)
    for width in widths:
        layers += nn.Linear(inputs, width), nn.LeakyReLU(slope, inplace=True)
        inputs = width
    return nn.Sequential(*layers, *score(inputs))


# maxout


def maxout_discriminator(
    shape, units=240, input_dropout=0.2, dropout=0.5, pieces=5, depth=2
):
    """Dense maxout layers with dropout on the input of every layer."""
    layers, inputs, rate = [_vectors(shape)], math.prod(shape), input_dropout
    for _ in range(depth):
        layers += nn.Dropout(rate), nn.Linear(inputs, units * pieces), Maxout(pieces)
        inputs, rate = units, dropout
    return nn.Sequential(*layers, nn.Dropout(rate), *score(inputs))


# conv_2014, as FluxGAN.jl has it


def conv_2014_generator(dim, shape, width=8000):
    """Two dense layers, then one transposed convolution; tanh."""
    channels = width // 100
    return nn.Sequential(
        nn.Linear(dim, width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width),
        nn.Tanh(),
        Unflatten(10, 10, channels),
        UntiedConvTranspose2d(channels, shape[-1], 5, stride=3, shape=shape),
        nn.Tanh(),
    )


def conv_2014_discriminator(
    shape, channels=(32, 32, 192), units=500, input_dropout=0.2, dropout=0.5
):
    """Three maxout convolutions with mean pooling, a dense maxout layer."""
    layers, side, inputs, rate = [], shape[0], shape[-1], input_dropout
    for features, (kernel, padding, window) in zip(
        channels, ((8, 4, 4), (8, 3, 4), (5, 3, 2)), strict=True
    ):
        layers += (
            nn.Dropout(rate),
            nn.Conv2d(inputs, 2 * features, kernel, padding=padding),
            Maxout(2),
            nn.AvgPool2d(window, 2),
        )
        side = (side + 2 * padding - kernel + 1 - window) // 2 + 1
        inputs, rate = features, dropout
    return nn.Sequential(
        *layers,
        Flatten(),
        nn.Dropout(rate),
        nn.Linear(side * side * inputs, 5 * units),
        Maxout(5),
        nn.Dropout(rate),
        *score(units),
    )


# dcgan_mnist


def dcgan_mnist_generator(dim, shape, width=64):
    """Two dense layers, two transposed convolutions; ReLU, then batch norm; tanh."""
    height, breadth, channels = shape
    small = height // 4, breadth // 4, 2 * width
    return nn.Sequential(
        nn.Linear(dim, 16 * width),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(16 * width),
        nn.Linear(16 * width, math.prod(small)),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(math.prod(small)),
        Unflatten(*small),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(width),
        nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def dcgan_mnist_discriminator(shape, width=64, slope=0.01):
    """Two convolutions with max pooling and a dense layer, all with leaky ReLU."""
    height, breadth, channels = shape
    small = ((height - 4) // 2 - 4) // 2, ((breadth - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, width // 2, 5),
        nn.LeakyReLU(slope, inplace=True),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(width // 2, width, 5),
        nn.LeakyReLU(slope, inplace=True),
        nn.MaxPool2d(2, 2),
        Flatten(),
        nn.Linear(math.prod(small) * width, 16 * width),
        nn.LeakyReLU(slope, inplace=True),
        *score(16 * width),
    )


# dcgan


def dcgan_generator(dim, shape, width=64):
    """A projection to 4 x 4, then layers that double the size; batch norm, tanh."""
    side, features = 4, width * shape[0] // 8
    layers = [
        nn.Linear(dim, side * side * features, bias=False),
        Unflatten(side, side, features),
        nn.BatchNorm2d(features),
        nn.ReLU(inplace=True),
    ]
    while 2 * side < shape[0]:
        half = features // 2
        layers += (
            nn.ConvTranspose2d(features, half, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )
        side, features = 2 * side, half
    last = nn.ConvTranspose2d(features, shape[-1], 4, stride=2, padding=1)
    return nn.Sequential(*layers, last, nn.Tanh())


def dcgan_discriminator(shape, width=64, slope=0.2):
    """The generator's mirror, without batch norm on the first layer."""
    side, features = shape[0] // 2, width
    layers = [
        nn.Conv2d(shape[-1], features, 4, stride=2, padding=1),
        nn.LeakyReLU(slope, inplace=True),
    ]
    while side > 4:
        double = 2 * features
        layers += (
            nn.Conv2d(features, double, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(double),
            nn.LeakyReLU(slope, inplace=True),
        )
        side, features = side // 2, double
    return nn.Sequential(*layers, Flatten(), *score(side * side * features))
