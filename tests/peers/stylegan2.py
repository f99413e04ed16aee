"""StyleGAN2's networks in PyTorch: gan_jax/models/stylegan2.py, with residual blocks.

Leaky ReLU is as steep for all that is positive, so that its gain of sqrt(2) can be one
of what it is applied to, of kernels and biases: no pass over images is for it.
"""

import itertools
import math
import re

import torch
import torch.nn.functional as F
from torch import nn

from peers import networks

GAIN = math.sqrt(2)


def activate(x):
    """Leaky ReLU in place."""
    return F.leaky_relu(x, 0.2, inplace=True)


def normal(x, channels):
    """As many normal numbers as images x have, for so many channels."""
    return torch.randn(len(x), channels, *x.shape[2:], device=x.device)


class Linear(nn.Linear):
    """A dense layer, times `gain`, of an equalised learning rate, `rate` times it."""

    def __init__(self, inputs, outputs, gain=1.0, rate=1.0, bias=0.0):
        super().__init__(inputs, outputs)
        nn.init.normal_(self.weight, std=1 / rate)
        nn.init.constant_(self.bias, bias / rate)
        self.gain = gain * rate

    def forward(self, x):
        scale = self.gain / math.sqrt(self.in_features)
        return torch.addmm(self.bias, x, self.weight.T, beta=self.gain, alpha=scale)


class Conv2d(nn.Conv2d):
    """A convolution, times `gain`, of an equalised learning rate."""

    def __init__(self, inputs, features, kernel, gain=GAIN, **keywords):
        super().__init__(inputs, features, kernel, **keywords)
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.gain = gain

    def forward(self, x):
        scale = self.gain / math.sqrt(self.weight[0].numel())
        bias = None if self.bias is None else self.bias * self.gain
        return F.conv2d(x, self.weight * scale, bias, self.stride, self.padding)


class Blur(nn.Module):
    """The filter [1, 3, 3, 1] / 8 along each axis, times `gain`, of each channel."""

    def __init__(self, channels, padding, stride=1, gain=1.0):
        super().__init__()
        self.channels, self.padding, self.stride = channels, padding, stride
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = (gain * torch.outer(taps, taps)).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x):
        how = {"stride": self.stride, "padding": self.padding, "groups": self.channels}
        return F.conv2d(x, self.kernel, **how)


class Upsample(Blur):
    """Twice the size by the filter [1, 3, 3, 1] / 4 along each axis."""

    def __init__(self, channels):
        super().__init__(channels, padding=1, stride=2, gain=4.0)

    def forward(self, x):
        how = {"stride": self.stride, "padding": self.padding, "groups": self.channels}
        return F.conv_transpose2d(x, self.kernel, **how)


class Mapping(nn.Sequential):
    """Latents [n, inputs] -> styles w [n, layers, dim], the same for all layers.

    w_mean: the running mean of w
    """

    def __init__(self, inputs, dim, depth, layers):
        sizes = [inputs] + [dim] * depth
        super().__init__(
            *(Linear(*pair, GAIN, rate=0.01) for pair in itertools.pairwise(sizes))
        )
        self.layers = layers
        self.register_buffer("w_mean", torch.zeros(dim))

    def forward(self, z):
        w = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self:
            w = activate(layer(w))
        return w[:, None].expand(-1, self.layers, -1)


class Layer(nn.Module):
    """A modulated convolution, noise, a bias, leaky ReLU; `up`: to twice the size.

    Of a batch, one convolution of scaled images is faster on CPU than one in as many
    groups, of scaled kernels.
    """

    def __init__(self, inputs, features, dim, up=False):
        super().__init__()
        self.style = Linear(dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(features, inputs, 3, 3))
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(features))
        self.blur = Blur(features, padding=1, gain=4.0) if up else None

    def forward(self, x, w):
        style = self.style(w)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        squares = style.square() @ weight.square().sum((2, 3)).T
        x = x * style[..., None, None]
        if self.blur:
            x = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        else:
            x = F.conv2d(x, weight, padding=1)
        demodulation = GAIN * (squares + 1e-8).rsqrt()
        noise = normal(x, 1) * (GAIN * self.strength)
        x = torch.addcmul(noise, x, demodulation[..., None, None])
        return activate(x.add_((GAIN * self.bias)[:, None, None]))


class ToImage(nn.Module):
    """A modulated 1 x 1 convolution, which is not demodulated."""

    def __init__(self, inputs, channels, dim):
        super().__init__()
        self.style = Linear(dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x, w):
        style = self.style(w) / math.sqrt(self.weight.shape[1])
        return F.conv2d(x * style[..., None, None], self.weight, self.bias)


class Synthesis(nn.Module):
    """Images of styles w [n, layers, dim]; the sum of those of all levels."""

    def __init__(self, levels, channels, dim):
        super().__init__()
        (size, features), *larger = levels
        self.constant = nn.Parameter(torch.randn(features, size, size))
        self.first = Layer(features, features, dim)
        self.doubling, self.keeping = nn.ModuleList(), nn.ModuleList()
        self.to_image = nn.ModuleList([ToImage(features, channels, dim)])
        self.upsample = Upsample(channels)
        for _, more in larger:
            self.doubling.append(Layer(features, more, dim, up=True))
            self.keeping.append(Layer(more, more, dim))
            self.to_image.append(ToImage(more, channels, dim))
            features = more

    def forward(self, w):
        w = w.unbind(1)
        x = self.first(self.constant.expand(len(w[0]), -1, -1, -1), w[0])
        first, *others = self.to_image
        image = first(x, w[1])
        levels = zip(self.doubling, self.keeping, others, strict=True)
        for i, (double, keep, to_image) in enumerate(levels):
            x = keep(double(x, w[2 * i + 1]), w[2 * i + 2])
            image = self.upsample(image) + to_image(x, w[2 * i + 3])
        return image


class Block(nn.Module):
    """Two convolutions, the second to half the size, and a 1 x 1 one beside them."""

    def __init__(self, inputs, features):
        super().__init__()
        self.first = Conv2d(inputs, inputs, 3, padding=1)
        self.blur = Blur(inputs, padding=2)
        self.second = Conv2d(inputs, features, 3, gain=1.0, stride=2)
        self.down = Blur(inputs, padding=1, stride=2)
        self.skip = Conv2d(inputs, features, 1, gain=math.sqrt(0.5), bias=False)

    def forward(self, x):
        h = activate(self.second(self.blur(activate(self.first(x)))))
        return h + self.skip(self.down(x))


class MinibatchStd(nn.Module):
    """One more channel: how much the examples i, i + n / group, .. differ."""

    def __init__(self, group):
        super().__init__()
        self.group = group

    def forward(self, x):
        group = min(self.group, len(x))
        parts = x.unflatten(0, (group, -1))
        variance = (parts - parts.mean(0)).square().mean(0)
        deviation = (variance + 1e-8).sqrt().mean((1, 2, 3)).repeat(group)
        told = deviation[:, None, None, None].expand(-1, 1, *x.shape[2:])
        return torch.cat([x, told], 1)


class Discriminator(nn.Module):
    """Blocks that halve the size, the deviations of the minibatch, two layers."""

    def __init__(self, levels, channels, group):
        super().__init__()
        features = [own for _, own in reversed(levels)]
        self.from_image = Conv2d(channels, features[0], 1)
        self.blocks = nn.Sequential(
            *(Block(*pair) for pair in itertools.pairwise(features))
        )
        size, last = levels[0]
        self.deviation = MinibatchStd(group)
        self.last = Conv2d(last + 1, last, 3, padding=1)
        self.dense = Linear(size * size * last, last, GAIN)
        self.score = Linear(last, 1)
        self.flatten = networks.Flatten()

    def forward(self, x):
        # images of one channel are in either memory format, and would be taken for ones
        # in the other, in which all that follows is slower
        x = networks.Unflatten(*x.shape[2:], x.shape[1])(self.flatten(x))
        x = self.blocks(activate(self.from_image(x)))
        x = activate(self.last(self.deviation(x)))
        return self.score(activate(self.dense(self.flatten(x))))[:, 0]


def _levels(shape, channel_base, channel_max):
    """(size, channels) from the smallest on."""
    sizes = [shape[0]]
    while sizes[0] >= 8:
        sizes.insert(0, sizes[0] // 2)
    return [(size, max(1, min(channel_base // size, channel_max))) for size in sizes]


def generator(
    inputs, shape, dim=512, depth=8, channel_base=32_768, channel_max=512
) -> nn.Sequential:
    """The mapping and the synthesis."""
    levels = _levels(shape, channel_base, channel_max)
    return nn.Sequential(
        Mapping(inputs, dim, depth, 2 * len(levels)),
        Synthesis(levels, shape[-1], dim),
    )


def discriminator(shape, group=4, channel_base=32_768, channel_max=512):
    return Discriminator(_levels(shape, channel_base, channel_max), shape[-1], group)


# what flax calls a layer or a parameter, and what it is here
NAMES = {
    "mapping_network.Dense_": "0.",
    "^(constant|first|doubling|keeping|to_image)": r"1.\1",
    "ModulatedConv_0.Dense_0": "style",
    "(ModulatedConv|Noise)_0.": "",
    r"^Block_(\d)\.Conv_0": r"blocks.\1.first",
    r"^Block_(\d)\.Conv_1": r"blocks.\1.second",
    r"^Block_(\d)\.Conv_2": r"blocks.\1.skip",
    "^Conv_0": "from_image",
    "^Conv_1": "last",
    "^Dense_0": "dense",
    "^Dense_1": "score",
    r"_(\d)": r".\1",
    "kernel": "weight",
}
# PyTorch's order of the axes, by their number
AXES = {2: (1, 0), 3: (2, 0, 1), 4: (3, 2, 0, 1)}


def named(params, prefix=""):
    """(name, tensor) of our parameters, as a network's `load_state_dict` knows them."""
    for name, ours in params.items():
        name = prefix + name
        if isinstance(ours, dict):
            yield from named(ours, f"{name}.")
            continue
        for pattern, here in NAMES.items():
            name = re.sub(pattern, here, name)
        yield name, torch.tensor(ours.transpose(AXES.get(ours.ndim)))
