"""CIFAR-10 with ALI (Dumoulin et al. 2017): BiGAN's game with a stochastic encoder.

    python -m gan_jax.main --config=experiments/cifar_bigan.py

As in the authors' `ali_cifar10.py` but for 6,475 epochs, which are --config.steps=
3_237_500. Published are pictures: samples, and reconstructions that keep what an image
is of rather than its pixels.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 100_000
    config.batch_size = 100
    config.game = dict(name="bigan")
    config.generator = dict(name="ali")
    config.discriminator = dict(name="ali")
    config.encoder = dict(name="ali")
    config.prior = dict(name="normal", dim=64)
    config.data = dict(
        name="tfds", builder="cifar10", split="train", validation_split="test"
    )
    config.scaling = dict(name="unit")
    config.d_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5)
    config.g_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5)
    config.validate_every = 1_000
    config.sample_every = 500
    config.checkpoint_every = 1_000
    config.sample_grid = (10, 10)
    return config
