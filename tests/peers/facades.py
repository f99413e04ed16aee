"""experiments/facades.py"""

from peers.pix2pix import Pix2pix, UNet, patch_gan

FOLLOWS = (
    "batch_size",
    "d_steps",
    "game.l1",
    "generator.width",
    "generator.depth",
    "generator.dropout",
    "discriminator.width",
    "discriminator.layers",
    "d_optimizer.learning_rate",
    "g_optimizer.learning_rate",
    "d_optimizer.eps",
    "g_optimizer.eps",
)


def make(config: dict, shape: tuple) -> Pix2pix:
    g, d = config["generator"], config["discriminator"]
    return Pix2pix(
        config,
        UNet(shape, g["width"], g.get("depth"), g.get("dropout", 0.5)),
        patch_gan(2 * shape[-1], d["width"], d.get("layers", 3)),
    )
