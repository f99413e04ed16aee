"""MNIST by class with AC-GAN (Odena et al. 2017): D tells digits apart, too.

    python -m gan_jax.main --config=experiments/mnist_acgan.py

Networks of a third and of half the width that they have for CIFAR-10
(`cifar_acgan.py`), with less dropout: with 0.5 a narrow D sees too little.

Each digit is written in few ways, for which AC-GAN is known.
"""

from . import mnist_cgan


def get_config():
    config = mnist_cgan.get_config()
    config.steps = 5_000
    config.game = dict(name="acgan")
    config.generator = dict(name="acgan", width=16)
    config.discriminator = dict(name="acgan", width=8, dropout=0.2)
    config.prior = dict(name="normal", dim=100)
    config.scaling = dict(name="symmetric")
    return config
