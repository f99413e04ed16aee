"""What is the matter with the samples: modes missing, all alike, ever other ones."""

import math

import numpy as np
from PIL import Image

from gan_jax import pictures
from gan_jax.data.stacked_mnist import CLASSES as TRIPLES
from gan_jax.diagnosis import offers
from gan_jax.diagnosis.evidence import Evidence, longest
from gan_jax.diagnosis.finding import Finding

_RARE = 0.2  # of a class's share of the data, below which it is missing
_LOOKS = 3  # the newest, in all of which a mode has to be missing
_FRAMES = 50  # pictures that are read, evenly chosen
_ALIKE = 0.08  # of the variance of all pixels, what samples differ by
_LONG = 5  # pictures
_WANDERS = 0.4  # total variation distance between the classes of two looks

_MISSING = "modes are missing"
_SAME = "samples are alike"
_WANDERING = "what G makes keeps changing"


def missing(e: Evidence) -> Finding:
    """Whether all modes, or classes, of the data are among the samples."""
    found = _modes(e) or _classes(e)
    if found is None:
        return Finding(
            _MISSING,
            "unknown",
            "neither modes nor classes of the samples were counted, as is done of data "
            "whose modes are known and of MNIST; recall and coverage, of gan_jax."
            "evaluate, tell of others",
        )
    k, steps, counts, what = found
    newest = counts[-_LOOKS:].max()
    seen = f"{what} at step {steps[-1]:,.0f}"
    if newest >= k:
        return Finding(_MISSING, "fine", seen)
    if counts.max() > newest:
        best = np.flatnonzero(counts == counts.max())[-1]
        seen += f", {counts[best]:,.0f} of them at step {steps[best]:,.0f}"
    growing = len(counts) == 1 or counts[-1] > counts[:-1].max()
    if not newest:
        meaning = "G has not come to the data yet, or was thrown from them."
    elif growing:
        meaning = "They may still be found: there were never more of them."
    else:
        meaning = (
            "G covers a part of the data. D sees examples one by one, and does not "
            "tell that G makes the same few again and again."
        )
    verdict = "note" if growing else "alarm"
    return Finding(_MISSING, verdict, seen, meaning, offers.against_missing_modes)


def _modes(e):
    """(how many there are, steps, how many were found, in words), or None."""
    known = e.built.info.get("modes")
    if known is not None:
        k = len(known["means"])
    elif tuple(e.built.info["classes"]) == TRIPLES:
        k = len(TRIPLES)
    else:
        return None
    steps, counts = e.series.get("modes", ((), ()))
    if not len(steps):
        return None
    what = f"samples have {counts[-1]:,.0f} of {k:,} modes"
    if "high_quality" in e.series:
        share = e.series["high_quality"][1][-1]
        what += f", and {share:.0%} of them are near one"
    return k, steps, counts, what


def _classes(e):
    """The same of classes as often as a fifth of what the data have them."""
    steps, shares = _shares(e)
    if not len(steps):
        return None
    k = len(shares)
    of_data = e.built.info.get("shares") or [1 / k] * k
    there = shares >= _RARE * np.array(of_data)[:, None]
    names = e.built.info["classes"]
    rare = [str(names[i]) for i in range(k) if not there[i, -1]]
    what = f"samples show {there[:, -1].sum()} of {k} classes"
    if rare:
        what += f" (hardly any {', '.join(rare)})"
    return k, steps, there.sum(axis=0), what


def _shares(e):
    """Steps [n] and the share of each class among the samples, [classes, n].

    The classifier numbers its own classes, of which the data may have some alone.
    """
    classes = e.built.info["classes"]
    if not classes or "class_0" not in e.series:
        return (), ()
    from gan_jax.metrics.choice import features_for  # half a second
    from gan_jax.metrics.classifier import CLASSES

    known = CLASSES.get(features_for(tuple(e.built.info["shape"])), ())
    if not set(classes) <= set(known):
        return (), ()
    names = [f"class_{known.index(name)}" for name in classes]
    if any(name not in e.series for name in names):
        return (), ()
    return e.together(*names)


def alike(e: Evidence) -> Finding:
    """Whether G makes the same image of all latents, by the pictures of samples."""
    game = e.built.game
    if (
        len(e.built.info["shape"]) != 3
        or game.translate
        or any(x.name == "samples" for x in game.pictures)
    ):
        return Finding(_SAME, "unknown", "there are no pictures of images to tell by")
    if math.prod(e.config.sample_grid) < 2:
        return Finding(_SAME, "unknown", "a picture of one sample tells of no other")
    steps, varieties = _varieties(e)
    if len(steps) < _LONG:
        return Finding(_SAME, "unknown", f"{len(steps)} pictures of samples to tell by")
    is_alike = varieties < _ALIKE
    start, stop = longest(is_alike)
    n = stop - start
    newest = varieties[-1]
    if n == 0 or (start == 0 and not is_alike[-1]):
        seen = f"in samples/, samples differ by {newest:.0%} of the variance of pixels"
        return Finding(_SAME, "fine", f"{seen} at step {steps[-1]:,}")
    lasts = stop == len(steps)
    worst = varieties[start:stop].min()
    span = f"from step {steps[start]:,} " + (
        "on" if lasts else f"to step {steps[stop - 1]:,}"
    )
    seen = (
        f"{span} samples are nearly alike: in the pictures of samples/ they differ by "
        f"{worst:.0%} of the variance of pixels at worst, {newest:.0%} now"
        f"{_meanwhile(e, steps[start], steps[stop - 1])}"
    )
    long = n >= _LONG and (lasts or 3 * n >= len(steps))
    return Finding(
        _SAME if lasts else "samples were alike",
        "alarm" if long else "note",
        seen,
        "G makes one thing of all latents, and moves it where D does not look; unless "
        "the data are as much alike.",
        offers.against_missing_modes,
    )


def _meanwhile(e, first, last):
    """How often D was right between two steps, in words, where that says something."""
    steps, values = e.together("d_real_accuracy", "d_fake_accuracy")
    among = (steps >= first) & (steps <= last)
    if e.loss.equilibrium is None or not among.any():
        return ""
    real, made = values[:, among].mean(axis=1)
    return (
        f"; meanwhile D is right about {real:.0%} of real and {made:.0%} of made ones"
    )


def _varieties(e):
    """Steps and, of each picture, the share of pixels' variance between samples.

    Without the untrained G's, which are noise.
    """
    rows, columns = e.config.sample_grid
    files = [(step, file) for step, file in e.pictures.items() if step > 0]
    chosen = np.linspace(0, len(files) - 1, min(len(files), _FRAMES)).astype(int)
    found = {}
    for step, file in (files[i] for i in chosen):
        try:
            with Image.open(file) as image:
                picture = np.asarray(image.convert("RGB"))
            samples = pictures.cells(picture, rows, columns).astype(np.float64)
        except (OSError, SyntaxError, ValueError):  # while it is being written
            continue
        total = samples.var()
        found[step] = samples.var(axis=0).mean() / total if total else 0.0
    return list(found), np.array(list(found.values()))


def wandering(e: Evidence) -> Finding:
    """Whether samples are of other classes at every look."""
    steps, shares = _shares(e)
    if len(steps) < 4:
        return Finding(_WANDERING, "unknown", "classes of samples were not counted")
    moved = np.abs(np.diff(shares, axis=1)).sum(axis=0) / 2
    later = moved[len(moved) // 2 :]
    typical = float(np.median(later))
    seen = (
        f"from one look to the next {typical:.0%} of the samples change their class "
        f"(median of {len(later)}, to step {steps[-1]:,.0f})"
    )
    if typical < _WANDERS:
        return Finding(_WANDERING, "fine", seen)
    return Finding(
        _WANDERING,
        "alarm",
        seen,
        "The players go round: G leaves what D has learned to tell, and comes back "
        "once it is forgotten.",
        offers.against_oscillation,
    )
