"""MNIST with a Wasserstein GAN whose critic is clipped (Arjovsky et al. 2017).

    python -m gan_jax.main --config=experiments/mnist_wgan.py

The networks and numbers are those of WGAN-GP's code in its mode "wgan": batch norm in
both players, RMSprop at 5e-5, weights within 0.01, five updates of the critic a step.
As in WGAN's own code the critic takes 100 in each of the first 25 steps and in every
500th. There its weights are clipped before each update, here after it.
"""

from . import mnist_wgan_gp


def get_config():
    config = mnist_wgan_gp.get_config()
    config.d_steps_long = (100, 25, 500)
    config.penalty = dict(name="none")
    config.d_constraint = dict(name="clip", limit=0.01)
    config.generator.norm = "batch"
    config.discriminator.norm = "batch"
    rmsprop = dict(learning_rate=5e-5, decay=0.99, eps=1e-8, eps_in_sqrt=False)
    config.d_optimizer = dict(name="rmsprop", **rmsprop)
    config.g_optimizer = dict(name="rmsprop", **rmsprop)
    return config
