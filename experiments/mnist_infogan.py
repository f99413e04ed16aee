"""MNIST with InfoGAN (Chen et al. 2016): codes that turn out to be digits and slants.

    python -m gan_jax.main --config=experiments/mnist_infogan.py

No label is shown. Beside `samples/`, whose rows are categories, `code_1.png` and
`code_2.png` show what the continuous codes do. In the paper the categories are digits
with an error of 5 %; the authors' code takes 5,000 steps, its networks are four times
as wide: --config.generator.width=64 --config.discriminator.width=64
--config.discriminator.slope=0.01 --config.batch_size=128.

So narrow as here it is easily lost: with larger minibatches, and with the authors'
slope, G hides its codes in dots on grey, which Q reads. As it stands here seeds differ
in how many categories are digits, and how many mixtures of two.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 5_000
    config.batch_size = 64
    config.game = dict(name="infogan")
    config.generator = dict(name="infogan", width=16)
    config.discriminator = dict(name="infogan", width=16, slope=0.2)
    config.prior = dict(name="uniform", dim=62)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:]",
    )
    config.scaling = dict(name="unit")
    config.d_optimizer = dict(name="adam", learning_rate=2e-4, b1=0.5)
    config.g_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5)
    config.validate_every = 500
    config.checkpoint_every = 500
    config.sample_grid = (10, 10)
    return config
