"""Signals: mixtures of two sines, by small convolutional networks along the line.

    python -m gan_jax.main --config=experiments/sines.py

Signals are drawn anew for every minibatch. Of your own, [n, length] or [n, length,
channels] in a file (a length divisible by 8):

    --config.data.name=arrays --config.data.signals=true --config.data.path=x.npy
    --config.scaling.name=standardised --config.generator.output=linear
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 3_000
    config.batch_size = 64
    config.d_steps = 2
    config.loss = dict(name="wasserstein")
    config.penalty = dict(name="wgan_gp", weight=10.0)
    config.generator = dict(name="conv1d")
    config.discriminator = dict(name="conv1d")
    config.prior = dict(name="normal", dim=16)
    config.data = dict(name="sines")
    config.scaling = dict(name="identity")
    config.d_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5, b2=0.9)
    config.g_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5, b2=0.9)
    config.ema_decay = 0.99
    config.log_every = 50
    config.sample_every = 250
    config.checkpoint_every = 500
    return config
