"""Which loss on MNIST, and at which learning rate?

    python -m gan_jax.sweep --config=experiments/ablations/mnist_losses.py

The saturating loss is said to teach G nothing where D is sure, and least squares to be
steadier than cross entropy. A comparison at one learning rate would show which loss
that rate suits: here are three of them, of both players, with three seeds each, and a
loss is to be judged by its best rate and by how many rates do.

The networks of mnist_dcgan.py at a quarter of their width, and 5 epochs in place of 10.
In full: --config.generator.width=64 --config.discriminator.width=64 --config.steps=3910
"""

from .. import mnist_dcgan


def get_config():
    config = mnist_dcgan.get_config()
    config.steps = 2_000
    config.generator.width = 16
    config.discriminator.width = 16
    config.evaluate_every = 500
    config.evaluate_metrics = ("frechet",)
    return config


def sweep():
    """The losses."""
    for loss in ("saturating", "non_saturating", "least_squares"):
        yield {"loss.name": loss}


def population():
    """Learning rates of both players, three seeds each."""
    for rate in (2e-4, 1e-3, 5e-3):
        for seed in range(3):
            yield {
                "d_optimizer.learning_rate": rate,
                "g_optimizer.learning_rate": rate,
                "seed": seed,
            }
