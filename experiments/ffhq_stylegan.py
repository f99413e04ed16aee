"""Faces of 256 pixels with StyleGAN (Karras et al. 2019).

    python -m gan_jax.main --config=experiments/ffhq_stylegan.py \\
        --config.data.path=ffhq

As in the authors' code (github.com/NVlabs/stylegan) for eight GPUs: from 8 pixels on,
the non-saturating loss with R1 at every step, learning rates that grow from 128 pixels
on, 25 million images in all. The average of G has a half-life of 10,000 images. FFHQ's
70,000 images take 14 GB of memory at this size; theirs had 1024 pixels, with further
levels of minibatches of 32 and rates of 0.003.

Published for 1024 pixels: FID 4.40 of 50,000 samples, not truncated, against the
training images.
"""

from . import celeba_pggan


def get_config():
    config = celeba_pggan.get_config()
    config.steps = 717_970  # 124,220 until 256 pixels have faded in
    config.batch_size = 256
    config.game = dict(
        name="stylegan",
        first=8,
        fade=600_000,
        stay=600_000,
        batches=(256, 128, 64, 32),
        rates=(1.0, 1.0, 1.0, 1.0, 1.5, 2.0),
        mixing=0.9,
    )
    config.loss = dict(name="non_saturating")
    config.penalty = dict(name="r1", gamma=10.0)
    config.generator = dict(name="stylegan")
    config.discriminator = dict(name="stylegan")
    config.data.size = 256
    config.ema_decay = 0.9824  # 2^(-256 / 10,000)
    return config
