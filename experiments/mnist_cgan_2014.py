"""MNIST with the conditional networks of Mirza and Osindero (2014).

    python -m gan_jax.main --config=experiments/mnist_cgan_2014.py

Published is a Parzen estimate of 132 +- 1.8. Their code is not public; what the paper
leaves open (initial weights, where dropout acts, simultaneous updates) is as in the
code of 2014 without labels. The learning rate falls ten times as fast as there.

To see the estimate rise: --config.evaluate_every=2_500 --config.evaluate_metrics=parzen
"""

from . import mnist_mlp_2014


def get_config():
    config = mnist_mlp_2014.get_config()
    config.game = dict(name="gan", labels=True)
    config.loss = dict(name="non_saturating")
    config.generator = dict(name="cgan_2014")
    config.discriminator = dict(name="cgan_2014")
    config.prior = dict(name="uniform", dim=100, low=0.0, high=1.0)
    config.schedule.decay = 1.00004
    config.sample_grid = (10, 10)
    return config
