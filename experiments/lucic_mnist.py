"""MNIST in the setting of "Are GANs Created Equal?" (Lucic et al. 2018).

    python -m gan_jax.main --config=experiments/lucic_mnist.py

One network for all losses, 20 epochs, Adam; its numbers here are in the middle of the
paper's narrow search. Published, of the best of 50 settings for each loss, 50 seeds,
FID of 10,000 samples against the test images, which are read by Inception: minimax 9.8
+- 0.9, non-saturating 6.8 +- 0.5, least squares 7.8 +- 0.6, WGAN 6.7 +- 0.4, WGAN-GP
20.3 +- 5.0. A penalty wants a discriminator without batch norm:

    --config.loss.name=wasserstein --config.penalty.name=wgan_gp \\
        --config.discriminator.batch_norm=false
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 15_625
    config.batch_size = 64
    config.generator = dict(name="lucic")
    config.discriminator = dict(name="lucic")
    config.prior = dict(name="uniform", dim=64)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:]",
    )
    config.scaling = dict(name="unit")
    config.d_optimizer = dict(name="adam", learning_rate=3e-4, b1=0.5)
    config.g_optimizer = dict(name="adam", learning_rate=3e-4, b1=0.5)
    config.validate_every = 500
    config.checkpoint_every = 1_000
    return config
