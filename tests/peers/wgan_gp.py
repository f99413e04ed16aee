"""WGAN-GP's convolutional networks in PyTorch: gan_jax/models/wgan_gp.py."""

from torch import nn

from peers import networks


class Crop(nn.Module):
    """The first `size` rows and columns."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return x[..., : self.size, : self.size]


def _halvings(size):
    """The size, and what it becomes halved three times, each rounded up."""
    return [-(-size // 2**i) for i in range(4)]


def generator(dim, shape, width=64, norm="none", output="sigmoid"):
    """A dense layer, three transposed convolutions; batch norm if any, ReLU."""
    *sizes, first = _halvings(shape[0])
    features, plain = 4 * width, norm == "none"

    def activate(features):
        batch_norm = [] if plain else [nn.BatchNorm2d(features)]
        return *batch_norm, nn.ReLU(inplace=True)

    dense = nn.Linear(dim, first * first * features, bias=plain)
    layers = [dense, networks.Unflatten(first, first, features), *activate(features)]
    for size in reversed(sizes[1:]):
        double = nn.ConvTranspose2d(features, features // 2, 5, 2, 1, bias=plain)
        features //= 2
        layers += double, Crop(size), *activate(features)
    last = nn.ConvTranspose2d(features, shape[-1], 5, stride=2, padding=1)
    return nn.Sequential(*layers, last, Crop(sizes[0]), networks.ACTIVATIONS[output]())


def discriminator(shape, width=64):
    """Three convolutions of stride 2 with leaky ReLU, without normalisation."""
    layers, inputs, features = [], shape[-1], width
    *sizes, last = _halvings(shape[0])
    for size in sizes:
        total = 2 * (-(-size // 2) - 1) + 5 - size  # as TensorFlow's SAME
        before, after = total // 2, total - total // 2
        even = before == after
        pad = [] if even else [nn.ZeroPad2d((before, after, before, after))]
        padding = before if even else 0
        conv = nn.Conv2d(inputs, features, 5, stride=2, padding=padding)
        layers += *pad, conv, nn.LeakyReLU(0.2, inplace=True)
        inputs, features = features, 2 * features
    return nn.Sequential(
        *layers, networks.Flatten(), *networks.score(last * last * inputs)
    )
