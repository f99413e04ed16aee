"""Stacked MNIST in Unrolled GAN's setting: tiny networks, fresh triples every step.

    python -m gan_jax.main --config=experiments/stacked_mnist_small.py

As in PacGAN's code for it (Lin et al. 2018): new triples of the 60,000 training digits
for every minibatch, pixels in [-1, 1], 500,000 steps, D first, then G, here on latents
of its own, there on D's. D has half of G's channels; a quarter is
--config.discriminator.width=2. 25,600 samples are judged as in stacked_mnist.py, here
of G with running statistics, there with those of minibatches of 128.

    published                        D        modes             KL
    DCGAN in Unrolled GAN (2017)     1/2 G    628.0 +- 140.9    2.58 +- 0.75
                                     1/4 G    30.6 +- 20.73     5.99 +- 0.42
    DCGAN in PacGAN (2018), 50 runs  1/2 G    487.7 +- 34.59    2.24 +- 0.15
                                     1/4 G    78.5 +- 17.56     5.21 +- 0.19

Triples of real digits have all 1,000 modes and a KL of 0.0238 to 0.0240,
as they are drawn.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 500_000
    config.generator = dict(name="dcgan_tiny", width=8)
    config.discriminator = dict(name="dcgan_tiny", width=4)
    config.prior = dict(name="normal", dim=256)
    config.data = dict(name="stacked_mnist", split="train", fresh=True)
    config.d_optimizer = dict(name="adam", learning_rate=2e-4, b1=0.5, b2=0.99)
    config.g_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5, b2=0.99)
    config.evaluate_every = 20_000
    config.evaluate_samples = 25_600
    config.log_every = 500
    config.sample_every = 2_500
    config.checkpoint_every = 5_000
    config.sample_grid = (8, 8)
    return config
