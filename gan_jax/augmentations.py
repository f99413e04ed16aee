"""What D sees examples through, real and generated alike.

The keywords are those of `config.augmentation`, and its numbers are data; what one
carries from step to step lies among D's statistics. What they do to images is in
`transforms`. Amounts are published for images in [-1, 1], scaling symmetric: what is
moved out of the way or cut out leaves 0, grey, where under scaling unit it is black,
and brightness moves by up to a quarter of the range of numbers, there by up to half.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.config.ranges import Count, Positive, Probability, between
from gan_jax.errors import UsageError, nearest
from gan_jax.transforms import pipe as ada_pipe
from gan_jax.transforms import policy as diff_policy


class Augmentation(NamedTuple):
    """What happens to examples on their way to D; by default nothing does.

    carried: d_stats -> d_stats, with what is carried from step to step beside them
    apply:   (d_stats, x, key, numbers) -> x, differentiable in x
    update:  (d_stats, d_real, numbers) -> d_stats, metrics; after a minibatch of D's.
             d_real are its scores of real examples above that of its equilibrium
    by_sign: whether `update` goes by the signs of these
    """

    carried: Callable = lambda d_stats: d_stats
    apply: Callable = lambda d_stats, x, key, numbers: x
    update: Callable = lambda d_stats, d_real, numbers: (d_stats, {})
    by_sign: bool = False


def none() -> Augmentation:
    """D sees x as it is."""
    return Augmentation()


def diff_augment(
    *, policy: tuple[str, ...] = ("color", "translation", "cutout")
) -> Augmentation:
    """DiffAugment (Zhao et al. 2020, arXiv:2006.10738): every image, every time.

    policy: in this order; color is brightness by up to 1/2, then saturation, then
            contrast, translation is by up to an eighth, with zeros beyond the edges,
            and cutout makes a square of half of the size 0

    Published for CIFAR-10 are translation,cutout with BigGAN and color,cutout with
    StyleGAN2.
    """
    _refuse_unknown("diff_augment: policy", policy, diff_policy.PARTS)

    def apply(d_stats, x, key, numbers):
        _refuse_vectors("diff_augment", x)
        return diff_policy.augmented(key, x, policy)

    return Augmentation(apply=apply)


def ada(
    *,
    target: Annotated[float, between(-1, 1)] = 0.6,
    kimg: Positive = 500.0,
    every: Count = 4,
    pipe: tuple[str, ...] = ("blit", "geom", "color"),
) -> Augmentation:
    """Adaptive augmentation (Karras et al. 2020, arXiv:2006.06676, section 3).

    Each change of the pipe is made with probability p, which begins at 0. Where D
    overfits, it is sure of the data, and the mean sign of its scores of them is near 1:
    p rises while that is above the target, and falls while it is below. As long as p is
    well below 1, what G makes does not show the changes.

    target: of the mean sign
    kimg:   thousands of real examples in which p moves by 1; where D judges packs, each
            counts as one
    every:  minibatches of D from one move of p to the next
    pipe:   groups of changes; blit, geom, color is the "bgc" of the authors' code, and
            cutout another one. Mirrored and turned digits are none: without blit and
            geom, digits stay what they are even at p = 1
    """
    _refuse_unknown("ada: pipe", pipe, ada_pipe.GROUPS)

    def carried(d_stats):
        names = "p", "signs", "examples"
        return d_stats | {"augmentation": {name: jnp.zeros(()) for name in names}}

    def apply(d_stats, x, key, numbers):
        _refuse_vectors("ada", x)
        return ada_pipe.augmented(key, x, d_stats["augmentation"]["p"], pipe)

    def update(d_stats, d_real, numbers):
        given = {"target": target, "kimg": kimg} | numbers.get("augmentation", {})
        own, n = d_stats["augmentation"], len(d_real)
        sign = jnp.mean(jnp.sign(jax.lax.stop_gradient(d_real)))
        signs, examples = own["signs"] + n * sign, own["examples"] + n
        move = examples / (1_000 * given["kimg"])
        move = move * jnp.sign(signs / examples - given["target"])
        due = examples >= every * n
        p = jnp.where(due, jnp.clip(own["p"] + move, 0.0, 1.0), own["p"])
        own = {
            "p": p,
            "signs": jnp.where(due, 0.0, signs),
            "examples": jnp.where(due, 0.0, examples),
        }
        metrics = {"augmentation_p": p, "real_sign": sign}
        return d_stats | {"augmentation": own}, metrics

    return Augmentation(carried, apply, update, by_sign=True)


def fixed(
    *,
    p: Probability,
    of_color: Probability = 1.0,
    pipe: tuple[str, ...] = ("blit", "geom", "color"),
) -> Augmentation:
    """The pipe of `ada` with a probability that stays, or that a schedule changes.

    For losses under which the sign of a score says nothing: R3GAN (Huang et al. 2024)
    lets p rise to 0.55 by `schedules.burn_in`.

    of_color: by which p is multiplied for changes of colour; 1/2 in R3GAN
    pipe:     as in `ada`; with cutout in R3GAN
    """
    _refuse_unknown("fixed: pipe", pipe, ada_pipe.GROUPS)

    def asked(numbers):
        return {"p": p, "of_color": of_color} | numbers.get("augmentation", {})

    def apply(d_stats, x, key, numbers):
        _refuse_vectors("fixed", x)
        return ada_pipe.augmented(key, x, groups=pipe, **asked(numbers))

    def update(d_stats, d_real, numbers):
        return d_stats, {"augmentation_p": asked(numbers)["p"]}

    return Augmentation(apply=apply, update=update)


def _refuse_unknown(field, given, accepted):
    for name in given:
        if name not in accepted:
            raise UsageError(f"augmentation {field}={name}; {nearest(name, accepted)}")


def _refuse_vectors(name, x):
    if x.ndim != 4:
        raise UsageError(
            f"augmentation {name} is of images (height, width, channels), not of "
            f"examples of shape {x.shape[1:]}"
        )
