"""CIFAR-10 with the fully connected networks of the code of Goodfellow et al. (2014).

    python -m gan_jax.main --config=experiments/cifar_mlp_2014.py

As in its `cifar10_fully_connected.yaml`. Images are contrast-normalised to a length of
55, which cannot be undone for samples: pictures show them over the training set's
greatest |x|, as the original did.
"""

from . import mnist_mlp_2014


def get_config():
    config = mnist_mlp_2014.get_config()
    config.generator = dict(
        name="maxout",
        widths=(8000, 8000),
        activations=("relu", "sigmoid"),
        output="linear",
        output_init_range=0.5,
        marginal_bias=False,
    )
    config.discriminator = dict(name="maxout", units=1600)
    config.prior = dict(name="normal", dim=100)
    config.data = dict(
        name="tfds",
        builder="cifar10",
        split="train[:40000]",
        validation_split="train[40000:]",
    )
    config.scaling = dict(name="gcn", norm=55.0)
    config.d_optimizer.learning_rate = 0.025
    config.g_optimizer.learning_rate = 0.025
    config.schedule.steps_per_epoch = 400
    config.checkpoint_every = 5_000  # 1 GB each
    return config
