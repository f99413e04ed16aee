"""Generative adversarial networks as pure functions in JAX.

    config     experiments/*.py -> config.files: read, changed by the command line
               -> config.validation: held to the signatures of what it names
               -> build.build: its names become the functions of a run, `Built`;
               later on it is read for plain numbers, such as log_every, and recorded
    minibatch  data/*.py: `Source` -> data.loading, data.dataset: `Dataset`, as stored
               -> data.feed: which of them, by seed and step -> loop.dispatch
               -> `Dataset.view` inside of the program: what the networks see
    state      build.initial_state -> train_step: (state, batch) -> (state, metrics)
               -> loop.observe: logs, pictures, checkpoints, and those to run.load

`games` say what is played, `train_step` plays it, `loop` goes on with it.
"""

import importlib
from typing import TYPE_CHECKING

from gan_jax import terminal

if terminal.is_command():
    terminal.prepare()  # before what takes seconds to import

if TYPE_CHECKING:
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

# JAX and Flax take more than a second to import: each name comes when it is asked for
# (PEP 562). gan_jax.train is the function; its module is gan_jax.loop.train.
_ORIGINS = {
    "Game": ("games", "Game"),
    "Player": ("state", "Player"),
    "Run": ("run", "Run"),
    "TrainState": ("state", "TrainState"),
    "gan": ("games.gan", "game"),
    "load": ("run", "load"),
    "make_train_step": ("train_step", "make_train_step"),
    "train": ("loop.train", "train"),
}


def __getattr__(name: str):
    if name not in _ORIGINS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _ORIGINS[name]
    found = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
