"""Facades and drawings of their parts with CycleGAN (Zhu et al. 2017), never paired.

    python -m gan_jax.main --config=experiments/facades_cyclegan.py \\
        --config.data.path=FOLDER --config.other.path=FOLDER

The folder is that of `facades.py`; photos are of one half of it, drawings of the other.
The setting is that of the authors' code for images of 128 pixels, in networks a quarter
as wide: --config.generator.width=64 --config.discriminator.width=64. There 200 epochs
are trained, half of them at a rate that falls to zero.
"""

from . import facades


def get_config():
    config = facades.get_config()
    config.steps = 40_000
    config.turns = "simultaneous"
    # half of theirs, beside a loss that is half of theirs
    config.game = dict(name="cyclegan", cycle=5.0, identity=2.5)
    config.loss = dict(name="least_squares")
    config.generator = dict(name="cyclegan", width=16)
    config.discriminator = dict(name="cyclegan", width=16)
    config.data.split = "train[:200]"
    config.other = dict(config.data, layout="left_right", split="train[200:400]")
    config.data.validation_split = "train[400:450]"
    config.other.validation_split = "train[450:]"
    config.schedule = dict(name="linear", start=20_000, steps=20_000)
    return config
