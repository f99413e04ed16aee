"""MNIST with WGAN-GP (Gulrajani et al. 2017), as in the authors' `gan_mnist.py`.

    python -m gan_jax.main --config=experiments/mnist_wgan_gp.py

Published are pictures. There G moves first, here the critic does; else it is the same:
networks without normalisation, batch 50, five updates of the critic a step, Adam.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 200_000
    config.batch_size = 50
    config.d_steps = 5
    config.loss = dict(name="wasserstein")
    config.penalty = dict(name="wgan_gp", weight=10.0)
    config.generator = dict(name="wgan_gp")
    config.discriminator = dict(name="wgan_gp")
    config.prior = dict(name="normal", dim=128)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:55000]",
    )
    config.scaling = dict(name="unit")
    config.d_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5, b2=0.9)
    config.g_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5, b2=0.9)
    config.validate_every = 1_000
    config.sample_every = 250
    config.checkpoint_every = 1_000
    return config
