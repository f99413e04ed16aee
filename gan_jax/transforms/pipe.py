"""What StyleGAN2-ADA draws: a dozen changes, each with a probability and by itself.

Karras et al. (2020, arXiv:2006.06676), appendix B; probabilities, amounts and order are
those of NVlabs/stylegan2-ada-pytorch, training/augment.py. Changes of the plane are one
matrix, through which an image is resampled once; those of colours are another.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.transforms import colour, plain, plane, resampling

GROUPS = ("blit", "geom", "color", "cutout")


def augmented(key, x, p, groups=GROUPS, of_color=1.0):
    """Images [n, h, w, c] with each change of these groups made with probability p.

    groups:   blit    mirrored; turned by right angles; moved by whole pixels
              geom    scaled; turned; stretched; moved
              color   brightness; contrast; light for dark; hue; saturation
              cutout  a square of half of the image along each axis is 0
    of_color: by which p is multiplied for changes of colour
    """
    of_plane = [each for name in _PLANE if name in groups for each in _PLANE[name]]
    of_colour = _COLOUR if "color" in groups else ()
    draws = _draws(key, len(of_plane) + len(of_colour) + 1, len(x))
    # as accelerators multiply by default, what is left as it is would be rounded
    with jax.default_matmul_precision("highest"):
        if of_plane:
            parts = _drawn(of_plane, draws, x, p)
            x = resampling.warp(x, functools.reduce(jnp.matmul, parts))
        if of_colour:
            parts = _drawn(of_colour, draws[len(of_plane) :], x, of_color * p)
            C = functools.reduce(lambda before, part: part @ before, parts)
            x = colour.recoloured(x, C)
    return _cutout(draws[-1], x, p) if "cutout" in groups else x


class Draws(NamedTuple):
    """What is drawn of n images for a change.

    hit:    [n], even in [0, 1): of whether it is made
    even:   [2, n], likewise: of how
    normal: [2, n], from N(0, 1)
    """

    hit: jax.Array
    even: jax.Array
    normal: jax.Array


def _draws(key, changes, n) -> list[Draws]:
    """For each change; drawn at once, since a generator takes long to compile."""
    # a normal draw of an even one of 0 would be infinite
    least = jnp.finfo(jnp.float32).tiny
    even = jax.random.uniform(key, (changes, 5, n), minval=least)
    normal = jax.scipy.special.ndtri(even[:, 3:])
    return [Draws(a[0], a[1:3], b) for a, b in zip(even, normal, strict=True)]


def _drawn(changes, draws, x, p):
    """Of each change a matrix an image: with its probability as drawn, else 1."""
    # of two turns, so that one of them at least is made with probability p
    of_turn = 1 - jnp.sqrt(1 - p)
    for change, each in zip(changes, draws, strict=False):
        drawn = change(each, x.shape[1:3])
        hit = each.hit < (of_turn if change is _turn else p)
        yield jnp.where(hit[:, None, None], drawn, jnp.eye(drawn.shape[1])[None])


# --- the plane: (draws, size) -> [n, 3, 3], whose inverses are distributed alike ------


def _mirror(draws, size):
    return plane.scaling(_coin(draws), 1)


def _quarters(draws, size):
    return plane.quarter_turns(jnp.floor(4 * draws.even[0]).astype(jnp.int32))


def _whole_pixels(draws, size):
    y, x = (
        jnp.round(k * (2 * u - 1) / 8) for k, u in zip(size, draws.even, strict=True)
    )
    return plane.translation(x, y)


def _scale(draws, size):
    factor = jnp.exp2(0.2 * draws.normal[0])
    return plane.scaling(factor, factor)


def _turn(draws, size):
    return plane.rotation(_angle(draws))


def _stretch(draws, size):
    factor = jnp.exp2(0.2 * draws.normal[0])
    return plane.scaling(factor, 1 / factor)


def _move(draws, size):
    y, x = (k / 8 * z for k, z in zip(size, draws.normal, strict=True))
    return plane.translation(x, y)


# --- colours: likewise [n, 4, 4] ------------------------------------------------------


def _brightness(draws, size):
    return colour.brightness(0.2 * draws.normal[0])


def _contrast(draws, size):
    return colour.contrast(jnp.exp2(0.5 * draws.normal[0]))


def _luma_flip(draws, size):
    return colour.luma(_coin(draws))


def _hue(draws, size):
    return colour.hue(_angle(draws))


def _saturation(draws, size):
    return colour.saturation(jnp.exp2(draws.normal[0]))


def _coin(draws):
    return jnp.where(draws.even[0] < 0.5, -1.0, 1.0)


def _angle(draws):
    return np.pi * (2 * draws.even[0] - 1)


_PLANE = {
    "blit": (_mirror, _quarters, _whole_pixels),
    "geom": (_scale, _turn, _stretch, _turn, _move),
}
_COLOUR = (_brightness, _contrast, _luma_flip, _hue, _saturation)


def _cutout(draws, x, p):
    h, w = size = x.shape[1:3]
    # of the middles of pixels, those less than a quarter from the middle of the square
    top, left = (k * (u - 1 / 4) - 1 / 2 for k, u in zip(size, draws.even, strict=True))
    cut = plain.cutout(x, top, left, (h / 2, w / 2))
    return jnp.where((draws.hit < p)[:, None, None, None], cut, x)
