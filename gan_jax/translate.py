"""Makes images of images: python -m gan_jax.translate --workdir=RUN --input=photo.jpg

By a run of a game that translates, pix2pix or cyclegan. --input is an image, or a
folder of images, of any size that the network takes; --out is the image to write or, of
a folder, the folder, where results keep the names of what they were made of. --back
goes the other way, where the game goes both ways. --workdir=RUN,RUN translates by each
run, to out_RUN.png, or to FOLDER/RUN.
"""

import sys
from pathlib import Path
from typing import Any

from absl import flags
from tqdm import tqdm

from gan_jax import cli, pictures, several
from gan_jax.data.image_files import (
    as_array,
    bits_of,
    fitted,
    image_names,
    read_image,
    with_reason,
)
from gan_jax.errors import UsageError, nearest
from gan_jax.loop.log import say
from gan_jax.run import load, parse_step


def main(arguments: list[str]) -> None:
    """Reads the flags and translates what they name."""
    values = _flags()
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    source, out = _places(values.input, values.out)
    workdirs = several.workdirs(values.workdir)
    outputs = several.outputs(out, workdirs, source.is_dir())
    pairs = {workdir: _pairs(source, out) for workdir, out in outputs.items()}
    several.in_turn(
        workdirs,
        lambda workdir: _translate(workdir, values, outputs[workdir], pairs[workdir]),
    )


def _translate(workdir, values, out, pairs):
    """Writes what one run makes of the images."""
    run = load(workdir, parse_step(values.step))
    run.translator(values.back)  # refuses, before a file is read
    failed, bits = {}, bits_of(file for file, _ in pairs)
    for file, made in tqdm(pairs, disable=None):
        try:
            image = _read(file, run.input_channels, values.size, bits)
            (translation,) = run.translate(image[None], values.seed, values.back)
            _write(made, translation)
        except UsageError as error:
            failed[file] = error
    done = len(pairs) - len(failed)
    say(f"wrote {done} of {len(pairs)} to {out}, by step {run.state.step}")
    if failed:
        raise UsageError(f"not translated: {with_reason(failed)}")


def _flags():
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    several.define_workdir("runs/facades", values)
    flags.DEFINE_string("input", None, "an image, or a folder of images", **define)
    flags.DEFINE_string(
        "out",
        None,
        "the image to write, or the folder for those of a folder; translated.png or "
        "translated if not given",
        **define,
    )
    flags.DEFINE_bool("back", False, "the other way, of a game with both", **define)
    flags.DEFINE_integer(
        "size",
        None,
        "first resize and crop each image to so many pixels, as data.size does",
        1,
        **define,
    )
    flags.DEFINE_integer("seed", 0, "of G's noise", 0, 2**32 - 1, **define)
    flags.DEFINE_string(
        "step", None, "the checkpoint's, or best; the newest if not given", **define
    )
    return values


def _places(source, out):
    """--input and --out: an image each, or a folder each."""
    if source is None:
        raise UsageError("--input= has to name an image, or a folder of images")
    source = Path(source).expanduser()
    if source.is_dir():
        return source, Path(out or "translated").expanduser()
    if not source.is_file():
        raise UsageError(f"--input={source}: there is no such file or folder")
    out = Path(out or "translated.png").expanduser()
    if out.suffix.lower() not in pictures.SUFFIXES:
        raise UsageError(f"--out={out}: {nearest(out.suffix, pictures.SUFFIXES)}")
    return source, out


def _pairs(source, out):
    """What file becomes which: [(file to read, file to write)]."""
    pairs = [(source, out)]
    if source.is_dir():
        names = image_names(source)
        pairs = [
            (source / name, out / name.with_suffix(_suffix(name))) for name in names
        ]
    sources, taken = {file.resolve() for file, _ in pairs}, {}
    for file, made in pairs:
        if made.resolve() in sources:
            raise UsageError(f"--out={out}: {made} would be written over")
        if made.resolve() in taken:
            both = f"{taken[made.resolve()]} and {file}"
            raise UsageError(f"{both} would both become {made}; rename one")
        taken[made.resolve()] = file
    return pairs


def _suffix(name):
    """That of the picture made of a file: its own, where pictures are written so."""
    return name.suffix if name.suffix.lower() in pictures.SUFFIXES else ".png"


def _read(file, channels, size, bits):
    image = read_image(file, channels, bits)
    return as_array(image) if size is None else fitted(image, size)


def _write(out, image):
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        pictures.write_image(out, image[..., 0] if image.shape[-1] == 1 else image)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error}") from None


if __name__ == "__main__":
    sys.exit(cli.run(main))
