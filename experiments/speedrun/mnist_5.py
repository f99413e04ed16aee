"""G is as deep as D, its average shorter; more steps."""

from . import mnist_4


def get_config():
    config = mnist_4.get_config()
    config.steps = 7_500
    config.generator.deep = True
    config.ema_decay = 0.99
    config.sample_every = 2_500
    config.checkpoint_every = 2_500
    config.validate_every = 2_500
    return config
