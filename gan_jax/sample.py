"""Draws from a trained run: python -m gan_jax.sample --workdir=RUN --out=grid.png

A picture (.png, .jpg, ...) shows the samples as a grid, arrays (.npz) hold them as x,
uint8 [n, h, w, c], with their latents z; --interpolate writes a walk through the latent
space as an animation (.gif or .webp).
"""

import math
import sys
from pathlib import Path

import numpy as np
from absl import flags

from gan_jax import cli, latents, pictures
from gan_jax.errors import UsageError, nearest
from gan_jax.loop.log import say
from gan_jax.run import Run, load, parse_step

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_ANIMATIONS = (".gif", ".webp")
_STATIONS, _FRAMES = 5, 16  # of a walk, and from one station to the next


def main(arguments: list[str]) -> None:
    """Reads the flags and writes what they ask for."""
    values = cli.new_flags()
    define = {"flag_values": values}
    flags.DEFINE_string("workdir", "runs/digits", "the run's work directory", **define)
    flags.DEFINE_integer("num", 64, "number of samples", 1, **define)
    flags.DEFINE_string("out", "samples.png", "the file to write", **define)
    flags.DEFINE_integer("seed", 0, "of the latents", 0, 2**32 - 1, **define)
    flags.DEFINE_string(
        "step", None, "the checkpoint's, or best; the newest if not given", **define
    )
    flags.DEFINE_bool(
        "interpolate", False, "an animated walk through the latent space", **define
    )
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    out = Path(values.out).expanduser()
    _check(out, values.interpolate)
    run = load(Path(values.workdir).expanduser(), parse_step(values.step))
    try:
        if values.interpolate:
            _write_walk(run, out, values.num, values.seed)
        elif out.suffix == ".npz":
            z = np.asarray(run.latents(values.num, values.seed))
            np.savez(out, x=run.generate(z), z=z)
        else:
            pictures.write_image(out, _picture(run.sample(values.num, values.seed)))
    except OSError as error:
        raise UsageError(f"--out={out} cannot be written: {error}") from None
    say(f"wrote {out}: {values.num} samples of {values.workdir}, step {run.state.step}")


def _check(out, interpolate):
    """Refuses, before the run is read, a file that cannot be written as asked."""
    accepted = _ANIMATIONS if interpolate else (".npz", *_PICTURES)
    if out.suffix not in accepted:
        raise UsageError(f"--out={out}: {nearest(out.suffix, accepted)}")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out={out}: there is no folder {out.absolute().parent}")


def _picture(samples, path=None):
    if samples.ndim == 2:
        return pictures.scatter(samples, path, "path")
    columns = math.ceil(math.sqrt(len(samples)))
    return pictures.grid(samples, math.ceil(len(samples) / columns), columns)


def _write_walk(run: Run, out, num, seed):
    z = np.asarray(run.latents(_STATIONS * num, seed)).reshape(_STATIONS, num, -1)
    line = latents.lerp if run.built.prior.straight else latents.slerp
    frames = [run.generate(z_) for z_ in latents.walk(z, _FRAMES, line)]
    path = np.concatenate(frames)
    pictures.write_animation(out, [_picture(x, path) for x in frames], rest=False)


if __name__ == "__main__":
    sys.exit(cli.run(main))
