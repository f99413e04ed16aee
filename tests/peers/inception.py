"""FID's Inception-v3 in PyTorch, with the names of the usual weights."""

import torch
import torch.nn.functional as F
from torch import nn


class Unit(nn.Module):
    """Convolution, batch norm, ReLU; stride-1 kernels keep the size if `pad`."""

    def __init__(self, inputs, outputs, kernel, stride=1, pad=True):
        super().__init__()
        padding = [k // 2 for k in kernel] if pad and stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """Branches side by side, then a pooled one; `tree` is one dict a branch.

    A branch maps the names of its units, one after the other, to (outputs, kernel,
    stride); a tuple of names at its end is a pair of units beside each other. The
    pooled branch ends in a unit, or, without `pooled`, passes on what it is given.
    """

    def __init__(self, inputs, *tree, pool, pooled=0):
        super().__init__()
        self.pool, self.tree, self.pooled, self.outputs = pool, tree, pooled, 0
        for branch in tree:
            width = inputs
            for names, unit in branch.items():
                pair = names if isinstance(names, tuple) else (names,)
                units = unit if isinstance(names, tuple) else (unit,)
                for name, (outputs, *rest) in zip(pair, units, strict=True):
                    setattr(self, name, Unit(width, outputs, *rest))
                width = sum(unit[0] for unit in units)
            self.outputs += width
        if pooled:
            self.branch_pool = Unit(inputs, pooled, (1, 1))
        self.outputs += pooled or inputs

    def forward(self, x):
        ends = []
        for branch in self.tree:
            y = x
            for names in branch:
                pair = names if isinstance(names, tuple) else (names,)
                y = torch.cat([getattr(self, name)(y) for name in pair], 1)
            ends.append(y)
        y = POOLS[self.pool](x)
        return torch.cat([*ends, self.branch_pool(y) if self.pooled else y], 1)


POOLS = {
    # only the pixels that there are count
    "mean": lambda x: (
        F.avg_pool2d(x, 3, 1, 1) / F.avg_pool2d(torch.ones_like(x[:1, :1]), 3, 1, 1)
    ),
    "maximum": lambda x: F.max_pool2d(x, 3, 1, 1),
    "halve": lambda x: F.max_pool2d(x, 3, 2),
}
ONE, THREE, FIVE, ROW, COLUMN = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)


def _a(inputs, pooled):
    return Block(
        inputs,
        {"branch1x1": (64, ONE)},
        {"branch5x5_1": (48, ONE), "branch5x5_2": (64, FIVE)},
        {
            "branch3x3dbl_1": (64, ONE),
            "branch3x3dbl_2": (96, THREE),
            "branch3x3dbl_3": (96, THREE),
        },
        pool="mean",
        pooled=pooled,
    )


def _b(inputs):
    return Block(
        inputs,
        {"branch3x3": (384, THREE, 2)},
        {
            "branch3x3dbl_1": (64, ONE),
            "branch3x3dbl_2": (96, THREE),
            "branch3x3dbl_3": (96, THREE, 2),
        },
        pool="halve",
    )


def _c(inputs, inner):
    return Block(
        inputs,
        {"branch1x1": (192, ONE)},
        {
            "branch7x7_1": (inner, ONE),
            "branch7x7_2": (inner, ROW),
            "branch7x7_3": (192, COLUMN),
        },
        {
            "branch7x7dbl_1": (inner, ONE),
            "branch7x7dbl_2": (inner, COLUMN),
            "branch7x7dbl_3": (inner, ROW),
            "branch7x7dbl_4": (inner, COLUMN),
            "branch7x7dbl_5": (192, ROW),
        },
        pool="mean",
        pooled=192,
    )


def _d(inputs):
    return Block(
        inputs,
        {"branch3x3_1": (192, ONE), "branch3x3_2": (320, THREE, 2)},
        {
            "branch7x7x3_1": (192, ONE),
            "branch7x7x3_2": (192, ROW),
            "branch7x7x3_3": (192, COLUMN),
            "branch7x7x3_4": (192, THREE, 2),
        },
        pool="halve",
    )


def _e(inputs, pool):
    pair = (384, (1, 3)), (384, (3, 1))
    return Block(
        inputs,
        {"branch1x1": (320, ONE)},
        {"branch3x3_1": (384, ONE), ("branch3x3_2a", "branch3x3_2b"): pair},
        {
            "branch3x3dbl_1": (448, ONE),
            "branch3x3dbl_2": (384, THREE),
            ("branch3x3dbl_3a", "branch3x3dbl_3b"): pair,
        },
        pool=pool,
        pooled=192,
    )


class Inception(nn.Module):
    """uint8 images [n, 3, h, w] -> features [n, 2048], logits without their bias."""

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, THREE, 2)
        self.Conv2d_2a_3x3 = Unit(32, 32, THREE, pad=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, THREE)
        self.Conv2d_3b_1x1 = Unit(64, 80, ONE)
        self.Conv2d_4a_3x3 = Unit(80, 192, THREE, pad=False)
        self.Mixed_5b = _a(192, 32)
        self.Mixed_5c = _a(256, 64)
        self.Mixed_5d = _a(288, 64)
        self.Mixed_6a = _b(288)
        self.Mixed_6b = _c(768, 128)
        self.Mixed_6c = _c(768, 160)
        self.Mixed_6d = _c(768, 160)
        self.Mixed_6e = _c(768, 192)
        self.Mixed_7a = _d(768)
        self.Mixed_7b = _e(1280, "mean")
        self.Mixed_7c = _e(2048, "maximum")
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x):
        x = F.interpolate(x.float() / 255, (299, 299), mode="bilinear")
        x = 2 * x - 1
        for name, layer in self.named_children():
            if name == "fc":
                break
            x = layer(x)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                x = F.max_pool2d(x, 3, 2)
        features = x.mean((2, 3))
        return features, features @ self.fc.weight.T


@torch.no_grad()
def random(seed):
    """In evaluation mode, every parameter and statistic drawn at random.

    Batch norm keeps the scale of what passes, so that all 94 convolutions matter.
    """
    generator = torch.Generator().manual_seed(seed)
    net = Inception().eval()

    def uniform(tensor, low, high):
        tensor.uniform_(low, high, generator=generator)

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            fan_in = layer.weight[0].numel()
            layer.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            uniform(layer.weight, 0.8, 1.2)
            uniform(layer.bias, -0.2, 0.2)
            uniform(layer.running_mean, -0.2, 0.2)
            uniform(layer.running_var, 0.8, 1.2)
    net.fc.weight.normal_(0, 2048**-0.5, generator=generator)
    net.fc.bias.normal_(0, 1, generator=generator)
    return net
