"""The six animals of CIFAR-10 with the fully connected networks of FluxGAN.jl.

    python -m gan_jax.main --config=experiments/cifar_mlp.py

All ten classes: --config.data.classes=
"""

from . import mnist_mlp

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")


def get_config():
    config = mnist_mlp.get_config()
    config.steps = 25_000
    config.batch_size = 50
    config.data = dict(name="tfds", builder="cifar10", split="train", classes=ANIMALS)
    config.generator = dict(
        name="maxout",
        widths=(8000, 8000),
        activations=("relu", "tanh"),
        output="tanh",
        initializer="glorot",
        marginal_bias=False,
    )
    config.discriminator.units = 1600
    config.d_optimizer.learning_rate = 1e-4
    config.g_optimizer.learning_rate = 1e-4
    config.sample_every = 250
    config.checkpoint_every = 5_000  # 2 GB each
    return config
