"""experiments/mnist_wgan_gp.py"""

from peers import wgan_gp
from peers.twin import Twin

FOLLOWS = (
    "batch_size",
    "d_steps",
    "generator.width",
    "discriminator.width",
    "penalty.weight",
    "prior.dim",
    "d_optimizer.learning_rate",
    "g_optimizer.learning_rate",
    "d_optimizer.eps",
    "g_optimizer.eps",
)


def make(config: dict, shape: tuple) -> Twin:
    g, d = config["generator"], config["discriminator"]
    return Twin(
        config,
        wgan_gp.generator(config["prior"]["dim"], shape, g.get("width", 64)),
        wgan_gp.discriminator(shape, d.get("width", 64)),
    )
