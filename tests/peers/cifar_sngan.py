"""experiments/cifar_sngan.py"""

from peers import sngan
from peers.twin import Twin

FOLLOWS = (
    "batch_size",
    "d_steps",
    "generator.width",
    "discriminator.width",
    "prior.dim",
    "d_optimizer.learning_rate",
    "g_optimizer.learning_rate",
    "d_optimizer.eps",
    "g_optimizer.eps",
    "schedule.steps",
)


def make(config: dict, shape: tuple) -> Twin:
    g, d = config["generator"], config["discriminator"]
    return Twin(
        config,
        sngan.generator(config["prior"]["dim"], shape, g.get("width", 64)),
        sngan.discriminator(shape, d.get("width", 64)),
    )
