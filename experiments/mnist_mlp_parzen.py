"""The Parzen estimate of 2014 in minutes, and what it does not see.

    python -m gan_jax.main --config=experiments/mnist_mlp_parzen.py
    python -m gan_jax.evaluate --workdir=runs/mnist_mlp_parzen --metrics=parzen,frechet

All is as in `mnist_mlp_2014.py` but the optimizers: Adam for G, more momentum for D,
constant rates, and samples of an average of G over some 10,000 updates.
"""

from . import mnist_mlp_2014


def get_config():
    config = mnist_mlp_2014.get_config()
    config.steps = 15_000
    config.g_optimizer = dict(name="adam", learning_rate=5e-4, b1=0.8)
    config.d_optimizer = dict(name="sgd", learning_rate=0.05, momentum=0.9)
    config.schedule = dict(name="constant")
    config.ema_decay = 0.9999
    config.evaluate_every = 1_000
    config.evaluate_metrics = ("parzen",)
    return config
