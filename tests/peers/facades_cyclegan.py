"""experiments/facades_cyclegan.py"""

from torch import nn

from peers import cyclegan
from peers.pix2pix import patch_gan

FOLLOWS = (
    "batch_size",
    "game.cycle",
    "game.identity",
    "game.pool",
    "generator.width",
    "generator.blocks",
    "discriminator.width",
    "discriminator.layers",
    "d_optimizer.learning_rate",
    "g_optimizer.learning_rate",
    "d_optimizer.eps",
    "g_optimizer.eps",
    "schedule.start",
    "schedule.steps",
)


def make(config: dict, shape: tuple) -> cyclegan.CycleGAN:
    g, d = config["generator"], config["discriminator"]

    def generator():
        return cyclegan.generator(shape, g["width"], g.get("blocks", 6))

    def discriminator():
        return patch_gan(shape[-1], d["width"], d.get("layers", 3))

    return cyclegan.CycleGAN(
        config,
        nn.ModuleDict({"G": generator(), "F": generator()}),
        nn.ModuleDict({"X": discriminator(), "Y": discriminator()}),
    )
