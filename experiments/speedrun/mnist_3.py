"""D reads places and the deviation of a group; minibatches of half as many."""

from . import mnist_2


def get_config():
    config = mnist_2.get_config()
    config.steps = 9_000
    config.batch_size = 64
    config.discriminator.group = 4
    config.discriminator.units = 256
    config.sample_every = 3_000
    config.checkpoint_every = 3_000
    config.validate_every = 3_000
    return config
