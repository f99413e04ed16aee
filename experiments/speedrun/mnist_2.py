"""R3GAN's loss and penalty in place of spectral norm and the hinge; wider networks."""

from . import mnist_1


def get_config():
    config = mnist_1.get_config()
    config.steps = 3_000
    config.loss = dict(name="relativistic")
    config.penalty = dict(name="r1_r2", gamma=1.0)
    config.generator.width = 64
    config.discriminator = dict(name="projection", width=32, weight="plain")
    config.d_optimizer.b2 = 0.99
    config.g_optimizer.b2 = 0.99
    config.ema_decay = 0.995
    config.sample_every = 1_000
    config.checkpoint_every = 1_000
    config.validate_every = 1_000
    return config
