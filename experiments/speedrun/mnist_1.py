"""Labels, a projection discriminator, few channels; an average of G over 100 steps."""

from .. import mnist_projection


def get_config():
    config = mnist_projection.get_config()
    config.steps = 2_600
    config.d_optimizer.learning_rate = 1e-3
    config.g_optimizer.learning_rate = 1e-3
    config.ema_decay = 0.99
    config.sample_every = 1_300
    config.checkpoint_every = 1_300
    config.validate_every = 1_300
    return config
