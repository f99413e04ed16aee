"""Pairs of images: what each is to be made of, and what it is to become."""

from pathlib import Path
from typing import Literal

import numpy as np

from gan_jax.config.ranges import Count, Size
from gan_jax.data.folder import Bits, MaxPixels
from gan_jax.data.image_files import (
    MOST_PIXELS,
    as_array,
    find_images,
    fitted,
    listed,
    pixels,
    read_all,
    reader,
    require_channels,
)
from gan_jax.data.source import Source, split_name, split_range
from gan_jax.errors import UsageError


def load(
    *,
    path: str,
    inputs: str | None = None,
    layout: Literal["left_right", "right_left"] | None = None,
    size: Size | None = None,
    channels: Count = 3,
    split: str = "train",
    skip_bad: bool = False,
    bits: Bits = None,
    max_pixels: MaxPixels = MOST_PIXELS,
) -> Source:
    """The pairs below `path`, sorted by name: x and input, each [n, h, w, channels].

    path:   a folder of images that hold both halves of a pair beside each other; or of
            one half alone, what is to be made
    inputs: the folder of the other halves, what it is to be made of: files of the same
            names but for their suffixes
    layout: of images with both halves: from left to right, if not given, or from right
            to left
    size:   each half is resized and cropped to so many pixels, as in `folder`; without
            one all have to have one size, which need not be square
    skip_bad: pairs of which a file cannot be read are left out, and counted
    bits, max_pixels: of the files, as in `folder`
    """
    split_name(split)
    require_channels(channels)
    folder = Path(path).expanduser()
    if folder.suffix == ".npz":
        raise UsageError(f"{path} is no folder; pairs in a .npz are for data arrays")
    if inputs is not None and layout is not None:
        raise UsageError(
            f"data.layout={layout} is of images with both halves, which data.inputs="
            f"{inputs} rules out"
        )
    names, notes = find_images(folder)
    chosen = split_range(split, len(names))
    files = [folder / name for name in names[chosen]]

    def array(image):
        return as_array(image) if size is None else fitted(image, size)

    partners = []
    if inputs is not None:
        partners, of_inputs = _partners(folder, names, Path(inputs).expanduser())
        notes += of_inputs
    sought = [*files, *partners[chosen]]
    opened, of_bits = reader(sought, channels, bits, max_pixels)
    notes += of_bits

    def whole(file):
        return array(opened(file))

    if inputs is not None:
        return _of_two_folders(files, partners[chosen], whole, skip_bad, notes)

    def both(file):
        image = opened(file)
        half, odd = divmod(image.width, 2)
        if odd:
            raise ValueError(f"two halves need an even width, not {image.width} pixels")
        boxes = [(left, 0, left + half, image.height) for left in (0, half)]
        return np.concatenate([array(image.crop(box)) for box in boxes], axis=1)

    x, _, skipped = read_all(files, both, skip_bad)
    left, right = np.split(x, 2, axis=2)
    if layout != "right_left":
        left, right = right, left
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    return Source(left, input=right, notes=(*notes, *skipped))


def _of_two_folders(files, partners, read, skip_bad, notes) -> Source:
    """The pairs of files and their partners, of which both can be read."""
    x, known, skipped = read_all(files, read, skip_bad)
    made_of, of_other, skipped_too = read_all(partners, read, skip_bad)
    if x.shape[1:] != made_of.shape[1:]:
        raise UsageError(
            f"the images of {files[0].parent} have {pixels(x[0])} pixels, those of "
            f"{partners[0].parent} {pixels(made_of[0])}; a pair has one size: "
            "data.size says which"
        )
    if not (known & of_other).any():
        raise UsageError("there is no pair of which both images can be read")
    x, made_of = x[of_other[known]], made_of[known[of_other]]
    return Source(x, input=made_of, notes=(*notes, *skipped, *skipped_too))


def _partners(folder: Path, names: list[Path], other: Path):
    """The files below `other` with the names of those below `folder`, and notes.

    Raises UsageError that names the files without a partner, on either side, and those
    that have two.
    """
    found, notes = find_images(other)
    own, theirs = _by_name(folder, names), _by_name(other, found)
    for ours, others, place in ((own, theirs, other), (theirs, own, folder)):
        if lonely := [file for name, file in ours.items() if name not in others]:
            raise UsageError(f"in {place} there is no partner of {listed(lonely)}")
    return [theirs[name] for name in own], notes


def _by_name(folder: Path, names: list[Path]) -> dict[Path, Path]:
    """The files by their names without suffixes."""
    found = {}
    for name in names:
        bare = name.with_suffix("")
        if bare in found:
            raise UsageError(
                f"{found[bare]} and {folder / name} differ in their suffix alone: "
                "which of them is half of a pair?"
            )
        found[bare] = folder / name
    return found
