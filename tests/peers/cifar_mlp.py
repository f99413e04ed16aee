"""experiments/cifar_mlp.py"""

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
    dim, g, d = config["prior"]["dim"], config["generator"], config["discriminator"]
    return Twin(
        config,
        networks.mlp_generator(dim, shape, g["widths"], activations=("relu", "tanh")),
        networks.maxout_discriminator(
            shape, d["units"], d["input_dropout"], d["dropout"]
        ),
    )
