"""Stacked MNIST with the networks and the loss of R3GAN (Huang et al. 2024).

    python -m gan_jax.main --config=experiments/stacked_mnist_r3gan.py

Published for the whole method: all 1,000 modes and a KL of 0.029; for its loss on small
residual networks without normalisation, in the paper's ablation: 1,000 and 0.0781. The
authors' code has no setting for these data. Here the networks are narrow enough for a
few CPU cores, at 28 pixels from 7 x 7 places on, and the numbers constant. Published
widths are --config.generator.widths=768,768,768 and the same for the discriminator.
"""

from . import stacked_mnist


def get_config():
    config = stacked_mnist.get_config()
    config.g_steps = 1
    config.loss = dict(name="relativistic")
    config.penalty = dict(name="r1_r2", gamma=1.0)
    config.generator = dict(name="r3gan", widths=(64, 64, 64), blocks=1)
    config.discriminator = dict(name="r3gan", widths=(64, 64, 64), blocks=1)
    config.prior = dict(name="normal", dim=64)
    config.scaling = dict(name="symmetric")
    config.d_optimizer = dict(name="adam", learning_rate=2e-4, b1=0.0, b2=0.99)
    config.g_optimizer = dict(name="adam", learning_rate=2e-4, b1=0.0, b2=0.99)
    config.ema_decay = 0.999
    return config
