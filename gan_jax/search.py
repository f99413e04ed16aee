"""Searches a run's latents: python -m gan_jax.search --workdir=RUN --target=img.png

--target names an image, or a folder of images: their closest samples are found. With
--mask they are completed: what is known of them is looked for, and G makes the rest.
--held_out=N takes N held-out images of the run's data in place of these, and prints how
well they are completed, beside the data's mean and the nearest training image. --label
finds samples that a classifier reads as a class.

--out is the picture to write; the latents are written beside it, as .npz.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from gan_jax import cli, inversion, pictures
from gan_jax.data.image_files import (
    as_array,
    bits_of,
    image_names,
    pixels,
    read_image,
    with_reason,
)
from gan_jax.errors import UsageError, nearest
from gan_jax.loop.log import say
from gan_jax.metrics.case import flat
from gan_jax.metrics.neighbours import nearest_neighbours
from gan_jax.metrics.real import held_out, real_examples
from gan_jax.metrics.translation import distance
from gan_jax.run import load, parse_step

_MASKS = ("centre", "left", "random")


class Sought(NamedTuple):
    """What was found: latents, rows of pictures, what is to be said; what was not."""

    z: Any
    rows: list[np.ndarray]
    said: str
    failed: dict[Path, UsageError] = {}  # noqa: RUF012 - never changed


def main(arguments: list[str]) -> None:
    """Reads the flags and searches for what they name."""
    values = _flags()
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    out = Path(values.out).expanduser()
    asked = [x for x in ("target", "held_out", "label") if values[x].value is not None]
    if len(asked) != 1:
        raise UsageError("one of --target, --held_out and --label says what is sought")
    _check(out, values)
    run = load(Path(values.workdir).expanduser(), parse_step(values.step))
    if len(run.info["shape"]) != 3:
        raise UsageError(f"{values.workdir} makes no images to be searched for")
    sought = {"target": _targets, "held_out": _held_out, "label": _class}[asked[0]]
    found = sought(run, values)
    rows = found.rows
    try:
        picture = pictures.grid(np.concatenate(rows), len(rows), len(rows[0]))
        pictures.write_image(out, picture)
        z = found.z if isinstance(found.z, dict) else {"z": found.z}
        np.savez(out.with_suffix(".npz"), **z)
    except OSError as error:
        raise UsageError(f"--out={out} cannot be written: {error}") from None
    print(found.said)
    say(f"wrote {out} and {out.with_suffix('.npz')}, step {run.state.step}")
    if found.failed:
        raise UsageError(f"not searched for: {with_reason(found.failed)}")


def _check(out, values):
    """Refuses, before the run is read, what cannot be done as asked."""
    if out.suffix.lower() not in pictures.SUFFIXES:
        raise UsageError(f"--out={out}: {nearest(out.suffix, pictures.SUFFIXES)}")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out={out}: there is no folder {out.absolute().parent}")
    given = [Path(text).expanduser() for text in (values.target, values.mask) if text]
    for file in [*given, *(file for place in given for file in place.rglob("*"))]:
        if file.resolve() == out.resolve():
            raise UsageError(f"--out={out}: {file} would be written over")
    latents = out.with_suffix(".npz")
    if latents.exists() and not out.exists():  # it is not of an earlier search
        raise UsageError(f"--out={out}: {latents} would be written over")
    if values.mask is not None and values.label is not None:
        raise UsageError("--mask is of images, not of a --label")


def _flags():
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    flags.DEFINE_string("workdir", "runs/digits", "the run's work directory", **define)
    flags.DEFINE_string(
        "target", None, "an image of the run's size, or a folder of them", **define
    )
    flags.DEFINE_integer(
        "held_out", None, "so many held-out images of the run's data", 1, **define
    )
    flags.DEFINE_string("label", None, "a class, by its name or its number", **define)
    flags.DEFINE_string(
        "mask",
        None,
        "what is not known of an image: centre, a quarter of it; left, its left half; "
        "random, four pixels of five; or a picture whose bright pixels are the hole",
        **define,
    )
    flags.DEFINE_bool("blend", True, "fit what is filled in to what is round", **define)
    flags.DEFINE_integer("starts", 8, "draws that are led to each image", 1, **define)
    flags.DEFINE_integer("steps", 500, "of the search", 1, **define)
    flags.DEFINE_float("rate", 0.03, "of the search, at first", 0, **define)
    flags.DEFINE_float(
        "prior",
        None,
        "weight of G's own loss beside the distance; 0, or 0.2 with --mask, if not "
        "given",
        0,
        **define,
    )
    flags.DEFINE_integer("num", 16, "how many samples of a class", 1, **define)
    flags.DEFINE_integer("seed", 0, "of all draws", 0, 2**32 - 1, **define)
    flags.DEFINE_string(
        "step", None, "the checkpoint's, or best; the newest if not given", **define
    )
    flags.DEFINE_string("out", "found.png", "the picture to write", **define)
    return values


def _targets(run, values):
    """Of files: `Sought`."""
    source = Path(values.target).expanduser()
    if source.is_dir():
        files = [source / name for name in image_names(source)]
    elif source.is_file():
        files = [source]
    else:
        raise UsageError(f"--target={source}: there is no such file or folder")
    images, failed, bits = {}, {}, bits_of(files)
    for file in files:
        try:
            images[file] = _read(file, run, bits)
        except UsageError as error:
            failed[file] = error
    if not images:
        raise UsageError(f"{files[0]}: {failed[files[0]]}")
    given = np.stack(list(images.values()))
    found, rows, _ = _search(run, given, _hole(values, run), values)
    told = [
        f"{file}: {far:.4f}" for file, far in zip(images, found.distance, strict=True)
    ]
    said = "mean distance of known pixels, of 1:"
    return Sought(found.z, rows, "\n".join([said, *told]), failed)


def _read(file, run, bits=16):
    """An image as the run makes them, uint8 [h, w, c]."""
    height, width, channels = run.info["shape"]
    image = as_array(read_image(file, channels, bits))
    if image.shape[:2] != (height, width):
        raise UsageError(
            f"it has {pixels(image)} pixels, but the run makes {width} x {height}"
        )
    return image


def _hole(values, run):
    """The pixels that --mask says are not known, bool [h, w]; None without one."""
    mask, (height, width) = values.mask, run.info["shape"][:2]
    if mask is None:
        return None
    hole = np.zeros((height, width), bool)
    if mask == "centre":
        hole[height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)] = True
    elif mask == "left":
        hole[:, : width // 2] = True
    elif mask == "random":
        hole = np.random.default_rng(values.seed).random(hole.shape) < 0.8
    elif (file := Path(mask).expanduser()).is_file():
        try:
            hole = _read(file, run).mean(axis=-1) > 127
        except UsageError as error:
            raise UsageError(f"--mask={mask}: {error}") from None
    else:
        raise UsageError(f"--mask={mask}: no such file; {nearest(mask, _MASKS)}")
    if not hole.any() or hole.all():
        raise UsageError(f"--mask={mask}: some pixels have to be known, and some not")
    return hole


def _search(run, images, hole, values):
    """`Found`, rows of pictures, and the images completed, if they had a hole."""
    how = {name: values[name].value for name in ("starts", "steps", "rate", "seed")}
    images = run.built.scaling.as_shown(images, run.info["fitted"])
    if hole is None:
        found = inversion.invert(run, images, prior=values.prior or 0.0, **how)
        return found, [images, found.made], None
    prior = 0.2 if values.prior is None else values.prior
    how |= {"blend": values.blend, "prior": prior}
    whole, found = inversion.complete(run, images, hole, **how)
    shown = np.where(hole[..., None], np.uint8(128), images)
    return found, [images, shown, found.made, whole], whole


def _held_out(run, values):
    """Of held-out images, and how well they are completed: `Sought`."""
    from tabulate import tabulate

    if values.mask is None:
        raise UsageError("--held_out needs a --mask: it measures completions")
    real, training = held_out(run), real_examples(run)
    if values.held_out > len(real.x):
        raise UsageError(
            f"--held_out={values.held_out}: there are {len(real.x):,} such images"
        )
    chosen = np.random.default_rng(values.seed).permutation(len(real.x))
    images = np.asarray(real.x)[chosen[: values.held_out]]
    hole, examples = _hole(values, run), np.asarray(training.x)
    found, rows, whole = _search(run, images, hole, values)
    known = flat(images[:, ~hole]), flat(examples[:, ~hole])
    near = examples[nearest_neighbours(*known).indices[:, 0]]
    mean = np.rint(examples.mean(axis=0)).astype(np.uint8)
    guesses = {
        f"completed by {run.config.generator.name}": whole,
        "the mean of the data": np.broadcast_to(mean, images.shape),
        "the nearest training image": near,
    }
    table = [
        [name, *distance(guess[:, hole], images[:, hole])]
        for name, guess in guesses.items()
    ]
    headers = ["in the hole", "L1", "PSNR (dB)"]
    said = f"{len(images)} images of {real.name}, --mask={values.mask}"
    table = tabulate(table, headers, floatfmt=("", ".4f", ".2f"))
    return Sought(found.z, [*rows, near], f"{said}\n{table}")


def _class(run, values):
    """Of samples that are read as a class: `Sought`."""
    z, sure = inversion.of_class(run, values.label, values.num, seed=values.seed)
    said = f"read as {values.label}: probability {sure.min():.4f} to {sure.max():.4f}"
    return Sought(z, [run.generate(z)], said)


if __name__ == "__main__":
    sys.exit(cli.run(main))
