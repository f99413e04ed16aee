"""Trains a classifier whose features metrics use:

python -m gan_jax.metrics.train_classifier --data=mnist

Writes its weights, its accuracy on images that it was not trained on, and how it was
made to --out, by default where the package looks for them.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from jax import lax

from gan_jax import cli
from gan_jax.data import tfds
from gan_jax.data.source import Source
from gan_jax.errors import UsageError, nearest
from gan_jax.loop.log import say
from gan_jax.metrics import weights_file
from gan_jax.metrics.classifier import WEIGHTS, Classifier
from gan_jax.networks import Network, network

_BATCH, _RATE, _MOMENTUM, _DECAY = 128, 0.1, 0.9, 5e-4


class Recipe(NamedTuple):
    """What to train on, what to train, and for how long.

    shift: up to so many pixels an image is moved in each direction
    flip:  whether it may be mirrored, left to right
    """

    split: str
    held_out: str
    widths: tuple[tuple[int, ...], ...]
    shift: int
    flip: bool
    epochs: int


RECIPES = {
    "mnist": Recipe("train", "test", ((32,), (64,), (128,)), 2, False, 6),
    "cifar10": Recipe(
        "train[:45000]",
        "train[45000:]",
        ((32, 32), (64, 64), (128, 128)),
        4,
        True,
        10,
    ),
}


def main(arguments: list[str]) -> None:
    """Reads the flags, trains and writes."""
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    flags.DEFINE_string("data", "mnist", " or ".join(RECIPES), **define)
    flags.DEFINE_string("out", None, "the .npz file to write", **define)
    flags.DEFINE_integer("epochs", None, "passes over the data", 1, **define)
    flags.DEFINE_integer("seed", 0, "of weights, order and augmentation", 0, **define)
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    if values.data not in RECIPES:
        raise UsageError(f"--data={values.data}: {nearest(values.data, RECIPES)}")
    recipe = RECIPES[values.data]
    if values.epochs:
        recipe = recipe._replace(epochs=values.epochs)
    out = Path(values.out or WEIGHTS / f"{values.data}.npz").expanduser()
    if out.suffix != ".npz" or not out.absolute().parent.is_dir():
        raise UsageError(f"--out={out}: accepted is an .npz file in an existing folder")
    source, held_out = (
        tfds.load(builder=values.data, split=split)
        for split in (recipe.split, recipe.held_out)
    )
    variables, accuracy = train(source, held_out, recipe, values.seed)
    about = recipe._asdict() | {
        "data": values.data,
        "classes": len(source.classes),
        "shape": source.x.shape[1:],
        "accuracy": accuracy,
        "seed": values.seed,
        "made_by": "python -m gan_jax.metrics.train_classifier, batches of "
        f"{_BATCH}, SGD with Nesterov momentum {_MOMENTUM}, weight decay {_DECAY}, "
        f"learning rate up to {_RATE}, then to 0 along a cosine; jax {jax.__version__}",
    }
    weights_file.write(out, variables, about)
    say(f"wrote {out}: {accuracy:.2%} of {values.data} {recipe.held_out} is right")


def train(
    source: Source, held_out: Source, recipe: Recipe, seed: int
) -> tuple[dict, float]:
    """A classifier's variables as they are stored, and its share of `held_out` right.

    Kernels are stored in float16, with which the accuracy is measured.
    """
    x, y = source.x, source.y
    net = network(Classifier(recipe.widths, len(source.classes)))
    steps = len(x) // _BATCH
    total = recipe.epochs * steps
    rate = optax.warmup_cosine_decay_schedule(0.0, _RATE, total // 5, total)
    tx = optax.chain(
        optax.add_decayed_weights(_DECAY),
        optax.sgd(rate, _MOMENTUM, nesterov=True),
    )
    init_key, loop_key = jax.random.split(jax.random.key(seed))
    params, stats = net.init(init_key, jnp.zeros((1, *x.shape[1:])))
    state = params, stats, tx.init(params)
    step = jax.jit(_make_step(net, tx, recipe), donate_argnums=0)
    predict = jax.jit(lambda *inputs: net.apply(*inputs)[0][1].argmax(-1))
    rng = np.random.default_rng(seed)
    for epoch in range(recipe.epochs):
        order, losses = rng.permutation(len(x)), []
        for i in range(steps):
            chosen = order[i * _BATCH : (i + 1) * _BATCH]
            key = jax.random.fold_in(loop_key, epoch * steps + i)
            state, loss = step(state, x[chosen], y[chosen], key)
            losses.append(loss)
        stored = _as_stored(state)
        right = _accuracy(predict, stored, held_out)
        loss = np.mean(jax.device_get(losses))
        say(f"epoch {epoch + 1}/{recipe.epochs}  loss {loss:.4f}  right {right:.2%}")
    return stored, right


def _make_step(net: Network, tx, recipe):
    def step(state, x, y, key):
        params, stats, moments = state

        def objective(params):
            shifted = augment(key, x, recipe.shift, recipe.flip)
            (_, logits), moved = net.apply(params, stats, shifted, train=True)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
            return losses.mean(), moved

        (loss, stats), gradient = jax.value_and_grad(objective, has_aux=True)(params)
        updates, moments = tx.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), stats, moments), loss

    return step


def augment(key, x, shift: int, flip: bool):
    """Images [n, h, w, c], each moved by up to `shift` pixels and maybe mirrored.

    The border is continued by reflection.
    """
    shift_key, flip_key = jax.random.split(key)
    n, height, width, channels = x.shape
    pad = (0, 0), (shift, shift), (shift, shift), (0, 0)
    padded = jnp.pad(x, pad, mode="reflect")
    corners = jax.random.randint(shift_key, (n, 2), 0, 2 * shift + 1)

    def window(image, corner):
        start = (corner[0], corner[1], 0)
        return lax.dynamic_slice(image, start, (height, width, channels))

    x = jax.vmap(window)(padded, corners)
    if not flip:
        return x
    mirrored = jax.random.bernoulli(flip_key, shape=(n, 1, 1, 1))
    return jnp.where(mirrored, x[:, :, ::-1], x)


def _as_stored(state):
    params, stats, _ = state
    variables = jax.device_get({"params": params, **stats})
    return jax.tree.map(lambda a: a.astype("f2") if a.ndim > 1 else a, variables)


def _accuracy(predict, variables, source):
    stats = jax.tree.map(lambda a: a.astype("f4"), variables)
    params = stats.pop("params")
    starts = range(0, len(source.x), 1000)
    guesses = [predict(params, stats, source.x[i : i + 1000]) for i in starts]
    return float(np.mean(np.concatenate(guesses) == source.y))


if __name__ == "__main__":
    sys.exit(cli.run(main))
