"""From a config to the functions of a run, which nobody looks up by name afterwards."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.accumulation import accumulated
from gan_jax.augmentations import Augmentation
from gan_jax.config.hparams import default_numbers, hparams, structure_of
from gan_jax.config.resolve import FACTS, PARTS, arguments, bind, keywords, resolve
from gan_jax.config.types import is_required
from gan_jax.data.scaling import Scaling
from gan_jax.errors import UsageError
from gan_jax.games import Game
from gan_jax.loop import parallel
from gan_jax.networks import has_batch_norm, network, packed
from gan_jax.optimizers import optimizer, renewed
from gan_jax.priors import Prior
from gan_jax.state import TrainState, init_state, keys_of


class Built(NamedTuple):
    """The functions of a run, the same whatever its seed and its numbers.

    game:       what the players want
    d_tx, g_tx: numbers -> optax.GradientTransformation
    schedule:   (hparams, step) -> the numbers of that step
    prior:      of the latents
    scaling:    of the data
    info:       what is known of the data, as `Dataset` has it
    """

    game: Game
    d_tx: Callable
    g_tx: Callable
    schedule: Callable
    prior: Prior
    scaling: Scaling
    info: dict[str, Any]


def build(config, info, mean) -> Built:
    """The game, the optimizers and the schedule of an experiment.

    info: of its `Dataset`
    mean: () -> mean of the scaled training examples, for networks that start from it
    """
    prior = bind("prior", config.prior)()
    game = _game(config, info, mean, prior)
    _refuse_missing(config, game, info)
    d_tx, g_tx = (_optimizer(config, player, game.changes) for player in ("d", "g"))
    if dynamics := bind("dynamics", config.dynamics)():
        game = _in_all_phases(lambda game: dynamics(game, d_tx), game)
    if config.accumulate > 1:
        if set(config.game.get("batches") or ()) - {config.batch_size}:
            raise UsageError(
                f"config.accumulate={config.accumulate} is for minibatches of one "
                "size, but levels have their own, config.game.batches; leave it at 1"
            )
        parts = config.accumulate, config.pack
        game = _in_all_phases(lambda game: accumulated(game, *parts), game)
    schedule = bind("schedule", config.schedule)()
    of_game = default_numbers("game", config.game.name)

    def at_step(numbers, step):
        numbers = _copied_first(config, schedule(numbers, step), step)
        numbers = numbers | {"step": step, "game": of_game | numbers.get("game", {})}
        return game.numbers(numbers) if game.numbers else numbers

    # refuses numbers that lack what is changed
    jax.eval_shape(at_step, hparams(config), 0)
    scaling = bind("scaling", config.scaling)()
    return Built(game, d_tx, g_tx, at_step, prior, scaling, info)


def rebuild(config, info) -> Built:
    """The same from a run's record, without its data."""
    # only networks that are initialised need the data's mean; here any will do
    return build(config, info, mean=lambda: np.full(info["shape"], 0.5))


def _copied_first(config, numbers, step):
    """The numbers; before the average's start with decay 0, which makes it a copy."""
    if not config.ema_start:
        return numbers
    decay = jnp.where(step < config.ema_start, 0.0, numbers["ema_decay"])
    return numbers | {"ema_decay": decay}


def _game(config, info, mean, prior) -> Game:
    """The game of the config, with the parts that its parameters ask for."""
    name = config.game.name
    wanted = inspect.signature(resolve("game", name)).parameters
    of_other = info.get("other", {}).get("classes", ())
    facts = {
        "shape": tuple(info["shape"]),
        "classes": len(info["classes"]) or len(of_other),
        "latent_dim": prior.dim,
        "batch_size": config.batch_size,
    }
    for fact in set(FACTS) - set(facts):
        if fact in wanted:
            facts[fact] = config.game.get(fact, wanted[fact].default)
    makers = {
        "G": lambda: _network(config, "generator", facts, mean),
        "D": lambda: packed(
            _network(config, "discriminator", facts, mean), config.pack
        ),
        "E": lambda: _network(config, "encoder", facts, mean),
        "loss": bind("loss", config.loss),
        "prior": lambda: _spread(prior),
        "penalty": lambda: _penalty(config),
        "augmentation": lambda: _augmentation(config, info),
    }
    for entry in ("penalty", "augmentation"):
        if entry not in wanted and config[entry].name != "none":
            raise UsageError(
                f"game {name} takes no {entry}; config.{entry}.name="
                f"{config[entry].name} has to be none"
            )
    if ("E" in wanted) != ("encoder" in config):
        raise UsageError(
            f"game {name} needs --config.encoder.name="
            if "E" in wanted
            else f"game {name} takes no encoder; leave config.encoder out"
        )
    given = {part: makers[part]() for part in PARTS if part in wanted}
    own = keywords("game", resolve("game", name))
    given |= {fact: facts[fact] for fact in facts if fact in wanted and fact not in own}
    game = bind("game", config.game, **given)()
    if given.get("penalty") is not None:
        _refuse_batch_norm(config, game, info)
    if "augmentation" in given and given["augmentation"].by_sign:
        _refuse_signs(config, game)
    return _in_all_phases(lambda game: _scoring_each(game, config.pack), game)


def _refuse_missing(config, game, info):
    """Raises UsageError where the data are not what the game is played on."""
    name, other = config.game.name, info.get("other")
    if "y" in game.given and not info["classes"]:
        raise UsageError(
            f"game {name} is played with labels, but data {config.data.name} have none"
            + ("; set data.labels=true" if "labels" in config.data else "")
        )
    if game.translate and config.pack > 1:
        raise UsageError(
            f"game {name} translates images one by one, but config.pack={config.pack}"
        )
    if game.translate and len(info["shape"]) != 3:
        raise UsageError(
            f"game {name} translates images, not vectors of {config.data.name}"
        )
    if "input" in game.given and "input" not in info:
        raise UsageError(
            f"game {name} is played with pairs, but data {config.data.name} are none: "
            "--config.data.name=pairs, or --config.data.input=edges, half or grey"
        )
    if (other is not None) != ("other" in game.given):
        raise UsageError(
            f"game {name} takes no second set; leave config.other out"
            if other is not None
            else f"game {name} needs a second set of data: --config.other.name="
        )
    if "other.y" in game.given:
        if not other["classes"]:
            raise UsageError(
                f"game {name} needs labels in config.other, but data "
                f"{config.other.name} have none"
            )
        if info["classes"] and info["classes"] != other["classes"]:
            raise UsageError(
                f"config.other has the classes {', '.join(other['classes'])}, "
                f"config.data {', '.join(info['classes'])}; both have to be the same"
            )


def _in_all_phases(change, game):
    """`change` of the game, and of the same game in each of its phases."""
    phases = tuple((first, change(phase)) for first, phase in game.phases)
    return change(game)._replace(phases=phases)


def _spread(prior):
    """The prior, with the latents of a minibatch divided among the devices."""
    return lambda key, n: parallel.spread(prior(key, n))


def _network(config, entry, facts, mean):
    """The network of an entry, with those of the facts that it has fields for."""
    fields = inspect.signature(resolve(entry, config[entry].name)).parameters
    given = {name: facts[name] for name in facts if name in fields}
    for name in set(FACTS) & set(fields) - set(facts):
        if is_required(fields[name]):
            raise UsageError(
                f"{entry} {config[entry].name} is made for {name}, which game "
                f"{config.game.name} does not have"
            )
    module = bind(entry, config[entry], **given)()
    if getattr(module, "marginal_bias", False):
        module = module.clone(mean=mean())
    return network(module, dtype=config.dtype, precision=config.matmul_precision)


def _penalty(config):
    """numbers -> the penalty, called with those of the step; None without any."""
    make = resolve("penalty", config.penalty.name)
    if make(**arguments(config.penalty)) is None:
        return None
    structure = structure_of(config, "penalty")
    return lambda numbers: make(**structure, **numbers.get("penalty", {})).of


def _refuse_batch_norm(config, game, info):
    """Raises UsageError for batch norm in a D whose penalty is of single examples."""
    if not bind("penalty", config.penalty)().differentiates:
        return
    batch = blank(info, 2 * config.pack)
    (_, d_stats), _ = jax.eval_shape(game.init, jax.random.key(0), batch)
    if has_batch_norm(d_stats):
        raise UsageError(
            f"penalty {config.penalty.name} is of D's slope at each example by itself, "
            f"but discriminator {config.discriminator.name} has batch norm, by which a "
            "score depends on the whole minibatch; leave it out of D"
        )


def _augmentation(config, info):
    """What D sees examples through, divided among the devices as they are.

    Raises UsageError for examples that it is not for.
    """
    view = bind("augmentation", config.augmentation)()
    if view == Augmentation():  # which does nothing
        return view
    x = jax.ShapeDtypeStruct((1, *info["shape"]), jnp.float32)
    asked = view.carried({}), x, jax.random.key(0), hparams(config)
    jax.eval_shape(view.apply, *asked)
    return view._replace(apply=lambda *given: parallel.spread(view.apply(*given)))


def _refuse_signs(config, game):
    """Raises UsageError for an augmentation by signs of scores, where they say nothing.

    They do where D is best with one score for everything.
    """
    if game.loss.equilibrium is None:
        raise UsageError(
            f"augmentation {config.augmentation.name} goes by the sign of D's scores, "
            f"which says nothing in game {config.game.name} with loss "
            f"{config.loss.name}; --config.augmentation.name=fixed does without"
        )


def _scoring_each(game, pack):
    """A game whose packed D scores single examples: x as a pack of copies of x."""
    if pack == 1:
        return game

    def score(d, g, batch):
        return game.score(d, g, {"x": jnp.repeat(batch["x"], pack, axis=0)})

    return game._replace(score=score)


def _optimizer(config, player, changes):
    """numbers -> transformation for one player; anew at the changes of a game."""
    entry = f"{player}_optimizer"

    def link(entry):
        make = resolve(entry, config[entry].name)
        return functools.partial(make, **structure_of(config, entry))

    tx = optimizer(
        config[entry].name,
        structure_of(config, entry),
        link(f"{player}_constraint"),
        None if config[f"{player}_decay"].name == "none" else link(f"{player}_decay"),
    )

    def of_player(numbers):
        return tx(numbers[player])

    return renewed(of_player, changes) if changes else of_player


def initial_state(config, built: Built) -> TrainState:
    """The state that a run of `config` starts with; traceable, for its shapes alone."""
    return _init_state(
        built.game,
        built.d_tx,
        built.g_tx,
        hparams(config),
        keys_of(config.seed)["state"],
        blank(built.info, 2 * config.pack),
        ema=config.ema_decay > 0,
    )


# one program: by themselves its hundred operations take twice as long to compile
_init_state = jax.jit(init_state, static_argnums=(0, 1, 2), static_argnames="ema")


def blank(info, n) -> dict[str, jax.Array]:
    """A minibatch of n examples as these data have them, all zeros."""
    batch = {"x": jnp.zeros((n, *info["shape"]))}
    if info["classes"]:
        batch["y"] = jnp.zeros(n, jnp.int32)
    if "input" in info:
        batch["input"] = jnp.zeros((n, *info["input"]))
    if "other" in info:
        batch["other"] = blank(info["other"], n)
    return batch
