"""SNGAN's convolutional networks in PyTorch: gan_jax/models/sngan.py."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from peers import networks


class Spectral:
    """A layer whose weight is divided by its largest singular value.

    By one power iteration, which moves on where the weight is learned, in D's own turn.
    `torch.nn.utils.parametrizations.spectral_norm` moves on in G's as well.
    """

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.register_buffer("u", F.normalize(torch.randn(len(self.weight)), dim=0))

    def normalised(self):
        w = self.weight.flatten(1)
        with torch.no_grad():
            v = F.normalize(w.T @ self.u, dim=0)
        vw = w @ v
        u = F.normalize(vw.detach(), dim=0)
        if self.weight.requires_grad:
            self.u.copy_(u)
        return self.weight / (vw @ u)


class SpectralConv2d(Spectral, nn.Conv2d):
    def forward(self, x):
        return F.conv2d(x, self.normalised(), self.bias, self.stride, self.padding)


class SpectralLinear(Spectral, nn.Linear):
    def forward(self, x):
        return F.linear(x, self.normalised(), self.bias)


def generator(dim, shape, width=64):
    """A dense layer, three layers that double the size, one that keeps it."""
    height, breadth, channels = shape
    features = 8 * width
    small = height // 8, breadth // 8, features

    def activate(features):
        return nn.BatchNorm2d(features), nn.ReLU(inplace=True)

    layers = [
        nn.Linear(dim, math.prod(small)),
        networks.Unflatten(*small),
        *activate(features),
    ]
    for _ in range(3):
        double = nn.ConvTranspose2d(features, features // 2, 4, 2, 1, bias=False)
        features //= 2
        layers += double, *activate(features)
    return nn.Sequential(
        *layers, nn.Conv2d(features, channels, 3, padding=1), nn.Tanh()
    )


def discriminator(shape, width=64):
    """Convolutions of 3 x 3 and, to half the size, 4 x 4; spectral norm everywhere."""

    def conv(inputs, features, kernel, stride):
        layer = SpectralConv2d(inputs, features, kernel, stride, padding=1)
        return layer, nn.LeakyReLU(0.1, inplace=True)

    features = width
    layers = [*conv(shape[-1], features, 3, 1)]
    for _ in range(3):
        double = 2 * features
        layers += *conv(features, double, 4, 2), *conv(double, double, 3, 1)
        features = double
    places = shape[0] // 8 * (shape[1] // 8)
    score = SpectralLinear(places * features, 1), nn.Flatten(0)
    return nn.Sequential(*layers, networks.Flatten(), *score)
