"""Stacked MNIST in VEEGAN's setting: how many of 1,000 modes does a DCGAN find?

    python -m gan_jax.main --config=experiments/stacked_mnist.py

As in PacGAN's code (Lin et al. 2018): 128,000 triples stacked once from all 70,000
digits, pixels in [0, 1] although G ends in tanh, carpedm20's DCGAN, 50 epochs. D moves
first, then G twice, here each time on latents of its own, there all on the same.
26,000 samples of G with running statistics are judged: the triples that a classifier
of digits reads in them, and KL(samples || uniform over all triples) in nats.

    published                           modes           KL
    DCGAN in VEEGAN (2017)              99              3.40
    DCGAN in PacGAN (2018), 10 runs     78.9 +- 6.46    4.50 +- 0.127

Triples of real digits have all 1,000 modes and a KL of 0.0236.
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
    config.evaluate_every = 10_000
    config.evaluate_samples = 26_000
    config.log_every = 50
    config.sample_every = 500
    config.checkpoint_every = 1_000
    config.sample_grid = (8, 8)
    return config
