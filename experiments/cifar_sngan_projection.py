"""CIFAR-10 by class with SNGAN's projection discriminator (Miyato and Koyama 2018).

    python -m gan_jax.main --config=experiments/cifar_sngan_projection.py

Published (Miyato et al. 2018, conditional): FID 17.5 of 10,000 samples against 5,000
test images, Inception score 8.60. In the authors' code G moves first, has minibatches
of 128, and draws its classes uniformly; here it has those of D's 64 images.
"""

from . import cifar_sngan_resnet


def get_config():
    config = cifar_sngan_resnet.get_config()
    config.game = dict(name="gan", labels=True)
    config.sample_grid = (10, 10)
    return config
