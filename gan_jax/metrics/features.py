"""Feature networks: images as vectors in which distances between them mean something.

    pixels     the pixels themselves, for images of any size
    mnist      the project's classifier of 28 x 28 grey images
    cifar10    the project's classifier of 32 x 32 colour images
    inception  the network of FID and Inception scores, from a file of the user's

Numbers from different networks, or from different weights, cannot be compared.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np

from gan_jax.errors import UsageError, nearest
from gan_jax.metrics import classifier, weights_file
from gan_jax.metrics.inception import SIZE, Inception
from gan_jax.networks import network

# (height, width, channels) of the images that each network takes; None is any number
ACCEPTS = {
    "pixels": (None, None, None),
    "mnist": (28, 28, 1),
    "mnist_framed": (32, 32, 1),  # by mnist, without a frame of two pixels
    "cifar10": (32, 32, 3),
    "inception": (None, None, 3),
}
_BATCH = {"mnist": 256, "mnist_framed": 256, "cifar10": 256, "inception": 32}

# how the SHA-256 begins of the PyTorch file that FID's weights come from
FID_SOURCE = "6726825d"


class FeatureNetwork(NamedTuple):
    """A network, as far as a metric and its protocol need to know it.

    name:         one of `ACCEPTS`
    checksum:     of the weights, see `weights_file.checksum`; None: there are none
    accepts:      (height, width, channels) of the images; None is any number
    resizing:     from the images' size to the network's, in words; None: there is none
    frechet_name: what the Frechet distance between its features is called: "FID" with
                  FID's own weights of Inception, else frechet_ and the name
    kernel_name:  what the kernel distance is called: likewise "KID", or kernel_ ..
    apply:        uint8 images [n, h, w, c] -> (features float32 [n, d], probabilities
                  of the classes float32 [n, classes], or None where there are none);
                  numpy arrays, computed in batches of one size
    classes:      the names of the classes, where they are known
    """

    name: str
    checksum: str | None
    accepts: tuple[int | None, ...]
    resizing: str | None
    frechet_name: str
    kernel_name: str
    apply: Callable
    classes: tuple[str, ...] = ()


def load_features(
    name: str,
    weights: Path | str | None = None,
    *,
    checksum: str | None = None,
    batch_size: int | None = None,
) -> FeatureNetwork:
    """The feature network `name`, one of `ACCEPTS`.

    weights:    the file of "inception", written by `convert_inception`
    checksum:   which the weights must have. Needed for weights of "inception" that were
                converted from another file than FID's
    batch_size: images at once, which bounds the memory; the numbers do not depend on it

    Raises UsageError for an unknown name, weights that are missing or damaged, and a
    wrong checksum.
    """
    if name not in ACCEPTS:
        raise UsageError(f"unknown features {name!r}; {nearest(name, ACCEPTS)}")
    if weights is not None and name != "inception":
        raise UsageError(f"features {name!r} take no weights; only 'inception' does")
    names = f"frechet_{name}", f"kernel_{name}"
    if name == "pixels":
        return FeatureNetwork(name, None, ACCEPTS[name], None, *names, _pixels)
    resizing = None
    if name == "inception":
        module, (variables, about) = Inception(), _read_inception(weights)
        resizing = f"bilinear to {SIZE} x {SIZE}, half-pixel centres, no antialiasing"
        if about["source_sha256"].startswith(FID_SOURCE):
            names = "FID", "KID"
        elif checksum is None:
            raise UsageError(
                f"weights {weights} were not converted from FID's Inception; if they "
                f"are what you want, give their checksum, {about['checksum']}"
            )
    elif name == "mnist_framed":
        module, variables, about = classifier.load("mnist")
        resizing = "the 28 x 28 in the middle"
        names = "frechet_mnist", "kernel_mnist"
    else:
        module, variables, about = classifier.load(name)
    found = about["checksum"]
    if checksum not in (None, found):
        raise UsageError(
            f"the weights of {name!r} have the checksum {found}, not {checksum}"
        )
    apply = _batched(name, module, variables, batch_size or _BATCH[name])
    about = name, found, ACCEPTS[name], resizing
    classes = classifier.CLASSES.get(name.removesuffix("_framed"), ())
    return FeatureNetwork(*about, *names, apply, classes)


def _read_inception(weights):
    if weights is None:
        raise UsageError(
            "features 'inception' need a file of weights; make it from FID's with "
            "python -m gan_jax.metrics.convert_inception --help"
        )
    variables, about = weights_file.read(Path(weights).expanduser())
    if "source_sha256" not in about:
        raise UsageError(f"weights {weights} are not of 'inception'")
    return variables, about


def fits(name: str, shape: tuple[int, ...]) -> bool:
    """Whether the network `name` takes images of shape (height, width, channels)."""
    accepted = ACCEPTS[name]
    return len(shape) == len(accepted) and all(
        wanted in (None, size) for wanted, size in zip(accepted, shape, strict=True)
    )


def require_fit(name: str, shape: tuple[int, ...]) -> None:
    """Raises UsageError unless the network `name` takes images of this shape."""
    if not fits(name, shape):
        accepted = ACCEPTS[name]
        size = " x ".join(map(str, accepted))
        if accepted[0] is None:
            size = f"any size with {accepted[-1]} channels"
        others = ", ".join(other for other in ACCEPTS if fits(other, shape))
        raise UsageError(
            f"features {name!r} take images of {size}, not examples of "
            f"{' x '.join(map(str, shape))}"
            + (f"; accepted for these: {others}" if others else "")
        )


def _check(name, images):
    require_fit(name, images.shape[1:])
    if images.dtype != np.uint8:
        raise UsageError(
            f"features {name!r} take images as uint8, 0 to 255, not {images.dtype}"
        )


def _pixels(images):
    """Pixels in [0, 1], one row an image."""
    _check("pixels", images)
    images = np.asarray(images)
    return images.reshape(len(images), -1) / np.float32(255), None


def _batched(name, module, variables, size):
    """The function `apply` of a FeatureNetwork."""
    forward = network(module, precision="highest").apply
    stats = jax.device_put(variables)
    params = stats.pop("params")

    @jax.jit
    def run(params, stats, x):
        x = x[:, 2:-2, 2:-2] if name == "mnist_framed" else x
        (features, logits), _ = forward(params, stats, x)
        return features, nn.softmax(logits)

    def apply(images):
        _check(name, images)
        batch = jax.ShapeDtypeStruct((size, *images.shape[1:]), np.uint8)
        outputs = tuple(
            np.empty((len(images), part.shape[1]), np.float32)
            for part in jax.eval_shape(run, params, stats, batch)
        )
        for start in range(0, len(images), size):
            x = images[start : start + size]
            missing = size - len(x)  # the program is compiled for one size
            padded = np.pad(x, ((0, missing), (0, 0), (0, 0), (0, 0)))
            for output, part in zip(outputs, run(params, stats, padded), strict=True):
                output[start : start + size] = np.asarray(part)[: len(x)]
        return outputs

    return apply
