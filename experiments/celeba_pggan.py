"""Faces of 128 pixels with growing networks (PGGAN, Karras et al. 2018).

    python -m gan_jax.main --config=experiments/celeba_pggan.py \\
        --config.data.path=img_align_celeba

As in the authors' code (github.com/tkarras/progressive_growing_of_gans) on one GPU: the
Wasserstein loss with a penalty and drift, minibatches of 128 that shrink from 32 pixels
on, 12 million images in all. It moves a fade on, and looks at the schedule, every four
minibatches, this every one. Any folder of images will do, at another data.size, too:
256 has one level more, of minibatches of 8. CelebA's aligned images are cropped to
squares of their full width, where the authors cut closer to the face.

Published for CelebA-HQ at 1024 pixels, where learning rates end at 0.0015 (game.rates):
FID 7.79 of 50,000 samples (Karras et al. 2019, table 1, whose row A has more changes).
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 492_190  # 154,690 until 128 pixels have faded in and stayed
    config.batch_size = 128
    config.game = dict(
        name="pggan",
        fade=600_000,
        stay=600_000,
        batches=(128, 128, 128, 64, 32, 16, 8, 4),
    )
    config.loss = dict(name="wasserstein")
    config.penalty = dict(name="wgan_gp_drift")
    config.generator = dict(name="pggan")
    config.discriminator = dict(name="pggan")
    config.prior = dict(name="normal", dim=512)
    config.data = dict(name="folder", size=128, flip=True)
    config.d_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.0, b2=0.99)
    config.g_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.0, b2=0.99)
    config.ema_decay = 0.999
    config.log_every = 100
    config.sample_every = 1_000
    config.checkpoint_every = 5_000
    return config
