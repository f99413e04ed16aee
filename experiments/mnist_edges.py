"""Digits from their outlines with pix2pix (Isola et al. 2017).

    python -m gan_jax.main --config=experiments/mnist_edges.py

With --config.data.input=half, from images of half as many pixels.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 3_000
    config.batch_size = 16
    config.game = dict(name="pix2pix")
    config.generator = dict(name="pix2pix", width=16)
    config.discriminator = dict(name="pix2pix", width=16, layers=1)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:]",
        input="edges",
    )
    config.validate_every = 500
    config.checkpoint_every = 500
    config.sample_grid = (8, 9)
    return config
