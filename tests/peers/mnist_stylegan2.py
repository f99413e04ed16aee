"""experiments/mnist_stylegan2.py"""

from peers import stylegan2
from peers.style_mixing import StyleGAN2

FOLLOWS = (
    "batch_size",
    "d_steps",
    "game.mixing",
    "game.penalty_every",
    "game.path",
    "game.path_every",
    "game.path_decay",
    "game.path_shrink",
    "penalty.gamma",
    "generator.dim",
    "generator.depth",
    "generator.channel_base",
    "generator.channel_max",
    "discriminator.group",
    "discriminator.channel_base",
    "discriminator.channel_max",
    "prior.dim",
    "d_optimizer.learning_rate",
    "g_optimizer.learning_rate",
    "d_optimizer.eps",
    "g_optimizer.eps",
    "ema_decay",
    "schedule.share",
)


def make(config: dict, shape: tuple) -> StyleGAN2:
    g, d, game = (
        {key: value for key, value in config[entry].items() if key != "name"}
        for entry in ("generator", "discriminator", "game")
    )
    return StyleGAN2(
        config,
        stylegan2.generator(config["prior"]["dim"], shape, **g),
        stylegan2.discriminator(shape, **d),
        **game,
    )
