"""CycleGAN in PyTorch: gan_jax/games/cyclegan.py and its generators."""

import random

import torch
import torch.nn.functional as F
from torch import nn

from peers.pix2pix import InstanceNorm
from peers.twin import Twin


class CycleGAN(Twin):
    """Two sets, X and Y, translated into each other.

    generator:     nn.ModuleDict of G, Y -> X, and F, X -> Y
    discriminator: nn.ModuleDict of X and Y, whose images each judges
    """

    def _start(self):
        super()._start()
        size = self.config["game"].get("pool", 50)
        self.pools = {name: Pool(size) for name in self.discriminator}

    def arguments(self, x, y):
        """Those of `step`, given a minibatch [1, n, c, h, w] of each set."""
        return x, y, y[-1]

    def _both_turns(self, x, y):
        to_x, to_y = self.generator["G"], self.generator["F"]
        # every image has its own norms, so that two may go through a network together
        fake_x, same_x = to_x(torch.cat([y, x])).chunk(2)
        fake_y, same_y = to_y(torch.cat([x, y])).chunk(2)
        cycle = F.l1_loss(to_x(fake_y), x) + F.l1_loss(to_y(fake_x), y)
        identity = F.l1_loss(same_x, x) + F.l1_loss(same_y, y)
        real, fake = {"X": x, "Y": y}, {"X": fake_x, "Y": fake_y}
        judges = self.discriminator.items()

        self.discriminator.requires_grad_(False)
        g_loss = sum(self.g_loss(D(fake[name])) for name, D in judges)
        weights = self.config["game"]
        g_loss = g_loss + weights["cycle"] * cycle + weights["identity"] * identity
        self._update(self.g_optimizer, g_loss)
        self.discriminator.requires_grad_(True)

        # the fakes are of G as it was: both players move from the same parameters
        shown = {name: self.pools[name].exchange(fake[name].detach()) for name in fake}
        d_loss = sum(
            self.d_loss(*self._scores(D, real[name], shown[name])) for name, D in judges
        )
        self._update(self.d_optimizer, d_loss)
        return d_loss.detach(), g_loss.detach()

    def compile(self):
        for network in (*self.generator.values(), *self.discriminator.values()):
            network.compile()


class Pool:
    """A history of `size` made images, from which D is shown some again."""

    def __init__(self, size):
        self.size, self.images = size, []

    def exchange(self, fakes):
        """What D judges: half of the fakes, and remembered ones that those replace."""
        return torch.cat([self._exchange(fake) for fake in fakes.split(1)])

    def _exchange(self, fake):
        if len(self.images) < self.size:
            self.images.append(fake)
        elif self.size and random.random() < 0.5:
            place = random.randrange(self.size)
            self.images[place], fake = fake, self.images[place]
        return fake


class Residual(nn.Sequential):
    """x and what its layers make of it."""

    def forward(self, x):
        return x + super().forward(x)


def generator(shape, width=64, blocks=6):
    """Two halvings, residual blocks, two doublings."""

    def conv(inputs, features, kernel, **bias):
        padding = kernel // 2
        mode = {"padding_mode": "reflect"}
        return nn.Conv2d(inputs, features, kernel, padding=padding, **mode, **bias)

    def relu(layer, features):
        return layer, InstanceNorm(features), nn.ReLU(inplace=True)

    narrow, middle, wide = width, 2 * width, 4 * width
    layers = [*relu(conv(shape[-1], narrow, 7, bias=False), narrow)]
    for inputs, features in ((narrow, middle), (middle, wide)):
        layers += relu(nn.Conv2d(inputs, features, 3, 2, 1, bias=False), features)
    for _ in range(blocks):
        first = relu(conv(wide, wide, 3, bias=False), wide)
        second = conv(wide, wide, 3, bias=False), InstanceNorm(wide)
        layers.append(Residual(*first, *second))
    for inputs, features in ((wide, middle), (middle, narrow)):
        double = nn.ConvTranspose2d(inputs, features, 3, 2, 1, 1, bias=False)
        layers += relu(double, features)
    return nn.Sequential(*layers, conv(narrow, shape[-1], 7), nn.Tanh())
