"""The project's own classifiers, whose features serve where Inception's do not.

Small convolutional networks, trained by `python -m gan_jax.metrics.train_classifier`:

    mnist    28 x 28 grey:   99.40 % of MNIST's test split right, 95 thousand weights
    cifar10  32 x 32 colour: 86.08 % of CIFAR-10's train[45000:] right, trained on
             train[:45000]; 290 thousand weights

`weights/` holds them, each with what it was made from and its checksum.
"""

from pathlib import Path

from flax import linen as nn

from gan_jax import layers
from gan_jax.metrics import weights_file

WEIGHTS = Path(__file__).parent / "weights"

# the names of their classes, as the data sets have them
CLASSES = {
    "mnist": tuple("0123456789"),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
}


class Classifier(nn.Module):
    """Blocks of 3 x 3 convolutions, each of which halves the image after its first.

    widths: the channels of the convolutions, block by block; every convolution is
            followed by batch norm and ReLU
    """

    widths: tuple[tuple[int, ...], ...]
    classes: int

    @nn.compact
    def __call__(self, x, *, train=False):
        """uint8 images [n, h, w, c] -> features [n, d >= 0], logits [n, classes].

        The features are the last convolution's, averaged over all places.
        """
        x = x / 127.5 - 1
        for block in self.widths:
            for i, channels in enumerate(block):
                x = layers.Conv(channels, 3, use_bias=False)(x)
                if i == 0:  # batch norm and ReLU cost less afterwards
                    x = layers.max_pool(x, 2, 2)
                x = nn.relu(layers.BatchNorm()(x, train))
        features = x.mean((1, 2))
        return features, layers.Dense(self.classes)(features)


def load(name: str) -> tuple[Classifier, dict, dict]:
    """The classifier trained on the data set `name`: module, variables, and `about`."""
    variables, about = weights_file.read(WEIGHTS / f"{name}.npz")
    widths = tuple(map(tuple, about["widths"]))
    return Classifier(widths, about["classes"]), variables, about
