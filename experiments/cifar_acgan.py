"""CIFAR-10 by class with AC-GAN (Odena et al. 2017): D classifies, too.

    python -m gan_jax.main --config=experiments/cifar_acgan.py

Published is an Inception score of 8.25 +- 0.07, with networks whose code is not public;
these are those of a well-known other implementation, at its width.
"""

from . import mnist_acgan


def get_config():
    config = mnist_acgan.get_config()
    config.steps = 50_000
    config.batch_size = 100
    config.generator = dict(name="acgan")
    config.discriminator = dict(name="acgan")
    config.data = dict(
        name="tfds",
        builder="cifar10",
        split="train[:45000]",
        validation_split="train[45000:]",
    )
    config.checkpoint_every = 1_000
    return config
