"""Handwritten digits of 8x8 pixels (scikit-learn's 1,797), by two small networks.

python -m gan_jax.main
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 6_000
    config.batch_size = 64
    config.generator = dict(name="mlp", widths=(256, 256))
    config.discriminator = dict(name="mlp", widths=(256, 256))
    return config
