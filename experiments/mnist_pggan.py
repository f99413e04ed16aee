"""MNIST with growing networks, from 4 to 32 pixels (PGGAN, Karras et al. 2018).

    python -m gan_jax.main --config=experiments/mnist_pggan.py

As `celeba_pggan.py`, in narrow networks and with a short time for each level, for few
CPU cores; the digits lie in frames of two black pixels. Levels begin at steps 0, 256,
768 and 1280; the last one has faded in at step 1792. G learns half as fast as D: at
equal rates, levels twice as long, D fell behind it from step 300 on, its loss above 0.

A quarter of an hour of one CPU core (the other one had other work), seed 0, stopped at
step 4,508: thin strokes, many of them digits; frechet_mnist 3.55, class score 4.0
(10,000 samples without their frame, the project's MNIST classifier). In the same time
`mnist_lsgan.py` comes to 0.68 and 7.8, `mnist_stylegan2.py` to 2.02 and 6.1.
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
