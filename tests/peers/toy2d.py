"""experiments/toy2d.py"""

from peers import networks
from peers.twin import Twin

FOLLOWS = (
    "batch_size",
    "d_steps",
    "generator.widths",
    "discriminator.widths",
    "prior.dim",
    "d_optimizer.learning_rate",
    "g_optimizer.learning_rate",
    "d_optimizer.eps",
    "g_optimizer.eps",
)


def make(config: dict, shape: tuple) -> Twin:
    dim, widths = config["prior"]["dim"], config["generator"]["widths"]
    return Twin(
        config,
        networks.mlp_generator(dim, shape, widths, output="linear"),
        networks.mlp_discriminator(shape, config["discriminator"]["widths"]),
    )
