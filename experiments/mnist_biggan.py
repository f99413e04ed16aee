"""MNIST with a small BigGAN (Brock et al. 2019): a digit that is asked for, truncated.

    python -m gan_jax.main --config=experiments/mnist_biggan.py
    python -m gan_jax.sample --workdir=runs/mnist_biggan --truncation=.2,.5,1 --num=30

What the paper adds to SAGAN but for size, in networks for few CPU cores: a vector that
all norms of the generator share, a chunk of z for each of its blocks, units held
orthogonal to each other, by which G takes truncated latents well, and an average of G.
The game, the rates and the data are those of `mnist_projection.py`.

The smaller the truncation the more alike are the digits of a class.
"""

from . import mnist_projection


def get_config():
    config = mnist_projection.get_config()
    config.steps = 2_000
    config.batch_size = 50
    config.generator = dict(
        name="biggan",
        width=16,
        shared=32,
        hierarchical=True,
        attention=(14,),
    )
    config.discriminator = dict(name="biggan", width=16, attention=(14,))
    config.prior = dict(name="normal", dim=60)
    config.g_decay = dict(name="orthogonal", weight=1e-4)
    config.ema_decay = 0.999
    config.ema_start = 500
    return config
