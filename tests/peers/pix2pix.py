"""pix2pix in PyTorch: gan_jax/games/pix2pix.py and its networks.

Networks take and make as many channels as `shape` has; what an image is made of comes
before it among the channels of a pair.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from peers.twin import Twin

_WIDEST = 8  # times the width
_DROPPED = 3  # innermost layers of the way up


class Pix2pix(Twin):
    """Makes images of images; D judges pairs."""

    def arguments(self, pairs):
        """Those of `step`, given minibatches of pairs [k, n, 2 c, h, w]."""
        given, x = pairs.chunk(2, 2)
        return x, given, given[-1]

    def _turns(self, x, given, last):
        # As the authors have it, G's turn is about the images that D has just judged:
        # neither G nor what it is given has changed, and no pass is made twice.
        for x_j, given_j in zip(x, given, strict=True):
            fake = self.generator(given_j)
            d_loss = self._d_turn(
                torch.cat([given_j, x_j], 1), torch.cat([given_j, fake.detach()], 1)
            )
        self.discriminator.requires_grad_(False)
        scores = self.discriminator(torch.cat([last, fake], 1))
        l1 = self.config["game"].get("l1", 100.0)
        loss = self.g_loss(scores) + l1 * F.l1_loss(fake, x[-1])
        self._update(self.g_optimizer, loss)
        self.discriminator.requires_grad_(True)
        return d_loss, loss.detach()


class InstanceNorm(nn.GroupNorm):
    """Instance norm, as group norm up to a fifth faster than nn.InstanceNorm2d on CPU.

    That copies images of channels-last memory.
    """

    def __init__(self, channels):
        super().__init__(channels, channels)


class UNet(nn.Module):
    """A U-Net: an encoder, and a decoder that sees each layer of it, too."""

    def __init__(self, shape, width=64, depth=None, dropout=0.5):
        super().__init__()
        both = math.gcd(*shape[:2])
        depth = depth or (both & -both).bit_length() - 1
        inputs, self.down, self.up = shape[-1], nn.ModuleList(), nn.ModuleList()
        widths = [min(2**i, _WIDEST) * width for i in range(depth)]
        for i, features in enumerate(widths):
            plain = i in (0, depth - 1)
            # in place, so that the decoder sees it, too: there a ReLU follows, to which
            # that is all the same
            layers = [nn.LeakyReLU(0.2, inplace=True)] if i else []
            layers.append(nn.Conv2d(inputs, features, 4, 2, 1, bias=plain))
            layers += [] if plain else [InstanceNorm(features)]
            self.down.append(nn.Sequential(*layers))
            inputs = features
        for i in reversed(range(1, depth)):
            features = widths[i - 1]
            layers = [
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(inputs, features, 4, 2, 1, bias=False),
                InstanceNorm(features),
            ]
            layers += [nn.Dropout(dropout)] if i >= depth - _DROPPED else []
            self.up.append(nn.Sequential(*layers))
            inputs = 2 * features
        self.last = nn.Sequential(
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(inputs, shape[-1], 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, x):
        seen = []
        for layer in self.down:
            x = layer(x)
            seen.append(x)
        seen.pop()
        for layer in self.up:
            x = torch.cat([layer(x), seen.pop()], 1)
        return self.last(x)


def patch_gan(channels, width=64, layers=3):
    """Scores [n, h, w] of patches, `layers` convolutions of stride 2."""
    kernel, padding = (4, 1) if layers else (1, 0)

    def conv(inputs, features, stride, **bias):
        return nn.Conv2d(inputs, features, kernel, stride, padding, **bias)

    net = [conv(channels, width, min(2, 1 + layers)), nn.LeakyReLU(0.2, inplace=True)]
    inputs = width
    for i in range(1, max(layers, 1) + 1):
        features = min(2**i, _WIDEST) * width
        net += (
            conv(inputs, features, 2 if i < layers else 1, bias=False),
            InstanceNorm(features),
            nn.LeakyReLU(0.2, inplace=True),
        )
        inputs = features
    return nn.Sequential(*net, conv(inputs, 1, 1), nn.Flatten(1, 2))
