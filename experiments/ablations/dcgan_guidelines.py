"""DCGAN's five guidelines on CIFAR-10, each tested by leaving it out.

    python -m gan_jax.sweep --config=experiments/ablations/dcgan_guidelines.py

Section 3 of Radford et al. (2016) gives five guidelines for stable convolutional GANs,
without a comparison for each. They are keywords of gan_jax/models/dcgan.py; a point
here leaves one out in both networks, where it is about both, and the first one none:

    strided              strides in D and G; without: max pooling, upsampling
    batch_norm           in both networks; without: biases
    fully_convolutional  without: a hidden dense layer in each
    relu                 ReLU and a tanh output in G; without: sigmoids, linear output
    leaky                leaky ReLU in D; without: ReLU

The networks of cifar_dcgan.py at a quarter of their width, for 4,000 steps (10 epochs)
of CIFAR-10. In full: --config.generator.width=64 --config.discriminator.width=64
--config.steps=2e4

A step costs several times as much without strides, and somewhat more without another
guideline.
"""

from .. import cifar_dcgan

# each guideline: the players that it is about
GUIDELINES = {
    "strided": ("generator", "discriminator"),
    "batch_norm": ("generator", "discriminator"),
    "fully_convolutional": ("generator", "discriminator"),
    "relu": ("generator",),
    "leaky": ("discriminator",),
}


def get_config():
    config = cifar_dcgan.get_config()
    config.steps = 4_000
    config.generator.width = 16
    config.discriminator.width = 16
    config.evaluate_every = 1_000
    config.evaluate_metrics = ("frechet",)
    return config


def sweep():
    """All guidelines, then all but one."""
    yield {}
    for guideline, players in GUIDELINES.items():
        yield {f"{player}.{guideline}": False for player in players}


def population():
    """Three seeds."""
    for seed in range(3):
        yield {"seed": seed}
