"""MNIST with a small convolutional GAN and the non-saturating loss.

    python -m gan_jax.main --config=experiments/mnist_dcgan.py

A step costs what it costs in mnist_lsgan.py.
"""

from . import mnist_lsgan


def get_config():
    config = mnist_lsgan.get_config()
    config.loss = dict(name="non_saturating")
    return config
