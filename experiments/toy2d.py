"""A ring of eight Gaussians on the plane, by two small MLPs.

    python -m gan_jax.main --config=experiments/toy2d.py

First the samples lie around the ring, then at its modes, a few on the way from one to
the next. Of 2,500 that were drawn from the data, 98.9 % would be within three standard
deviations of a mode. Harder, 25 modes: --config.data.distribution=grid
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 20_000
    config.batch_size = 128
    config.generator = dict(name="mlp", widths=(128, 128), output="linear")
    config.discriminator = dict(name="mlp", widths=(128, 128))
    config.prior = dict(name="normal", dim=2)
    config.data = dict(name="toy2d", distribution="ring")
    config.scaling = dict(name="identity")
    config.d_optimizer.learning_rate = 1e-3
    config.g_optimizer.learning_rate = 1e-3
    config.log_every = 100
    config.sample_every = 250
    config.checkpoint_every = 5_000
    return config
