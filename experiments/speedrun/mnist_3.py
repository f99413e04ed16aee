"""D sees places and a group's spread; half the batch, fewer latents, falling rates."""

from . import mnist_2


def get_config():
    config = mnist_2.get_config()
    config.steps = 8_000
    config.batch_size = 64
    config.prior.dim = 32
    config.discriminator.group = 4
    config.discriminator.units = 256
    config.schedule = dict(name="linear", start=3_000, steps=5_000)
    config.sample_every = 4_000
    config.checkpoint_every = 4_000
    config.validate_every = 4_000
    return config
