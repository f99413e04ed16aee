"""Matrices [n, 3, 3] of the plane, for points (x, y, 1): x goes right, y down."""

import jax.numpy as jnp


def translation(x, y):
    """Moves by x and y."""
    return _matrix((1, 0, x), (0, 1, y))


def scaling(x, y):
    """Stretches by x and y; a negative factor mirrors."""
    return _matrix((x, 0, 0), (0, y, 0))


def rotation(angle):
    """Turns by an angle in radians, from x towards y."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return _matrix((cos, -sin, 0), (sin, cos, 0))


def quarter_turns(number):
    """Turns by so many right angles, without rounding."""
    sin, cos = (jnp.array([0, 1, 0, -1])[(number + i) % 4] for i in (0, 1))
    return _matrix((cos, -sin, 0), (sin, cos, 0))


def _matrix(*rows):
    """Of two rows, whose entries are numbers or [n]; the third is (0, 0, 1)."""
    entries = [jnp.asarray(x, jnp.float32) for row in (*rows, (0, 0, 1)) for x in row]
    return jnp.stack(jnp.broadcast_arrays(*entries), -1).reshape(-1, 3, 3)
