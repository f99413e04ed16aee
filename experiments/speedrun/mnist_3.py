"""D sees places and a group's spread; half the batch, and rates that fall."""

from . import mnist_2


def get_config():
    config = mnist_2.get_config()
    config.steps = 7_500
    config.batch_size = 64
    config.discriminator.group = 4
    config.discriminator.units = 256
    config.schedule = dict(name="linear", start=2_500, steps=5_000)
    config.sample_every = 2_500
    config.checkpoint_every = 2_500
    config.validate_every = 2_500
    return config
