"""MNIST: the Parzen estimate of 2014 in minutes, and what it does not see.

    python -m gan_jax.main --config=experiments/mnist_mlp_parzen.py
    python -m gan_jax.evaluate --workdir=runs/mnist_mlp_parzen --metrics=parzen,frechet

All is as in `mnist_mlp_2014.py` but the optimizers: Adam for G, more momentum for D,
constant rates, and samples of an average of G over some 10,000 updates. The paper
reports 225 +- 2. The average of G scores more than that, about as much as the training
images do; G itself (--noema), which is the better of the two by all other metrics but
precision, scores far less.

So the estimate is no measure of a generator. The average's digits are blurred: as
centres of wide windows they are likelier than sharp ones. Theis et al. (2016, table 1)
have the same of the training images, and of k-means centroids, which score 313.
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
