"""A folder of your own images through a DCGAN.

    python -m gan_jax.main --config=experiments/own_images.py \\
        --config.data.path=my_images --config.data.size=64

The images are cropped to squares of data.size pixels: 16, 32, 64 or 128. They are
mirrored at random, and the samples come from an average of G over about 1,000 steps, so
that the first pictures stay grey for a while.
"""

from . import cifar_dcgan


def get_config():
    config = cifar_dcgan.get_config()
    config.data = dict(name="folder", size=64, flip=True)
    config.ema_decay = 0.999
    return config
