"""CIFAR-10 with StyleGAN2-ADA (Karras et al. 2020, arXiv:2006.06676), unlabelled.

    python -m gan_jax.main --config=experiments/cifar_stylegan2_ada.py

The settings of `--cfg=cifar` in github.com/NVlabs/stylegan2-ada-pytorch: no residual
connections in D, no mixing of styles and no path length, a weak R1 every 16 steps.
Published are FID 2.92 and, with labels (--config.game.labels=true), 2.42, of 50,000
samples against the training images, after 100 million images.
"""

from . import default

BATCH = 64


def adam(rate, every):
    """An Adam that takes a further turn every so many steps: slower by so much."""
    share = every / (every + 1)
    how = {"b1": 0.0, "b2": 0.99**share}
    return dict(name="adam", learning_rate=rate * share, **how)


def get_config():
    config = default.get_config()
    config.steps = 100_000_000 // BATCH
    config.batch_size = BATCH
    config.game = dict(name="stylegan2", mixing=0.0, path_every=0, penalty_every=16)
    config.penalty = dict(name="r1", gamma=0.01)
    config.augmentation = dict(name="ada")
    config.generator = dict(name="stylegan2", depth=2, half_levels=4)
    config.discriminator = dict(
        name="stylegan2", residual=False, group=32, half_levels=4
    )
    config.prior = dict(name="normal", dim=512)
    config.data = dict(name="tfds", builder="cifar10", split="train")
    config.d_optimizer = adam(2.5e-3, every=16)
    # as if it had path lengths every 4 steps, in the authors' code, too
    config.g_optimizer = adam(2.5e-3, every=4)
    config.ema_decay = 0.5 ** (BATCH / 500_000)  # half of it every 500,000 images
    config.schedule = dict(name="ema_rampup", share=0.05)
    config.sample_every = 500
    return config
