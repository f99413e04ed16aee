"""Generative adversarial networks as pure functions in JAX."""

# gan_jax.train is the function; its module is gan_jax.loop.train
from gan_jax.games import Game
from gan_jax.games.gan import game as gan
from gan_jax.loop.train import train
from gan_jax.run import Run, load
from gan_jax.state import Player, TrainState
from gan_jax.train_step import make_train_step

__version__ = "0.1.0"
__all__ = [
    "Game",
    "Player",
    "Run",
    "TrainState",
    "gan",
    "load",
    "make_train_step",
    "train",
]
