"""Stacked MNIST in VEEGAN's setting, as PacGAN's code has it: how many of 1,000 modes?

    python -m gan_jax.main --config=experiments/stacked_mnist.py

128,000 triples stacked once from all 70,000 digits, pixels in [0, 1] although G ends in
tanh, the DCGAN of carpedm20, 50 epochs. D moves first, then G twice, here on fresh
latents each time, there on D's. Judged by 26,000 samples (running statistics): digit
triples as a classifier of digits reads them, and KL(p_g || uniform) in nats.

    DCGAN             modes           KL
    VEEGAN (2017)     99              3.40
    PacGAN (2018)     78.9 +- 6.46    4.50 +- 0.127    (10 runs, standard error)
    real triples      1000            0.0236
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 100_000
    config.batch_size = 64
    config.g_steps = 2
    config.generator = dict(name="dcgan_tensorflow")
    config.discriminator = dict(name="dcgan_tensorflow")
    config.prior = dict(name="uniform", dim=100)
    config.data = dict(name="stacked_mnist", split="all", size=128_000)
    config.scaling = dict(name="unit")
    config.log_every = 50
    config.sample_every = 500
    config.checkpoint_every = 1_000
    config.sample_grid = (8, 8)
    return config
