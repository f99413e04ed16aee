"""MNIST with EBGAN (Zhao et al. 2017): D is an autoencoder with a margin.

    python -m gan_jax.main --config=experiments/mnist_ebgan.py

D's energy is the error of an autoencoder, and G has the pulling-away term. The authors'
code is not public; networks and numbers are those of another implementation, the
networks half as wide: its energy, of 64 digits together, is 3.5 times ours, and so is
its margin of 1.

Theirs are 20 epochs, as here.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 15_625
    config.batch_size = 64
    config.game = dict(name="ebgan", margin=0.286, pull_away=0.0286)
    config.generator = dict(name="ebgan", width=32)
    config.discriminator = dict(name="ebgan", width=32)
    config.prior = dict(name="uniform", dim=62)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:]",
    )
    config.scaling = dict(name="unit")
    config.validate_every = 500
    config.checkpoint_every = 500
    return config
