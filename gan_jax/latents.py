"""Paths through the latent space."""

import numpy as np


def lerp(a, b, t):
    """The point at t in [0, 1] on the straight line from a to b, [..., dim]."""
    return a + t * (b - a)


def slerp(a, b, t):
    """The point at t in [0, 1] on the arc from a to b, [..., dim] (Shoemake 1985).

    The lengths are interpolated beside the directions, so that a path between normal
    latents, whose lengths are nearly the same, does not pass the improbable origin.
    Between opposite points, where no arc is the shortest, and from or to the origin,
    which has no direction, it is the straight line.
    """
    a, b = np.asarray(a), np.asarray(b)
    length_a = np.linalg.norm(a, axis=-1, keepdims=True)
    length_b = np.linalg.norm(b, axis=-1, keepdims=True)
    u = a / np.where(length_a > 0, length_a, 1)
    v = b / np.where(length_b > 0, length_b, 1)
    u, v = np.where(length_a > 0, u, v), np.where(length_b > 0, v, u)
    angle = np.arccos(np.clip(np.sum(u * v, axis=-1, keepdims=True), -1, 1))
    sine = np.sin(angle)
    small = sine < 1e-6  # nearly the same direction: the arc is a straight line
    safe = np.where(small, 1, sine)
    direction = np.where(
        small,
        lerp(u, v, t),
        (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / safe,
    )
    return direction * lerp(length_a, length_b, t)


def walk(stations, frames: int, interpolate=slerp) -> np.ndarray:
    """A closed walk through latents [stations, ..., dim], `frames` steps from each to
    the next and from the last to the first: [stations * frames, ..., dim]."""
    stations = np.asarray(stations)
    following = np.roll(stations, -1, axis=0)
    return np.concatenate(
        [
            np.stack([interpolate(a, b, i / frames) for i in range(frames)])
            for a, b in zip(stations, following, strict=True)
        ]
    )
