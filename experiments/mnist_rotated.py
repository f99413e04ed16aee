"""Digits, and others turned and inverted, with CycleGAN (Zhu et al. 2017).

    python -m gan_jax.main --config=experiments/mnist_rotated.py
    python -m gan_jax.evaluate --workdir=runs/mnist_rotated

The others are turned by 90 degrees, and dark on bright. No image is ever shown with its
partner, but the true way back is known: `translation` says how far from it held-out
digits come, and class agreement whether they stay what they were. Nothing in the game
keeps a 3 from becoming an 8, as long as the 8 becomes that 3 again.

Such a wrong way was found whenever it was tried: samples are digits that keep strokes
of the turned ones where they are, and the way back is good.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 5_000
    config.batch_size = 8
    config.turns = "simultaneous"
    # half of the published weights, beside a loss that is half of theirs
    config.game = dict(name="cyclegan", cycle=5.0, identity=2.5)
    config.loss = dict(name="least_squares")
    config.generator = dict(name="cyclegan", width=16, blocks=4)
    config.discriminator = dict(name="cyclegan", width=16, layers=2)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:25000]",
        validation_split="train[50000:51000]",
    )
    config.other = dict(
        name="turned",
        builder="mnist",
        split="train[25000:50000]",
        validation_split="train[51000:52000]",
    )
    config.validate_every = 500
    config.checkpoint_every = 500
    config.sample_grid = (8, 9)
    return config
