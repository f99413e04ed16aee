"""experiments/mnist_mlp_2014.py"""

from peers import networks
from peers.twin import Twin

FOLLOWS = (
    "batch_size",
    "generator.widths",
    "discriminator.units",
    "discriminator.input_dropout",
    "discriminator.dropout",
    "prior.dim",
    "d_optimizer.learning_rate",
    "g_optimizer.learning_rate",
    "schedule.decay",
    "schedule.saturate_epoch",
    "schedule.steps_per_epoch",
)


def make(config: dict, shape: tuple) -> Twin:
    g, d = config["generator"], config["discriminator"]
    return Twin(
        config,
        networks.mlp_generator(
            config["prior"]["dim"],
            shape,
            g.get("widths", (1200, 1200)),
            output="sigmoid",
        ),
        networks.maxout_discriminator(
            shape,
            d.get("units", 240),
            d.get("input_dropout", 0.2),
            d.get("dropout", 0.5),
        ),
    )
