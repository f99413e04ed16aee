"""G as deep as D, a shorter average of it; more steps, the last at falling rates."""

from . import mnist_4


def get_config():
    config = mnist_4.get_config()
    config.steps = 9_000
    config.generator.deep = True
    config.schedule = dict(name="linear", start=6_000, steps=3_000)
    config.ema_decay = 0.99
    config.sample_every = 3_000
    config.checkpoint_every = 3_000
    config.validate_every = 3_000
    return config
