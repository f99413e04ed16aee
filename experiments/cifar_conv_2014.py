"""CIFAR-10 with the convolutional networks of the code of Goodfellow et al. (2014).

    python -m gan_jax.main --config=experiments/cifar_conv_2014.py

As in its `cifar10_convolutional.yaml`; contrast-normalised as in cifar_mlp_2014.py.
"""

from . import cifar_mlp_2014


def get_config():
    config = cifar_mlp_2014.get_config()
    config.batch_size = 128
    config.generator = dict(name="conv_2014")
    config.discriminator = dict(name="conv_2014")
    config.d_optimizer.learning_rate = 0.004
    config.g_optimizer.learning_rate = 0.004
    config.schedule.steps_per_epoch = 312
    return config
