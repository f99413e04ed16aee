"""Digits and their outlines with CoGAN (Liu and Tuzel 2016): pairs, never shown any.

    python -m gan_jax.main --config=experiments/mnist_cogan.py

The digits of one half of MNIST, and the outlines of the other half. Pairs agree where
the upper row of a picture and the one below it show the same digits. As in the authors'
code, but narrower and shorter, for few CPU cores; theirs is
--config.generator.width=128 and 50,000 steps.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 4_000
    config.game = dict(name="cogan")
    config.generator = dict(name="cogan", width=32)
    config.discriminator = dict(name="cogan")
    config.prior = dict(name="uniform", dim=100)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:30000]",
        validation_split="test[:5000]",
    )
    config.other = dict(
        name="edges",
        builder="mnist",
        split="train[30000:]",
        validation_split="test[5000:]",
    )
    config.scaling = dict(name="unit")
    config.d_decay = dict(name="l2", weight=5e-4)
    config.g_decay = dict(name="l2", weight=5e-4)
    config.validate_every = 500
    config.checkpoint_every = 500
    config.sample_grid = (10, 10)
    return config
