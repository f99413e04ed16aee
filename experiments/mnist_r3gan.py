"""MNIST with a small convolutional GAN and R3GAN's loss (Huang et al. 2024).

    python -m gan_jax.main --config=experiments/mnist_r3gan.py

`mnist_dcgan.py` with scores judged in pairs of a real and a made example, and D's
squared slopes at both held down. `cifar_r3gan.py` has the paper's own networks, without
normalisation in G either.
"""

from . import mnist_dcgan


def get_config():
    config = mnist_dcgan.get_config()
    config.loss = dict(name="relativistic")
    config.penalty = dict(name="r1_r2", gamma=1.0)
    return config
