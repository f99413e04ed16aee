"""MNIST with a small convolutional GAN and the least-squares loss.

    python -m gan_jax.main --config=experiments/mnist_lsgan.py

10 epochs; digits are seen after half of them. At equilibrium D's loss would be 0.25,
G's 0.125, and D's mean score of held-out digits 0.5; D stays ahead of that.

Any data set of TFDS with images of 28x28 will do as well:
--config.data.builder=fashion_mnist
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 3_910
    config.loss = dict(name="least_squares")
    config.generator = dict(name="dcgan_mnist")
    config.discriminator = dict(name="dcgan_mnist")
    config.prior = dict(name="uniform", dim=96)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:55000]",
    )
    config.d_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5)
    config.g_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5)
    config.log_every = 10
    config.validate_every = 250
    config.sample_every = 50
    config.checkpoint_every = 500
    return config
