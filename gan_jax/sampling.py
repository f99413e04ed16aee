"""Samples of a game as it was built: asked for by latents, and by labels where it has
them.

Labels are drawn as in the data ("data"), each class as often as any other ("uniform"),
or all of one class (its name, or its number). Truncated latents make fewer kinds of
samples, better ones (Brock et al. 2019, section 3.1).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data.labels import find_class
from gan_jax.errors import UsageError
from gan_jax.games import draw_latents

WAYS = ("data", "uniform")


def usual_way(built) -> str | None:
    """How the labels of a game's samples are drawn if nobody says; None without any.

    As in the data, but where these are not read whole, the shares are not known.
    """
    if "y" not in built.game.given:
        return None
    return "data" if built.info.get("shares") else "uniform"


def chosen_way(built, label: str | None) -> str | None:
    """The way that `label` says, or the usual one: one of `WAYS`, or a class's name.

    Raises UsageError for a game without labels, and for a class that is not there.
    """
    if label is None:
        return usual_way(built)
    if "y" not in built.game.given:
        raise UsageError(
            f"label={label}: this run was trained without labels; those that are have "
            "--config.game.labels=true, or a game such as acgan"
        )
    if label == "data" and not built.info.get("shares"):
        raise UsageError(
            "label=data: the shares of the classes are not known, since the data were "
            "read while it trained; label=uniform, or a class"
        )
    if label in WAYS:
        return label
    classes = tuple(built.info["classes"])
    return classes[find_class(label, classes)]


def draw_labels(built, key, n: int, label: str | None = None) -> jax.Array:
    """n labels, int32 [n]; `label` as in `chosen_way`."""
    way, classes = chosen_way(built, label), built.info["classes"]
    if way == "data":
        shares = jnp.asarray(built.info["shares"], jnp.float32)
        return jax.random.choice(key, len(classes), (n,), p=shares).astype(jnp.int32)
    if way == "uniform":
        return jax.random.randint(key, (n,), 0, len(classes))
    return jnp.full(n, classes.index(way), jnp.int32)


def latents_for(built, key, n: int, label: str | None = None):
    """n latents of a built game, with labels where it has them.

    Raises UsageError for a game whose G makes images of images.
    """
    if built.game.translate:
        raise UsageError(
            "this run makes images of images, not of latents: python -m "
            "gan_jax.translate --input=FILE"
        )
    way = chosen_way(built, label)
    if way is None:
        return draw_latents(built.game, key, n)
    label_key, key = jax.random.split(key)
    y = draw_labels(built, label_key, n, label)
    return draw_latents(built.game, key, n, y=y)


def latents_in_rows(built, key, rows: int, columns: int):
    """Latents for a grid, row by row: where there are labels, one class a row."""
    if "y" not in built.game.given:
        return latents_for(built, key, rows * columns)
    y = np.repeat(np.arange(rows) % len(built.info["classes"]), columns)
    return draw_latents(built.game, key, rows * columns, y=y.astype(np.int32))


def truncated(built, sampler, z, truncation: float):
    """Latents z of a built game, pulled towards what is typical.

    sampler:    (params, stats) of G
    truncation: what `Game.truncate` takes, where the game has it: 1 leaves all as it
                is, at 0 all is one; else the bound that `Prior.truncate` takes

    Raises UsageError where neither game nor prior has it, and beyond these ranges.
    """
    if built.game.truncate is not None:
        if not 0 <= truncation <= 1:
            raise UsageError(f"truncation={truncation}: must be between 0 and 1")
        return jax.jit(built.game.truncate)(*sampler, z, truncation)
    if built.prior.truncate is None:
        raise UsageError(
            f"truncation={truncation}: this run has none; those have that draw their "
            "latents from the prior normal"
        )
    if not 0 < truncation < math.inf:
        raise UsageError(f"truncation={truncation}: must be positive and finite")
    if isinstance(z, dict):
        return z | {"z": built.prior.truncate(z["z"], truncation)}
    return built.prior.truncate(z, truncation)
