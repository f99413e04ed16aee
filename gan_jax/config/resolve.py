"""From a name in a config to the function that it stands for.

A name in a config is a Python attribute: `config.loss.name = "least_squares"` is
`losses.least_squares`, and the entry's other fields are its keywords. Nothing has to be
registered; `ENTRIES` says where each entry looks.
"""

import functools
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import optax

from gan_jax import (
    augmentations,
    constraints,
    data,
    decays,
    dynamics,
    games,
    losses,
    models,
    penalties,
    priors,
    schedules,
)
from gan_jax.data import scaling
from gan_jax.data.dataset import Options
from gan_jax.errors import UsageError, nearest


class Place(NamedTuple):
    """Where an entry's names are looked up.

    module:    of its functions, or the package of its files
    attribute: what each file of that package defines; None for a module
    given:     parameters that the builder fills in, not a config
    also:      further functions whose keywords are fields of the entry
    """

    module: ModuleType
    attribute: str | None = None
    given: tuple[str, ...] = ()
    also: tuple[Callable, ...] = ()


# what `build` hands to a game by the names of its parameters
PARTS = ("G", "D", "E", "loss", "prior", "penalty", "augmentation")
# what is known of the data, of the latents and of minibatches, handed to games and
# networks likewise; the last two are keywords of games that have codes
FACTS = ("shape", "classes", "latent_dim", "batch_size", "categories", "continuous")

_OF_NETWORKS = (*FACTS, "mean", "parent", "name")  # the last two are flax's own

ENTRIES = {
    "game": Place(games, "game", (*PARTS, *FACTS[:4])),
    "data": Place(data, "load", also=(Options,)),
    "other": Place(data, "load", also=(Options,)),
    "scaling": Place(scaling),
    "prior": Place(priors),
    "generator": Place(models, "Generator", _OF_NETWORKS),
    "discriminator": Place(models, "Discriminator", _OF_NETWORKS),
    "encoder": Place(models, "Encoder", _OF_NETWORKS),
    "loss": Place(losses),
    "penalty": Place(penalties),
    "augmentation": Place(augmentations),
    "dynamics": Place(dynamics),
    "d_decay": Place(decays),
    "d_optimizer": Place(optax),
    "d_constraint": Place(constraints),
    "g_decay": Place(decays),
    "g_optimizer": Place(optax),
    "g_constraint": Place(constraints),
    "schedule": Place(schedules),
}
# those that a config has only where its game asks for them
OPTIONAL = ("encoder", "other")


def entries(config) -> list[str]:
    """The entries that a config has to have, and those that it has."""
    return [name for name in ENTRIES if name not in OPTIONAL or name in config]


def resolve(entry: str, name: str) -> Callable:
    """The function that `name` stands for in an entry of the config."""
    if function := _find(entry, name):
        return function
    raise UsageError(f"unknown {entry} {name!r}; {nearest(name, available(entry))}")


def available(entry: str) -> list[str]:
    """The names that an entry of the config may have."""
    place = ENTRIES[entry]
    files = pkgutil.iter_modules(place.module.__path__) if place.attribute else ()
    names = [file.name for file in files] or dir(place.module)
    return [name for name in names if _find(entry, name)]


def _find(entry, name):
    """What `resolve` is about, or None."""
    place = ENTRIES[entry]
    if place.attribute is not None:
        module = f"{place.module.__name__}.{name}"
        if not name.isidentifier() or importlib.util.find_spec(module) is None:
            return None
        return getattr(importlib.import_module(module), place.attribute, None)
    function = getattr(place.module, name, None)
    if name.startswith("_"):
        return None
    if place.module is optax:
        return function if _optimizes(name, function) else None
    ours = inspect.isfunction(function)
    return function if ours and function.__module__ == place.module.__name__ else None


def _optimizes(name, function):
    """Whether an attribute of optax is an optimizer that a game can be played with."""
    plain = getattr(function, "func", function)  # nadam, nadamw are partials
    if not inspect.isfunction(plain) or name.startswith("scale_by"):
        return False
    # lbfgs wants to evaluate the loss by itself, which a game has no room for
    return "learning_rate" in inspect.signature(function).parameters and name != "lbfgs"


def signatures(entry: str, name: str) -> list[Callable]:
    """The functions whose keywords are the fields of an entry of this name."""
    return [resolve(entry, name), *ENTRIES[entry].also]


def keywords(entry: str, function: Callable) -> dict[str, inspect.Parameter]:
    """The keywords that the config's entry may give to `function`."""
    given = ENTRIES[entry].given
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if name not in given}


def arguments(spec) -> dict:
    """The keywords that an entry gives."""
    return {key: value for key, value in spec.items() if key != "name"}


def bind(entry: str, spec, **given) -> Callable:
    """The function of an entry with its keywords, ready to be called."""
    return functools.partial(resolve(entry, spec.name), **arguments(spec), **given)
