"""Faces of 256 pixels with StyleGAN2 (Karras et al. 2020, arXiv:1912.04958).

    python -m gan_jax.main --config=experiments/ffhq_stylegan2.py \\
        --config.data.path=ffhq256

The settings of `--cfg=paper256` in github.com/NVlabs/stylegan2-ada-pytorch, for any
folder of images. Published (arXiv:2006.06676, figure 7) is FID 5.28 of 50,000 samples
against the 70,000 faces of FFHQ. At 1,024 pixels the authors' `paper1024` has
channel_base=32768 in both networks, batch_size=32, discriminator.group=4, rates from
2e-3 and penalty.gamma=2.
"""

from . import default
from .cifar_stylegan2_ada import adam

BATCH = 64


def get_config():
    config = default.get_config()
    config.steps = 25_000_000 // BATCH
    config.batch_size = BATCH
    config.game = dict(name="stylegan2", penalty_every=16, path_every=4)
    config.penalty = dict(name="r1", gamma=1.0)
    config.generator = dict(name="stylegan2", channel_base=16_384, half_levels=4)
    config.discriminator = dict(
        name="stylegan2", channel_base=16_384, group=8, half_levels=4
    )
    config.prior = dict(name="normal", dim=512)
    config.data = dict(name="folder", size=256)
    config.d_optimizer = adam(2.5e-3, every=16)
    config.g_optimizer = adam(2.5e-3, every=4)
    config.ema_decay = 0.5 ** (BATCH / 20_000)  # half of it every 20,000 images
    config.sample_every = 500
    config.sample_grid = (4, 6)
    return config
