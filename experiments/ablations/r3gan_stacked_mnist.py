"""Which parts of R3GAN's loss keep all 1,000 modes of stacked MNIST?

    python -m gan_jax.sweep --config=experiments/ablations/r3gan_stacked_mnist.py

Huang et al. (2024) compare two losses and two penalties on small residual networks
without normalisation: modes of 1,000, and KL in nats, of 26,000 samples or so:

    published       R1 and R2       R1 alone
    relativistic    1000, 0.0781    fails
    non-saturating  693, 0.9270     fails

Here the networks are so narrow, and the steps so few, that a few CPU cores do.
"""

from .. import stacked_mnist_r3gan


def get_config():
    config = stacked_mnist_r3gan.get_config()
    config.steps = 1_500
    config.generator.widths = (32, 16, 8)
    config.discriminator.widths = (32, 16, 8)
    config.d_optimizer.learning_rate = 1e-3
    config.g_optimizer.learning_rate = 1e-3
    config.ema_decay = 0.99
    config.sample_every = 250
    config.evaluate_every = 500
    return config


def sweep():
    """Losses times penalties."""
    for loss in ("relativistic", "non_saturating"):
        for penalty in ("r1_r2", "r1"):
            yield {
                "loss.name": loss,
                "penalty.name": penalty,
                "penalty.gamma": 1.0,
            }


def population():
    """Three seeds."""
    for seed in range(3):
        yield {"seed": seed}
