"""Stacked MNIST in Unrolled GAN's setting: tiny networks, fresh triples every step.

    python -m gan_jax.main --config=experiments/stacked_mnist_small.py

TODO
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 500_000
    config.generator = dict(name="dcgan_tiny", width=8)
    config.discriminator = dict(name="dcgan_tiny", width=4)
    config.prior = dict(name="normal", dim=256)
    config.data = dict(name="stacked_mnist", split="train", fresh=True)
    config.d_optimizer = dict(name="adam", learning_rate=2e-4, b1=0.5, b2=0.99)
    config.g_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5, b2=0.99)
    config.log_every = 500
    config.sample_every = 2_500
    config.checkpoint_every = 5_000
    config.sample_grid = (8, 8)
    return config
