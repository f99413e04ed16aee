"""MNIST with a conditional DCGAN: a digit that is asked for.

    python -m gan_jax.main --config=experiments/mnist_cgan.py
    python -m gan_jax.sample --workdir=runs/mnist_cgan --label=7

The networks are those of DCGAN's authors (`train_cond_dcgan.py` of Newmu/dcgan_code),
here narrower and for few CPU cores: smaller minibatches, a faster G, and its average.
In full they are --config.generator.width=64 --config.discriminator.width=64, trained
for 200 epochs with minibatches of 128, both rates 2e-4 and an L2 penalty of 2.5e-5.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 6_000
    config.batch_size = 64
    config.game = dict(name="gan", labels=True)
    config.generator = dict(name="conditional_dcgan", width=24)
    config.discriminator = dict(name="conditional_dcgan", width=24)
    config.prior = dict(name="uniform", dim=100)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:]",
    )
    config.scaling = dict(name="unit")
    config.g_optimizer.learning_rate = 1e-3
    config.ema_decay = 0.999
    config.validate_every = 500
    config.checkpoint_every = 500
    config.sample_grid = (10, 10)  # a class a row
    return config
