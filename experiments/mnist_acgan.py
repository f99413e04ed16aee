"""MNIST with AC-GAN (Odena et al. 2017): D tells digits apart, too.

    python -m gan_jax.main --config=experiments/mnist_acgan.py

Networks of half the width that they have for CIFAR-10 (`cifar_acgan.py`).

One training here, seed 0, stopped at step 2,174 after 17 minutes of a CPU core that had
other work as well: all samples of a class are one and the same shape, hardly a digit;
class agreement 49 %, frechet_mnist 8.2. Not run to the end yet.
"""

from . import mnist_cgan


def get_config():
    config = mnist_cgan.get_config()
    config.steps = 4_000
    config.game = dict(name="acgan")
    config.generator = dict(name="acgan", width=24)
    config.discriminator = dict(name="acgan", width=8)
    config.prior = dict(name="normal", dim=100)
    config.scaling = dict(name="symmetric")
    return config
