"""MNIST with BEGAN (Berthelot et al. 2017): D is an autoencoder, k keeps the balance.

    python -m gan_jax.main --config=experiments/mnist_began.py

Published are faces of 64 pixels and more. For MNIST, networks and numbers are those of
another implementation (hwalsuklee's, like `mnist_ebgan.py`), half as wide. BEGAN's own,
an eighth as wide, are --config.generator.name=began --config.generator.width=16, of D
alike.

At first, and for long, nothing but grey is seen; then dots, then strokes.
"""

from . import mnist_ebgan


def get_config():
    config = mnist_ebgan.get_config()
    config.steps = 6_000
    config.game = dict(name="began", gamma=0.75)
    config.g_optimizer.learning_rate = 1e-3
    return config
