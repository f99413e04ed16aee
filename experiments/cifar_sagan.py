"""CIFAR-10 by class with SAGAN: self-attention, one update each (Zhang et al. 2019).

    python -m gan_jax.main --config=experiments/cifar_sagan.py

The authors' code knows ImageNet at 128 pixels alone. Its numbers are kept: a faster D
in place of several updates of it, minibatches of 64, z of 128 numbers; Adam's b2 is the
paper's. Attention is at 16 x 16 places, which both networks pass at this size, and
100,000 steps are this file's. StudioGAN's SAGAN has FID 10.35 and Inception score 8.64,
50,000 samples against the training images.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 100_000
    config.batch_size = 64
    config.game = dict(name="gan", labels=True)
    config.loss = dict(name="hinge")
    config.generator = dict(name="sagan", attention=(16,))
    config.discriminator = dict(name="sagan", attention=(16,))
    config.prior = dict(name="normal", dim=128)
    config.data = dict(name="tfds", builder="cifar10", split="train")
    config.d_optimizer = dict(name="adam", learning_rate=4e-4, b1=0.0, b2=0.9)
    config.g_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.0, b2=0.9)
    config.log_every = 25
    config.sample_every = 250
    config.sample_grid = (10, 10)
    return config
