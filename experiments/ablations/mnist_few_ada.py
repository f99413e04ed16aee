"""A thousand digits: does it help when D sees all images through random changes?

    python -m gan_jax.sweep --config=experiments/ablations/mnist_few_ada.py

D learns so few examples by heart: on them it is sure, on held-out ones it is not, and
what G hears of it is no longer about digits. Nothing, DiffAugment (Zhao et al. 2020)
and adaptive augmentation (Karras et al. 2020), whose p is to move five times as fast as
published since a run sees 192,000 images, and not 25 million. Logged is how sure D is
of the data and of held-out digits (d_real, validation_d_real), and of ADA the p that
this leads to (d_augmentation_p).

Networks, loss and learning rates are those of mnist_losses.py, minibatches half as
large: 190 epochs. The class score and the share of copies are measured on the way; the
Frechet distance to a thousand examples would be best for a G that knew these by heart,
so that afterwards, of each run, to digits that it has not seen:

    python -m gan_jax.evaluate --metrics=frechet --reference=train[1000:50000]

Published pipes mirror and turn images, which leaves few digits what they were, and G
makes upright ones as long as p is well below 1; what changes colours alone is
--config.augmentation.pipe=color.

A step with ADA costs about twice what the others do.
"""

from . import mnist_losses


def get_config():
    config = mnist_losses.get_config()
    config.steps = 3_000
    config.batch_size = 64
    config.data.split = "train[:1000]"
    config.evaluate_every = 1_000
    config.evaluate_metrics = ("class_score", "copying")
    return config


def sweep():
    """What D sees examples through."""
    yield {"augmentation.name": "none"}
    yield {"augmentation.name": "diff_augment"}
    yield {"augmentation.name": "ada", "augmentation.kimg": 100.0}


def population():
    """Three seeds."""
    for seed in range(3):
        yield {"seed": seed}
