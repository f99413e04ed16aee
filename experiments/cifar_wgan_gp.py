"""CIFAR-10 with WGAN-GP's convolutional networks, as in the authors' `gan_cifar.py`.

    python -m gan_jax.main --config=experiments/cifar_wgan_gp.py

Published for such a network: FID 40.2, of 5,000 samples against the 10,000 test images
(Miyato et al. 2018, table 2).
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 200_000
    config.batch_size = 64
    config.d_steps = 5
    config.loss = dict(name="wasserstein")
    config.penalty = dict(name="wgan_gp", weight=10.0)
    config.generator = dict(name="wgan_gp", width=128, norm="batch", output="tanh")
    config.discriminator = dict(name="wgan_gp", width=128)
    config.prior = dict(name="normal", dim=128)
    config.data = dict(name="tfds", builder="cifar10", split="train")
    config.d_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5, b2=0.9)
    config.g_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5, b2=0.9)
    config.log_every = 25
    config.sample_every = 100
    config.checkpoint_every = 500
    return config
