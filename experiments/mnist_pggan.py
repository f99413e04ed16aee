"""MNIST with growing networks, from 4 to 32 pixels (PGGAN, Karras et al. 2018).

    python -m gan_jax.main --config=experiments/mnist_pggan.py

As `celeba_pggan.py`, in narrow networks and with a short time for each level, for few
CPU cores; the digits lie in frames of two black pixels. Levels begin at steps 0, 256,
768 and 1280; the last one has faded in at step 1792. G learns half as fast as D: at
equal rates D falls behind. In the same time `mnist_lsgan.py` makes better digits.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 4_500
    config.batch_size = 64
    config.game = dict(name="pggan", fade=16_384, stay=16_384, batches=(64, 64, 64, 32))
    config.loss = dict(name="wasserstein")
    config.penalty = dict(name="wgan_gp_drift")
    config.generator = dict(name="pggan", channel_base=128, channel_max=64)
    config.discriminator = dict(name="pggan", channel_base=128, channel_max=64)
    config.prior = dict(name="normal", dim=64)
    config.data = dict(name="tfds", builder="mnist", pad=2)
    config.d_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.0, b2=0.99)
    config.g_optimizer = dict(name="adam", learning_rate=5e-4, b1=0.0, b2=0.99)
    config.ema_decay = 0.99
    config.sample_every = 256
    config.checkpoint_every = 512
    return config
