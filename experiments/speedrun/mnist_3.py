"""D sees places and a group's spread; freer slopes, half the batch, falling rates."""

from . import mnist_2


def get_config():
    config = mnist_2.get_config()
    config.steps = 7_500
    config.batch_size = 64
    config.penalty.gamma = 0.1
    config.discriminator.group = 4
    config.discriminator.units = 256
    config.schedule = dict(name="linear", start=2_500, steps=5_000)
    config.sample_every = 2_500
    config.checkpoint_every = 2_500
    config.validate_every = 2_500
    return config
