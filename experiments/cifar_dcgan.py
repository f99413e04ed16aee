"""CIFAR-10 with the DCGAN of Radford et al. (2016), at 32x32.

    python -m gan_jax.main --config=experiments/cifar_dcgan.py

20,000 steps are 51 epochs.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 20_000
    config.generator = dict(name="dcgan", width=64)
    config.discriminator = dict(name="dcgan", width=64)
    config.prior = dict(name="uniform", dim=100)
    config.data = dict(name="tfds", builder="cifar10", split="train")
    config.log_every = 25
    config.sample_every = 100
    config.checkpoint_every = 500
    return config
