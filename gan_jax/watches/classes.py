"""Which digits a run's samples show, on data like MNIST."""

import numpy as np

from gan_jax.games import sampler
from gan_jax.metrics.class_score import class_histogram, entropy
from gan_jax.metrics.classifier import CLASSES
from gan_jax.metrics.features import load_features
from gan_jax.sampling import latents_for
from gan_jax.watches import Watch

SAMPLES = 1_000


def make_class_watch(config, built, dataset, key) -> Watch | None:
    """The share of each digit among samples, and their entropy; None for other data.

    None, too, where samples are made of images, and show the digits that these do.

    The project's classifier of MNIST reads them. The same 1,000 latents all through.
    """
    is_mnist = tuple(dataset.info["shape"]) == (28, 28, 1)
    if not is_mnist or tuple(dataset.info["classes"]) != CLASSES["mnist"]:
        return None
    if built.game.translate:
        return None
    z = latents_for(built, key, SAMPLES)
    generate = sampler(built.game)
    network = load_features("mnist")

    def compute(state):
        return generate(*state.sampler, z)

    def read(samples):
        _, probabilities = network.apply(dataset.to_uint8(samples))
        shares = class_histogram(probabilities)
        values = {f"class_{i}": float(share) for i, share in enumerate(shares)}
        return {"class_entropy": entropy(shares), **values}

    perfect = {"class_entropy": float(np.log(len(CLASSES["mnist"])))}
    return Watch(config.validate_every, compute, read, perfect)
