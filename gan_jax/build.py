"""From a config to the functions of a run.

A name in a config is a Python attribute: `config.loss.name = "least_squares"` is
`losses.least_squares`, and the entry's other fields are its keywords. Nothing has to be
registered; `ENTRIES` says where each entry looks.
"""

import functools
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax import constraints, data, losses, models, priors, schedules
from gan_jax.data import scaling
from gan_jax.data.dataset import Dataset, Options, make_dataset
from gan_jax.data.source import overlap
from gan_jax.errors import UsageError, did_you_mean
from gan_jax.games import Game, gan
from gan_jax.loop import parallel
from gan_jax.networks import network, packed
from gan_jax.optimizers import optimizer
from gan_jax.state import TrainState, init_state

# entry of a config: the module of its functions, or the package of its files and the
# attribute that each of them defines
ENTRIES = {
    "data": (data, "load"),
    "scaling": (scaling, None),
    "prior": (priors, None),
    "generator": (models, "Generator"),
    "discriminator": (models, "Discriminator"),
    "loss": (losses, None),
    "d_optimizer": (optax, None),
    "d_constraint": (constraints, None),
    "g_optimizer": (optax, None),
    "g_constraint": (constraints, None),
    "schedule": (schedules, None),
}
# what a function is given by the builder or by flax is not a keyword of a config
_GIVEN = {"shape", "mean", "parent", "name"}


class Built(NamedTuple):
    """The functions of a run, the same whatever its seed and its numbers."""

    game: Game
    loss: losses.Loss
    d_tx: Callable
    g_tx: Callable
    schedule: Callable


def resolve(entry: str, name: str) -> Callable:
    """The function that `name` stands for in an entry of the config."""
    if function := _find(entry, name):
        return function
    raise UsageError(f"unknown {entry} {name!r}; {nearest(name, available(entry))}")


def available(entry: str) -> list[str]:
    """The names that an entry of the config may have."""
    place, attribute = ENTRIES[entry]
    files = pkgutil.iter_modules(place.__path__) if attribute else ()
    names = [file.name for file in files] or dir(place)
    return [name for name in names if _find(entry, name)]


def _find(entry, name):
    """What `resolve` is about, or None."""
    place, attribute = ENTRIES[entry]
    if attribute is not None:
        module = f"{place.__name__}.{name}"
        if not name.isidentifier() or importlib.util.find_spec(module) is None:
            return None
        return getattr(importlib.import_module(module), attribute, None)
    function = getattr(place, name, None)
    if name.startswith("_"):
        return None
    if place is optax and isinstance(function, functools.partial):  # nadam, nadamw
        return function if inspect.isfunction(function.func) else None
    if not inspect.isfunction(function):
        return None
    if place is optax:
        # lbfgs wants to evaluate the loss by itself, which a game has no room for
        optimizes = "learning_rate" in keywords(function) and name != "lbfgs"
        return function if optimizes and not name.startswith("scale_by") else None
    return function if function.__module__ == place.__name__ else None


def keywords(function: Callable) -> dict[str, inspect.Parameter]:
    """The keywords that a config may give to `function`."""
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if name not in _GIVEN}


def signatures(entry: str, name: str) -> list[Callable]:
    """The functions whose keywords are the fields of an entry of this name."""
    function = resolve(entry, name)
    return [function, Options] if entry == "data" else [function]


def nearest(word: str, accepted) -> str:
    """The rest of an error message: the closest of what is accepted, then all of it."""
    return f"{did_you_mean(word, accepted)}accepted: {', '.join(sorted(accepted))}"


def bind(entry: str, spec, **given) -> Callable:
    """The function of an entry with its keywords, ready to be called."""
    return functools.partial(resolve(entry, spec.name), **_arguments(spec), **given)


def _arguments(spec):
    return {key: value for key, value in spec.items() if key != "name"}


def load_dataset(config) -> Dataset:
    """The data of an experiment, read and made ready."""
    of_source = _arguments(config.data)
    own = {key: of_source.pop(key) for key in Options._fields if key in of_source}
    load = functools.partial(resolve("data", config.data.name), **of_source)
    options, scale = Options(**own), bind("scaling", config.scaling)()
    split, held_out = of_source.get("split", "train"), options.validation_split
    if held_out and overlap(split, held_out):
        raise UsageError(
            f"config.data.validation_split={held_out} shares examples with "
            f"config.data.split={split}; give ranges apart, such as train[:1000] and "
            "train[1000:]"
        )
    validation = load(split=held_out) if held_out else None
    return make_dataset(load(), scale, options, validation)


def load_training_data(config) -> Dataset:
    """The same, or a UsageError where there are too few for a minibatch."""
    dataset = load_dataset(config)
    if config.batch_size > dataset.size:
        raise UsageError(
            f"config.batch_size={config.batch_size} is larger than the data: "
            f"{dataset.size:,} examples"
        )
    if dataset.validation and len(dataset.validation["x"]) < config.pack:
        raise UsageError(
            f"config.pack={config.pack} is larger than the held-out data: "
            f"{len(dataset.validation['x']):,} examples"
        )
    return dataset


def build(config, shape, mean) -> Built:
    """The game, the optimizers and the schedule of an experiment.

    shape: of one example
    mean:  () -> mean of the scaled training examples, for networks that start from it
    """
    G = bind("generator", config.generator, shape=tuple(shape))()
    if getattr(G, "marginal_bias", False):
        G = G.clone(mean=mean())
    D = bind("discriminator", config.discriminator)()
    loss = bind("loss", config.loss)()
    prior = _spread(bind("prior", config.prior)())
    as_network = functools.partial(
        network, dtype=config.dtype, precision=config.matmul_precision
    )
    game = gan(as_network(G), packed(as_network(D), config.pack), loss, prior)
    schedule = bind("schedule", config.schedule)()
    schedule(numbers(config), 0)  # refuses optimizers that lack what it changes
    return Built(
        game=_scoring_each(game, config.pack),
        loss=loss,
        d_tx=_optimizer(config, "d"),
        g_tx=_optimizer(config, "g"),
        schedule=schedule,
    )


def _spread(prior):
    """The prior, with the latents of a minibatch divided among the devices."""
    return lambda key, n: parallel.spread(prior(key, n))


def _scoring_each(game, pack):
    """A game whose packed D scores single examples: x as a pack of copies of x."""
    if pack == 1:
        return game

    def score(params, stats, x):
        return game.score(params, stats, jnp.repeat(x, pack, axis=0))

    return game._replace(score=score)


def numbers(config) -> dict:
    """What is data in the program of an experiment, as `TrainState.hparams` has it.

    The decay of G's average, and of each player what its optimizer and constraint are
    given: a number is data, unless it is an integer by default; flags and names shape
    the program, and so does every other field of a config.
    """
    return {
        "ema_decay": config.ema_decay,
        **{
            player: {
                **_optimizer_numbers(config, player),
                "constraint": _arguments(config[f"{player}_constraint"]),
            }
            for player in ("d", "g")
        },
    }


def _optimizer_numbers(config, player):
    spec = config[f"{player}_optimizer"]
    accepted = keywords(resolve(f"{player}_optimizer", spec.name))
    return {
        key: float(value)
        for key, value in _arguments(spec).items()
        if type(value) in (int, float) and type(accepted[key].default) is not int
    }


def _optimizer(config, player):
    """numbers -> transformation for one player."""
    spec = config[f"{player}_optimizer"]
    data = _optimizer_numbers(config, player)
    structure = {k: value for k, value in _arguments(spec).items() if k not in data}
    limit = resolve(f"{player}_constraint", config[f"{player}_constraint"].name)
    tx = optimizer(spec.name, structure, limit)
    return lambda numbers: tx(numbers[player])


def initial_state(config, built: Built, shape) -> TrainState:
    """The state that a run of `config` starts with; traceable, for its shapes alone."""
    state_key, _ = jax.random.split(jax.random.key(config.seed))
    batch = {"x": jnp.zeros((2 * config.pack, *shape))}
    return init_state(
        built.game,
        built.d_tx,
        built.g_tx,
        numbers(config),
        state_key,
        batch,
        ema=config.ema_decay > 0,
    )


def loop_keys(config) -> dict[str, jax.Array]:
    """The keys of what is random in a run outside of its training step."""
    _, key = jax.random.split(jax.random.key(config.seed))
    names = "views", "samples", "held_out"
    return dict(zip(names, jax.random.split(key, len(names)), strict=True))
