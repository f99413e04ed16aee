"""experiments/mnist_mlp.py"""

from peers import networks
from peers.twin import Twin

FOLLOWS = (
    "batch_size",
    "d_steps",
    "generator.widths",
    "discriminator.units",
    "discriminator.input_dropout",
    "discriminator.dropout",
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
        networks.mlp_generator(
            config["prior"]["dim"], shape, g.get("widths", (1200, 1200))
        ),
        networks.maxout_discriminator(
            shape, d.get("units", 240), d["input_dropout"], d["dropout"]
        ),
    )
