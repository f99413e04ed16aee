"""experiments/cifar_conv.py"""

from peers import networks
from peers.twin import Twin

FOLLOWS = (
    "batch_size",
    "d_steps",
    "generator.width",
    "discriminator.channels",
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
        networks.conv_2014_generator(
            config["prior"]["dim"], shape, g.get("width", 8000)
        ),
        networks.conv_2014_discriminator(
            shape,
            d.get("channels", (32, 32, 192)),
            d.get("units", 500),
            d["input_dropout"],
            d["dropout"],
        ),
    )
