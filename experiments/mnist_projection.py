"""MNIST by class with a projection discriminator (Miyato and Koyama 2018).

    python -m gan_jax.main --config=experiments/mnist_projection.py

Spectral norm in D, the hinge loss, conditional batch norm in G: the ingredients of
`cifar_sngan_projection.py` in networks for digits, narrow enough for few CPU cores.
"""

from . import mnist_cgan


def get_config():
    config = mnist_cgan.get_config()
    config.batch_size = 128
    config.loss = dict(name="hinge")
    config.generator = dict(name="projection", width=16)
    config.discriminator = dict(name="projection", width=16)
    config.prior = dict(name="normal", dim=64)
    config.scaling = dict(name="symmetric")
    config.d_optimizer = dict(name="adam", learning_rate=4e-4, b1=0.0, b2=0.9)
    config.g_optimizer = dict(name="adam", learning_rate=4e-4, b1=0.0, b2=0.9)
    config.ema_decay = 0.0
    return config
