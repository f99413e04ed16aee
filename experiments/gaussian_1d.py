"""A normal distribution on the line, by a GAN of which everything can be drawn.

    python -m gan_jax.main --config=experiments/gaussian_1d.py

`samples.gif` is Figure 1 of Goodfellow et al. (2014) in motion: the density of the data
(dotted), that of the samples (green), D (dashed), and the map from z to x as arrows.
The last part of notebooks/theory.ipynb makes its four stills.

D ends near 1/2 but for the tails, which no bounded G reaches and where it is sure. Some
seeds make G increasing, others decreasing: both maps are right.
"""

from . import default


def get_config():
    config = default.get_config()
    config.seed = 1
    config.steps = 2_000
    config.batch_size = 256
    config.d_steps = 2
    config.generator = dict(name="mlp", widths=(64, 64), output="linear")
    config.discriminator = dict(name="mlp", widths=(64, 64))
    # so narrow that biases, which start at 0, take G's kinks to anywhere in it
    config.prior = dict(name="uniform", dim=1, low=-0.1, high=0.1)
    config.data = dict(name="gaussian_1d", means=(1.0,), stds=(1.0,))
    config.scaling = dict(name="identity")
    config.d_optimizer.learning_rate = 1e-3
    config.g_optimizer.learning_rate = 1e-3
    config.ema_decay = 0.99
    config.log_every = 20
    config.sample_every = 20
    config.checkpoint_every = 500
    return config
