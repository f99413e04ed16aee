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

import jax
import numpy as np
from absl import flags

from gan_jax import cli, inversion, pictures
from gan_jax.data.folder import as_array, image_names, open_image, read_all
from gan_jax.errors import UsageError, nearest
from gan_jax.loop.log import say
from gan_jax.metrics.case import flat
from gan_jax.metrics.neighbours import nearest_neighbours
from gan_jax.metrics.real import held_out, real_examples
from gan_jax.metrics.translation import distance
from gan_jax.run import load, parse_step

_MASKS = ("centre", "left", "random")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


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
    if out.suffix not in _PICTURES or not out.absolute().parent.is_dir():
        raise UsageError(
            f"--out={out}: {nearest(out.suffix, _PICTURES)}, in a folder that exists"
        )
    run = load(Path(values.workdir).expanduser(), parse_step(values.step))
    if len(run.info["shape"]) != 3:
        raise UsageError(f"{values.workdir} makes vectors; images are searched for")
    sought = {"target": _targets, "held_out": _held_out, "label": _class}[asked[0]]
    z, rows, said = sought(run, values)
    try:
        pictures.write_image(out, pictures.grid(np.concatenate(rows), *_layout(rows)))
        z = z if isinstance(z, dict) else {"z": z}
        np.savez(out.with_suffix(".npz"), **z)
    except OSError as error:
        raise UsageError(f"--out={out} cannot be written: {error}") from None
    print(said)
    say(f"wrote {out} and {out.with_suffix('.npz')}, step {run.state.step}")


def _flags():
    values = cli.new_flags()
    define = {"flag_values": values}
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


def _layout(rows):
    return len(rows), len(rows[0])


def _targets(run, values):
    """The latents of files, rows of pictures, and what is to be said."""
    source = Path(values.target).expanduser()
    height, width, channels = run.info["shape"]
    if source.is_dir():
        files = [source / name for name in image_names(source)]
    elif source.is_file():
        files = [source]
    else:
        raise UsageError(f"--target={source}: there is no such file or folder")
    images = read_all(files, lambda file: as_array(open_image(file, channels)))
    if images.shape[1:3] != (height, width):
        raise UsageError(
            f"--target={source}: images of {images.shape[2]} x {images.shape[1]} "
            f"pixels, but {values.workdir} makes {width} x {height}"
        )
    found, rows, _ = _search(run, images, values)
    told = [f"{file}: {far:.4f}" for file, far in zip(files, found.distance)]  # noqa: B905
    what = "known pixels" if values.mask else "pixels"
    return found.z, rows, "\n".join([f"mean distance of {what}, of 1:", *told])


def _search(run, images, values):
    """`Found`, rows of pictures, and the completions or None."""
    how = {name: values[name].value for name in ("starts", "steps", "rate", "seed")}
    if values.mask is None:
        found = inversion.invert(run, images, prior=values.prior or 0.0, **how)
        return found, [images, found.made], None
    hole = _hole(values.mask, images.shape[1:3], values.seed)
    prior = 0.2 if values.prior is None else values.prior
    how |= {"blend": values.blend, "prior": prior}
    whole, found = inversion.complete(run, images, hole, **how)
    shown = np.where(hole[..., None], np.uint8(128), images)
    return found, [images, shown, found.made, whole], whole


def _hole(mask, shape, seed):
    """The pixels that --mask says are not known, bool [h, w]."""
    height, width = shape
    hole = np.zeros(shape, bool)
    if mask == "centre":
        hole[height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)] = True
    elif mask == "left":
        hole[:, : width // 2] = True
    elif mask == "random":
        hole = np.random.default_rng(seed).random(shape) < 0.8
    elif Path(mask).expanduser().is_file():
        (picture,) = read_all([Path(mask)], lambda file: as_array(open_image(file, 1)))
        if picture.shape[:2] != shape:
            raise UsageError(
                f"--mask={mask} has {picture.shape[1]} x {picture.shape[0]} pixels, "
                f"the images {width} x {height}"
            )
        hole = picture[..., 0] > 127
    else:
        raise UsageError(f"--mask={mask}: no such file; {nearest(mask, _MASKS)}")
    if not hole.any() or hole.all():
        raise UsageError(f"--mask={mask}: some pixels have to be known, and some not")
    return hole


def _held_out(run, values):
    """The same of held-out images, and a table of how well they are completed."""
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
    found, rows, whole = _search(run, images, values)
    hole = _hole(values.mask, images.shape[1:3], values.seed)
    examples = np.asarray(training.x)
    mean = np.rint(examples.mean(axis=0)).astype(np.uint8)
    by_known = nearest_neighbours(
        flat(images[:, ~hole]), flat(examples[:, ~hole])
    ).indices[:, 0]
    guesses = {
        f"completed by {run.config.generator.name}": whole,
        "the mean of the data": np.broadcast_to(mean, images.shape),
        "the nearest training image": examples[by_known],
    }
    table = [
        [name, *distance(guess[:, hole], images[:, hole])]
        for name, guess in guesses.items()
    ]
    headers = ["in the hole", "L1", "PSNR (dB)"]
    said = f"{len(images)} images of {real.name}, --mask={values.mask}"
    table = tabulate(table, headers, floatfmt=("", ".4f", ".2f"))
    return found.z, [*rows, examples[by_known]], f"{said}\n{table}"


def _class(run, values):
    """Latents of a class, a row of pictures, and how sure the classifier is."""
    z, sure = inversion.of_class(run, values.label, values.num, seed=values.seed)
    made = run.generate(z)
    said = (
        f"read as {values.label} with probability {sure.min():.4f} to {sure.max():.4f}"
    )
    return jax.tree.map(np.asarray, z), [made], said


if __name__ == "__main__":
    sys.exit(cli.run(main))
