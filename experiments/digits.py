"""Handwritten digits of 8x8 pixels (scikit-learn's 1,797), by two small MLPs.

    python -m gan_jax.main

The quickest to show anything like digits, and without any download.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 12_000
    config.batch_size = 64
    config.generator = dict(name="mlp", widths=(256, 256))
    config.discriminator = dict(name="mlp", widths=(256, 256))
    config.d_optimizer.learning_rate = 5e-4
    config.g_optimizer.learning_rate = 5e-4
    config.ema_decay = 0.995
    config.sample_every = 400
    config.checkpoint_every = 2_000
    return config
