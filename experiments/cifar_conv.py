"""The six animals of CIFAR-10 with the convolutional networks of FluxGAN.jl.

    python -m gan_jax.main --config=experiments/cifar_conv.py

All ten classes: --config.data.classes=

FluxGAN.jl shows 25,000 steps.
"""

from . import cifar_mlp


def get_config():
    config = cifar_mlp.get_config()
    config.generator = dict(
        name="conv_2014", hidden="tanh", output="tanh", initializer="glorot"
    )
    config.discriminator = dict(
        name="conv_2014",
        pooling="mean",
        initializer="glorot",
        input_dropout=0.0,
        dropout=0.0,
    )
    config.log_every = 25
    config.sample_every = 100
    config.checkpoint_every = 2_500  # 1.2 GB each
    return config
