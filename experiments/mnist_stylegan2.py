"""MNIST with a narrow StyleGAN2, for few CPU cores.

    python -m gan_jax.main --config=experiments/mnist_stylegan2.py

Everything of the paper (Karras et al. 2020, arXiv:1912.04958) in networks of 7, 14 and
28 places a side: mixed styles, a lazy R1 and path length. `style_mixing.png` in the
work directory crosses the styles of digits.

Samples differ long before they are digits. With a smaller penalty.gamma, as 0.1, D wins
at first, and all are alike.
"""

from . import default
from .cifar_stylegan2_ada import adam


def get_config():
    config = default.get_config()
    config.steps = 5_000
    config.batch_size = 32
    config.game = dict(name="stylegan2")
    config.penalty = dict(name="r1", gamma=1.0)
    width = {"channel_base": 448, "channel_max": 64}  # channels: 64, 32, 16
    config.generator = dict(name="stylegan2", dim=64, depth=4, **width)
    config.discriminator = dict(name="stylegan2", **width)
    config.prior = dict(name="normal", dim=64)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:]",
    )
    config.d_optimizer = adam(2.5e-3, every=16)
    config.g_optimizer = adam(2.5e-3, every=4)
    config.ema_decay = 0.5 ** (32 / 10_000)  # half of it every 10,000 images
    config.schedule = dict(name="ema_rampup", share=0.05)
    config.sample_grid = (8, 8)
    return config
