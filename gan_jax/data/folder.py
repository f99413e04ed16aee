"""A folder of images of any common format, sizes and shapes mixed."""

from pathlib import Path
from typing import Annotated

import numpy as np

from gan_jax.config.ranges import Count, Size, between
from gan_jax.data.image_files import (
    MOST_PIXELS,
    find_images,
    fitted,
    listed,
    read_all,
    reader,
    require_channels,
)
from gan_jax.data.labels import numbered
from gan_jax.data.source import Source, split_name, split_range
from gan_jax.errors import UsageError

Bits = Annotated[int, between(8, 16)] | None
MaxPixels = Annotated[int, between(1, MOST_PIXELS)]


def load(
    *,
    path: str,
    size: Size,
    split: str = "train",
    channels: Count = 3,
    labels: bool = False,
    skip_bad: bool = False,
    bits: Bits = None,
    max_pixels: MaxPixels = MOST_PIXELS,
) -> Source:
    """The images below `path`, sorted by name, [n, size, size, channels].

    The shorter side is resized to `size` pixels, the longer one cropped around the
    centre. Channels are 3 (RGB), 1 (grey) or 4 (RGBA); without the fourth, transparent
    parts become white. With `labels`, the subfolders of `path` are the classes, by
    number where all their names are whole numbers, otherwise by name.

    skip_bad:   files that cannot be read are left out of the split's, and counted
    bits:       of 16-bit images, that are used; None: as many as their levels need
    max_pixels: of a file; one with more, which may be a bomb, is not decoded
    """
    split_name(split)
    require_channels(channels)
    if size < 1:
        raise UsageError(f"size is {size}; a number of pixels from 1 is needed")
    folder = Path(path).expanduser()
    names, notes = find_images(folder)
    y, classes = _labels(folder, names) if labels else (None, ())
    chosen = split_range(split, len(names))
    files = [folder / name for name in names[chosen]]
    opened, of_bits = reader(files, channels, bits, max_pixels)
    enlarged = []

    def read(file):
        image = opened(file)
        if min(image.size) < size:
            enlarged.append(file)
        return fitted(image, size)

    x, readable, skipped = read_all(files, read, skip_bad)
    notes += (*of_bits, *skipped)
    if enlarged:
        of_all = f"{len(enlarged):,} of {len(x):,} images"
        notes += (f"{of_all} are smaller than {size} pixels and enlarged",)
    y = None if y is None else y[chosen][readable]
    return Source(x, y, classes, notes=notes)


def _labels(folder: Path, names: list[Path]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The number of each image's first subfolder, and the subfolders' names."""
    outside = [name for name in names if len(name.parts) == 1]
    if outside:
        raise UsageError(
            f"with labels, every image of {folder} has to lie in the subfolder of its "
            f"class; {listed(outside)} does not"
        )
    return numbered([name.parts[0] for name in names])
