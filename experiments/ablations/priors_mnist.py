"""MNIST: does the noise's distribution matter? Four of them in 2, 10, 100 dimensions.

    python -m gan_jax.sweep --config=experiments/ablations/priors_mnist.py

"Experiments suggest that the distribution of the noise doesn't matter much" is in many
a tutorial. Here are a normal distribution, cubes of variance 1/3 and 1 (the uniform
priors of DCGAN and of 2014), and the unit sphere.

The networks and everything else are those of mnist_losses.py. Batch norm after G's
first layer hides the scale of z, so what differs is the shape. In d dimensions a sphere
has d - 1: in 2 it is a circle, and samples lie on a closed curve.
"""

from . import mnist_losses


def get_config():
    return mnist_losses.get_config()


def sweep():
    """Distributions of z, and numbers of its dimensions."""
    for prior in (
        {"prior.name": "normal"},
        {"prior.name": "uniform"},
        {"prior.name": "uniform", "prior.low": -(3**0.5), "prior.high": 3**0.5},
        {"prior.name": "spherical"},
    ):
        for dim in (2, 10, 100):
            yield prior | {"prior.dim": dim}


def population():
    """Three seeds."""
    for seed in range(3):
        yield {"seed": seed}
