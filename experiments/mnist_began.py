"""MNIST with BEGAN (Berthelot et al. 2017): D is an autoencoder, k keeps the balance.

    python -m gan_jax.main --config=experiments/mnist_began.py

Published are faces of 64 pixels and more. Here networks of an eighth of their width,
and larger minibatches and rates, for few CPU cores.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 4_000
    config.batch_size = 32
    config.game = dict(name="began")
    config.generator = dict(name="began", width=16)
    config.discriminator = dict(name="began", width=16)
    config.prior = dict(name="uniform", dim=64)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:]",
    )
    config.d_optimizer = dict(name="adam", learning_rate=4e-4, b1=0.5)
    config.g_optimizer = dict(name="adam", learning_rate=4e-4, b1=0.5)
    config.validate_every = 500
    config.checkpoint_every = 500
    return config
