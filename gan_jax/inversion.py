"""Latents that are searched for: of an image, of what is known of one, of a class.

An image's latent is where gradients lead from several draws of the prior, side by side,
and the best of them (Yeh et al. 2017, arXiv:1607.07539, which also completes images:
what is known of one finds the latent, and G makes the rest).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from gan_jax.data.labels import find_class
from gan_jax.errors import UsageError
from gan_jax.metrics.checks import at_least
from gan_jax.metrics.choice import features_for
from gan_jax.metrics.features import load_features
from gan_jax.sampling import latents_for
from gan_jax.state import Player

_CANDIDATES = 128  # that are led at a time
_WINDOW = 7  # pixels each way that say how much one of them counts


class Found(NamedTuple):
    """z:        latents of n images, as `Run.latents` gives them
    made:     what G makes of them, uint8 [n, h, w, c]
    distance: from the images, the mean distance of known pixels, in [0, 1], [n]
    """

    z: Any
    made: np.ndarray
    distance: np.ndarray


def invert(
    run,
    images,
    hole=None,
    *,
    starts: int = 8,
    steps: int = 500,
    rate: float = 0.03,
    prior: float = 0.0,
    seed: int = 0,
    label: str | None = None,
) -> Found:
    """Latents whose samples come close to uint8 images [n, h, w, c].

    Adam, at a rate that falls to zero, minimises the sum of |G(z) - x| over the known
    pixels as the networks see them, weighted by `weights`, and `prior` times G's own
    loss, by which D keeps samples like data; z stays where the prior may draw it.

    hole:   bool [h, w], the pixels that are not known; None if all are
    starts: draws of the prior that are led towards each image; the closest is kept
    label:  of samples, in a game with labels, as `Run.sample` takes it

    Raises UsageError for images that are not like the run's, and for a hole that is all
    of the image.
    """
    at_least(1, starts=starts, steps=steps, images=len(images))
    images = np.asarray(images)
    if images.ndim != 4:
        raise UsageError("latents are searched for of images alone")
    hole = np.zeros(images.shape[1:3]) if hole is None else hole
    hole = np.asarray(hole, bool)
    if hole.shape != images.shape[1:3] or hole.all():
        raise UsageError(
            f"a hole of shape {hole.shape} in images of {images.shape[1:3]} pixels; "
            "both have to have one size, and some pixels to be known"
        )
    images = run.built.scaling.as_shown(images, run.info["fitted"])
    key, weight = jax.random.key(seed), jnp.asarray(weights(hole))
    lead = _leading(run.game, run.built.prior, steps, prior)
    few, found = max(1, _CANDIDATES // starts), []
    for first in range(0, len(images), few):
        target = np.repeat(images[first : first + few], starts, axis=0)
        own = jax.random.fold_in(key, first)
        z = latents_for(run.built, own, len(target), label)
        z = lead(run.state, z, run.scaled(target), weight, rate)
        found.append(_closest(z, run.generate(z), target, hole, starts))
    z, made, distance = zip(*found, strict=True)
    z = jax.tree.map(lambda *parts: np.concatenate(parts), *z)
    return Found(z, np.concatenate(made), np.concatenate(distance))


def _closest(z, made, target, hole, starts) -> Found:
    """Of as many candidates for each image, the one that is closest in known pixels."""
    gap = np.abs(made.astype(np.float32) - target)[:, ~hole] / 255
    distance = gap.mean(axis=(1, 2)).reshape(-1, starts)
    rows = np.arange(len(distance)) * starts + distance.argmin(axis=1)
    z = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], z)
    return Found(z, made[rows], distance.min(axis=1))


def weights(hole) -> np.ndarray:
    """What pixels count, [h, w]: 0 in the hole, else the share of known ones around.

    Around are 7 x 7 pixels, mirrored at the edges, as in the code of Yeh et al. (their
    paper has the share of unknown ones).
    """
    known = 1.0 - np.asarray(hole, np.float32)
    return known * ndimage.uniform_filter(known, _WINDOW, mode="reflect")


@functools.lru_cache(maxsize=4)
def _leading(game, prior, steps, trust):
    """(state, z, target, weights, rate) -> z, led to the target.

    trust: the weight of G's own loss; where it is 0, D is not asked
    """

    def loss(moving, held, state, target, weight):
        z, (params, stats) = _joined(moving, held), state.sampler
        x, _ = game.generate(params, stats, z)
        gap = jnp.sum(jnp.abs(x - target), axis=-1)
        value = jnp.sum(gap * jnp.broadcast_to(weight, gap.shape))
        if not trust:
            return value
        told = {"y": z["y"]} if "y" in game.given else {}
        scores = game.score(state.d, Player(params, stats), {"x": x, **told})
        # the mean over candidates, each of which is to count by itself
        return value + trust * len(x) * game.loss.g(jnp.zeros_like(scores), scores)

    @jax.jit
    def step(moving, held, memory, count, rate, *rest):
        grads = jax.grad(loss)(moving, held, *rest)
        updates, memory = adam.update(grads, memory)
        size = rate * (1 - count / steps)
        return prior.nearest(moving - size * updates), memory

    adam = optax.scale_by_adam()

    def lead(state, z, target, weight, rate):
        moving, held = _apart(z)
        memory, rest = adam.init(moving), (state, target, weight)
        for count in range(steps):
            moving, memory = step(moving, held, memory, count, rate, *rest)
        return _joined(moving, held)

    return lead


def _apart(z):
    """z itself, which can be led, and what of latents cannot: labels, categories."""
    if not isinstance(z, dict):
        return z, {}
    return z["z"], {name: leaf for name, leaf in z.items() if name != "z"}


def _joined(z, held):
    return {"z": z, **held} if held else z


def complete(run, images, hole, *, blend: bool = True, prior: float = 0.2, **search):
    """Images whose hole is filled by G: -> uint8 [n, h, w, c], `Found`.

    blend:  by the slopes of what G makes (Poisson blending, Perez et al. 2003), whose
            brightness need not fit; else by its pixels
    prior, search: as in `invert`; 0.2 is that of the authors' code
    """
    found = invert(run, images, hole, prior=prior, **search)
    images = run.built.scaling.as_shown(images, run.info["fitted"])
    if blend:
        whole = [
            blended(image, made, hole)
            for image, made in zip(images, found.made, strict=True)
        ]
        return np.stack(whole), found
    return np.where(np.asarray(hole, bool)[..., None], found.made, images), found


def blended(image, made, hole) -> np.ndarray:
    """An image [h, w, c] with its hole [h, w] filled by what has the slopes of `made`.

    Inside the hole the Laplacian is that of `made`, around it pixels are the image's;
    at the edges of the image slopes beyond them count as none. All uint8.
    """
    hole = np.asarray(hole, bool)
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(hole.sum())
    rows, columns = np.nonzero(hole)
    if not len(rows):
        return np.array(image)
    image, made = np.asarray(image, np.float64), np.asarray(made, np.float64)
    n, beside, entries = len(rows), np.zeros(len(rows)), []
    right = np.zeros((n, image.shape[-1]))
    for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        r, c = rows + down, columns + across
        inside = (r >= 0) & (r < hole.shape[0]) & (c >= 0) & (c < hole.shape[1])
        own, r, c = np.flatnonzero(inside), r[inside], c[inside]
        beside[own] += 1
        right[own] += made[rows[own], columns[own]] - made[r, c]
        unknown = hole[r, c]
        entries.append((own[unknown], number[r, c][unknown]))
        right[own[~unknown]] += image[r, c][~unknown]
    pairs = np.concatenate(entries, axis=1)
    neighbours = sparse.coo_array((np.ones(pairs.shape[1]), tuple(pairs)), (n, n))
    solved = spsolve((sparse.diags_array(beside) - neighbours).tocsc(), right)
    solved = solved.reshape(right.shape)
    filled = image.copy()
    filled[hole] = solved
    return np.clip(np.rint(filled), 0, 255).astype(np.uint8)


def of_class(run, label: str, n: int, *, draws: int = 5_000, seed: int = 0):
    """Latents whose samples are read as a class: -> z of n, probabilities [n].

    The surest of `draws`, first those of the highest probability. The reader is D,
    where it learned the data's classes, or else the project's classifier of images of
    this size. Raises UsageError where there is none, and for a class that it does not
    have.
    """
    at_least(1, n=n)
    at_least(n, draws=draws)
    if run.game.classify is not None:
        classes, read = tuple(run.info["classes"]), run.classify
    else:
        name = features_for(tuple(run.info["shape"]))
        if name == "pixels":
            raise UsageError(
                f"no classifier reads what {run.workdir} makes: its D learned no "
                "classes, and the project's are of 28 x 28 greys and 32 x 32 colours"
            )
        network = load_features(name)
        classes, read = network.classes, lambda x: network.apply(x)[1]
    number = find_class(label, classes)
    z = run.latents(draws, seed)
    sure = read(run.generate(z))[:, number]
    best = np.argsort(-sure, kind="stable")[:n]
    return jax.tree.map(lambda leaf: np.asarray(leaf)[best], z), sure[best]
