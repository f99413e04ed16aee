"""Photos of facades from drawings of their parts, with pix2pix (Isola et al. 2017).

    python -m gan_jax.main --config=experiments/facades.py --config.data.path=FOLDER
    python -m gan_jax.translate --workdir=runs/facades --input=drawing.png

The folder holds images of 256 x 128 pixels, a photo on the left and its drawing on the
right; the other way round is --config.data.layout=left_right. The setting is that of
the authors' code, but for images of 128 pixels (theirs have 256), networks a quarter as
wide (--config.generator.width=64 --config.discriminator.width=64), and few epochs in
place of 200 (--config.steps=80000).
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 12_000
    config.batch_size = 1
    config.game = dict(name="pix2pix")
    config.generator = dict(name="pix2pix", width=16)
    config.discriminator = dict(name="pix2pix", width=16)
    config.data = dict(
        name="pairs",
        path="facades",
        layout="right_left",
        split="train[:400]",
        validation_split="train[400:]",
        flip=True,
        jitter=15,
    )
    config.log_every = 100
    config.validate_every = 1_000
    config.checkpoint_every = 1_000
    config.sample_every = 400
    config.sample_grid = (4, 6)
    return config
