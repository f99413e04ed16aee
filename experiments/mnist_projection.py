"""MNIST with a projection discriminator (Miyato and Koyama 2018).

    python -m gan_jax.main --config=experiments/mnist_projection.py

Spectral norm in D, the hinge loss, conditional batch norm in G: the ingredients of
`cifar_sngan_projection.py` in networks for digits, narrow enough for few CPU cores.

One training here, seed 0, on a CPU core that had other work as well, judged by 10,000
samples and the project's classifier:

    step     minutes   class agreement   worst class   frechet_mnist   within classes
    3,000    5         96.6 %            92.5 %        0.53            1.16
    5,713    12        99.1 %            97.5 %        0.17            0.53

Where it was stopped, rows are digits of their class, in many hands.
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
