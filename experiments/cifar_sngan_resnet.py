"""CIFAR-10 with SNGAN's residual networks, unlabelled (Miyato et al. 2018).

    python -m gan_jax.main --config=experiments/cifar_sngan_resnet.py

Published: FID 21.7 of 5,000 samples against the 10,000 test images, Inception score
8.22 +- 0.05; the same network has about 15 with 50,000 samples against the training
images. In the authors' code G moves first and has minibatches of 128; here D does, and
both have 64.
"""

from . import cifar_sngan


def get_config():
    config = cifar_sngan.get_config()
    config.steps = 50_000
    config.batch_size = 64
    config.d_steps = 5
    config.generator = dict(name="sngan_resnet")
    config.discriminator = dict(name="sngan_resnet")
    config.prior.dim = 128
    config.schedule.steps = 50_000
    return config
