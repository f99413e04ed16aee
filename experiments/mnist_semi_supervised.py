"""MNIST from 100 labels and 60,000 images (Salimans et al. 2016).

    python -m gan_jax.main --config=experiments/mnist_semi_supervised.py

As in the authors' `train_mnist_feature_matching.py`: 10 labelled digits a class, chosen
by `config.other.subset_seed`, all of them in every minibatch. Published: 93 +- 6.5
errors on the 10,000 test digits after 300 epochs, ten choices of labels. They are
logged as `errors`, of D's average.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 180_000
    config.batch_size = 100
    config.game = dict(name="semi_supervised")
    config.loss = dict(name="non_saturating", terms="mean")
    config.generator = dict(name="improved_gan")
    config.discriminator = dict(name="improved_gan")
    config.prior = dict(name="uniform", dim=100, low=0.0, high=1.0)
    mnist = dict(name="tfds", builder="mnist", split="train", validation_split="test")
    config.data = mnist
    config.other = dict(mnist, per_class=10)
    config.scaling = dict(name="unit")
    # their Adam adds to the mean square, not to its root: a D that has won stands still
    adam = dict(learning_rate=3e-3, b1=0.5, eps=0.0, eps_root=1e-8)
    config.d_optimizer = dict(name="adam", **adam)
    config.g_optimizer = dict(name="adam", **adam)
    config.log_every = 200
    config.validate_every = 3_000
    config.sample_every = 3_000
    config.checkpoint_every = 3_000
    return config
