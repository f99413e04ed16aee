"""What lies between four latents, as G of the newest checkpoint makes it."""

from pathlib import Path

import numpy as np

import gan_jax
from gan_jax import pictures
from gan_jax.errors import UsageError
from gan_jax.latents import lerp, slerp

SIDE = 9  # samples along each side


def sheet(workdir: Path) -> tuple[int, np.ndarray] | None:
    """The step, and a grid of images [H, W, 3] whose corners are samples of the prior.

    From one corner to the next along arcs, or along straight lines where the prior's
    latents lie on them. None where there is no checkpoint to be read, and of a run that
    makes no images of latents alone.
    """
    try:
        run = gan_jax.load(workdir)
        corners = run.latents(4)
    except UsageError:
        return None
    if isinstance(corners, dict) or len(run.info["shape"]) != 3:
        return None
    line = lerp if run.built.prior.straight else slerp
    t = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None]
    a, b, c, d = np.asarray(corners)
    z = line(line(a, b, t), line(c, d, t), t[:, None])
    try:
        images = run.generate(z.reshape(SIDE**2, -1))
    except UsageError:  # they are not finite
        return None
    return int(run.state.step), pictures.grid(images, SIDE, SIDE)
