"""CIFAR-10 with WGAN-GP's residual networks, as in `gan_cifar_resnet.py`, unlabelled.

    python -m gan_jax.main --config=experiments/cifar_wgan_gp_resnet.py

Published: Inception score 7.86 +- 0.07 (Gulrajani et al. 2017, table 3), FID 29.3
(Heusel et al. 2017). There G has minibatches of twice the size, here of the critic's;
noise of one grey level is added there above each, here around it.
"""

from . import cifar_wgan_gp


def get_config():
    config = cifar_wgan_gp.get_config()
    config.steps = 100_000
    config.generator = dict(name="wgan_gp_resnet")
    config.discriminator = dict(name="wgan_gp_resnet")
    config.data.dequantize = True
    config.schedule = dict(name="linear", steps=100_000)
    for player in ("d", "g"):
        config[f"{player}_optimizer"] = dict(
            name="adam", learning_rate=2e-4, b1=0.0, b2=0.9
        )
    return config
