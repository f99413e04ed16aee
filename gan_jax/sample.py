"""Draws from a trained run: python -m gan_jax.sample --workdir=RUN --out=grid.png

A picture (.png, .jpg, ...) shows the samples as a grid, a single one (--num=1) at its
own size; --out=FOLDER/ is a .png of its own size for each, 00000.png and so on. Arrays
(.npz) hold them as x, uint8 [n, h, w, c], with their latents z; text is written as
such, a sample a line, to a .txt; --interpolate writes a walk through the latent space,
of a StyleGAN through its styles, as an animation (.gif or .webp). Where a run has
labels, --label says of which class samples are to be, or all: a row of each.
--truncation=.5 keeps latents near what is typical, for better samples of fewer kinds;
--truncation=.2,.5,1 shows what it does: the same latents by each, a row of each.
--workdir=RUN,RUN draws from each, to grid_RUN.png, or FOLDER/RUN/00000.png and so on.
"""

import math
import os
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

from gan_jax import cli, latents, pictures, sampling, several
from gan_jax.data.text import on_one_line
from gan_jax.errors import UsageError, nearest
from gan_jax.loop.log import say
from gan_jax.run import BATCH_NORM, load, parse_step

_ANIMATIONS = (".gif", ".webp")
_STATIONS, _FRAMES = 5, 16  # of a walk, and from one station to the next


def main(arguments: list[str]) -> None:
    """Reads the flags and writes what they ask for."""
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    several.define_workdir("runs/digits", values)
    flags.DEFINE_integer("num", 64, "number of samples", 1, **define)
    flags.DEFINE_string(
        "out",
        "samples.png",
        "the file to write; a name that ends with / is a folder, of a file a sample",
        **define,
    )
    flags.DEFINE_integer("seed", 0, "of the latents", 0, 2**32 - 1, **define)
    flags.DEFINE_string(
        "step", None, "the checkpoint's, or best; the newest if not given", **define
    )
    flags.DEFINE_string(
        "label",
        None,
        "of a run with labels: a class, by its name or its number; all, a row of each; "
        "uniform; or data, each as often as in the data, if not given",
        **define,
    )
    flags.DEFINE_bool(
        "interpolate", False, "an animated walk through the latent space", **define
    )
    flags.DEFINE_list(
        "truncation",
        None,
        "of the latents: how far a normal prior's coordinates may be from 0, or, where "
        "a game has a truncation of its own, from 0, all typical, to 1; several for a "
        "row of each; none if not given",
        **define,
    )
    flags.DEFINE_string(
        "batch_norm", "running", f"G's statistics: {', '.join(BATCH_NORM)}", **define
    )
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    out = Path(values.out).expanduser()
    each = _check(values.out, out, values.interpolate)
    truncations = _truncations(values.truncation)
    workdirs = several.workdirs(values.workdir)
    outputs = several.outputs(out, workdirs, each)
    several.in_turn(
        workdirs,
        lambda workdir: _sample(workdir, values, truncations, outputs[workdir], each),
    )


def _sample(workdir, values, truncations, out, each):
    """Writes what is asked for of one run."""
    run = load(workdir, parse_step(values.step))
    runs = [run.sampled_by(values.batch_norm, truncation=x) for x in truncations]
    try:
        if values.interpolate:
            _write_walk(runs, out, values.num, values.seed, values.label)
        else:
            z, rows = _latents(runs, values.num, values.seed, values.label)
            _write(runs, out, z, rows, each)
    except OSError as error:
        raise UsageError(f"--out={out} cannot be written: {error}") from None
    say(f"wrote {out}: {values.num} samples of {workdir}, step {run.state.step}")


def _truncations(texts):
    """The truncations that samples are asked for by, one after the other."""
    try:
        return [float(text) for text in texts or ()] or [None]
    except ValueError:
        raise UsageError(
            f"--truncation={','.join(texts)}: expected numbers separated by commas"
        ) from None


def _latents(runs, num, seed, label):
    """Latents of the prior for each of the runs, which differ in truncation alone, and
    rows of a picture if it has to have so many.
    """
    run, parts = runs[0], len(runs)
    if label == "all" and parts > 1:
        raise UsageError(
            "--label=all is a row of each class, and several truncations are a row of "
            "each; one class, or one truncation"
        )
    if label == "all":
        sampling.chosen_way(run.built, "uniform")  # refuses a run without labels
        parts, what = len(run.info["classes"]), "classes, with --label=all"
    else:
        what = "truncations"
    if num % parts:
        raise UsageError(f"--num={num}: has to be a multiple of the {parts} {what}")
    key = jax.random.key(seed)
    if label == "all":
        return sampling.latents_in_rows(run.built, key, parts, num // parts), parts
    z = sampling.latents_for(run.built, key, num // parts, label)
    return z, parts if parts > 1 else None


def _write(runs, out, z, rows, each):
    """What the runs make of latents, in the form of the file, or `each` in its own."""
    pulled = [jax.device_get(run.truncated(z)) for run in runs]
    made = [run.generate(z) for run, z in zip(runs, pulled, strict=True)]
    samples, run = np.concatenate(made), runs[0]
    suffix = out.suffix.lower()
    if each:
        _write_each(samples, out, run)
    elif suffix == ".npz":
        z = jax.tree.map(lambda *leaves: np.concatenate(leaves), *pulled)
        arrays = z if isinstance(z, dict) else {"z": z}
        if "alphabet" in run.info:
            arrays = {**arrays, "text": run.text(samples)}
        with out.open("wb") as file:
            np.savez(file, x=samples, **arrays)
    elif suffix == ".txt":
        lines = on_one_line(run.text(samples))
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        alone = len(samples) == 1 and _is_image(run, samples)
        picture = samples[0] if alone else _picture(run, samples, rows=rows)
        pictures.write_image(out, picture)


def _write_each(samples, folder, run):
    """Each of the images in a file of its own."""
    if not _is_image(run, samples):
        raise UsageError(
            f"--out={folder}/: a file for each sample is for images, which "
            f"{run.workdir} does not make; --out=FILE.npz has them as arrays"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(samples):
        pictures.write_image(folder / f"{i:05d}.png", image)


def _is_image(run, samples):
    return samples.ndim == 4 and "alphabet" not in run.info


def _check(text, out, interpolate):
    """Refuses, before the run is read, what cannot be written as asked.

    Returns whether it is a folder, of a file for each sample.
    """
    accepted = _ANIMATIONS if interpolate else (".npz", ".txt", *pictures.SUFFIXES)
    is_folder = text.endswith(("/", os.sep)) or (out.is_dir() and not out.suffix)
    each = is_folder and not interpolate
    if each and out.is_dir() and any(out.iterdir()):
        raise UsageError(f"--out={text}: there are files in it; name a new folder")
    if not each and out.suffix.lower() not in accepted:
        raise UsageError(f"--out={out}: {nearest(out.suffix, accepted)}")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out={out}: there is no folder {out.absolute().parent}")
    return each


def _picture(run, samples, path=None, rows=None):
    if "alphabet" in run.info:
        return pictures.page(on_one_line(run.text(samples)), samples.shape[1])
    if samples.ndim == 2:
        return pictures.scatter(samples, path, "path")
    columns = len(samples) // rows if rows else math.ceil(math.sqrt(len(samples)))
    rows = math.ceil(len(samples) / columns)
    if samples.ndim == 4:
        return pictures.grid(samples, rows, columns)
    limits = None if path is None else (path.min(), path.max())
    return pictures.curves(samples, rows, columns, limits)


def _write_walk(runs, out, num, seed, label):
    still, rows = _latents(runs, num, seed, label)
    key, among = jax.random.key(seed), None if label == "all" else label
    n = _STATIONS * (num // len(runs))
    moving = sampling.latents_for(runs[0].built, key, n, among)
    if isinstance(still, dict):  # no way leads between labels
        fixed = {k: x for k, x in still.items() if np.issubdtype(x.dtype, np.integer)}
        moving = moving | {name: np.tile(x, _STATIONS) for name, x in fixed.items()}
    ways = [_way(run, jax.device_get(moving)) for run in runs]
    frames = [np.concatenate(parts) for parts in zip(*ways, strict=True)]
    seen = np.concatenate(frames)
    shown = [_picture(runs[0], x, seen, rows) for x in frames]
    pictures.write_animation(out, shown, rest=False)


def _way(run, stations):
    """Samples of a run on its way through latents and back: an array for each frame.

    Where a game has a truncation of its own, the way is a straight line between the
    latents that this makes, the styles w of a StyleGAN; else it is one for the prior,
    and each place on it is truncated.
    """
    styles = run.game.truncate is not None
    if styles:
        how = 1.0 if run.truncation is None else run.truncation
        stations = jax.device_get(run.truncated(stations, how))
    line = latents.lerp if styles or run.built.prior.straight else latents.slerp

    def path(leaf, line):
        parts = leaf.reshape(_STATIONS, len(leaf) // _STATIONS, *leaf.shape[1:])
        if np.issubdtype(leaf.dtype, np.integer):
            return [parts[0]] * (_STATIONS * _FRAMES)
        return latents.walk(parts, _FRAMES, line)

    if isinstance(stations, dict):
        lines = {name: line if name == "z" else latents.lerp for name in stations}
        ways = [path(leaf, lines[name]) for name, leaf in stations.items()]
        together = zip(*ways, strict=True)
        places = [dict(zip(stations, at, strict=True)) for at in together]
    else:
        places = path(np.asarray(stations), line)
    for at in places:
        yield run.generate(at if styles else run.truncated(at))


if __name__ == "__main__":
    sys.exit(cli.run(main))
