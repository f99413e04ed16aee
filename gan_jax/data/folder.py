"""A folder of images of any common format, sizes and shapes mixed."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gan_jax.config.ranges import Count, Size
from gan_jax.data.labels import numbered
from gan_jax.data.source import Source, split_name, split_range
from gan_jax.errors import UsageError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


def load(
    *,
    path: str,
    size: Size,
    split: str = "train",
    channels: Count = 3,
    labels: bool = False,
) -> Source:
    """The images below `path`, sorted by name, [n, size, size, channels].

    The shorter side is resized to `size` pixels, the longer one cropped around the
    centre. Channels are 3 (RGB) or 1 (grey); transparent parts become white. With
    `labels`, the subfolders of `path` are the classes, by number where all their names
    are whole numbers, otherwise by name.
    """
    split_name(split)
    require_channels(channels)
    if size < 1:
        raise UsageError(f"size is {size}; a number of pixels from 1 is needed")
    folder = Path(path).expanduser()
    names = image_names(folder)
    y, classes = _labels(folder, names) if labels else (None, ())
    chosen = split_range(split, len(names))

    def read(file):
        return fitted(open_image(file, channels), size)

    x = read_all([folder / name for name in names[chosen]], read)
    return Source(x, None if y is None else y[chosen], classes)


def require_channels(channels: int) -> None:
    """Raises UsageError unless images can have so many."""
    if channels not in (1, 3):
        raise UsageError(f"channels is {channels}; accepted are 1 (grey) and 3 (RGB)")


def image_names(folder: Path) -> list[Path]:
    """The images' paths relative to `folder`, sorted; hidden files are left out."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    names = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    images = sorted(
        name
        for name in names
        if name.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in name.parts)
    )
    if not images:
        raise UsageError(
            f"there are no images in {folder} or below it; looked for files ending in "
            + " ".join(SUFFIXES)
        )
    return images


def _labels(folder: Path, names: list[Path]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The number of each image's first subfolder, and the subfolders' names."""
    outside = [name for name in names if len(name.parts) == 1]
    if outside:
        raise UsageError(
            f"with labels, every image of {folder} has to lie in the subfolder of its "
            f"class; {listed(outside)} does not"
        )
    return numbered([name.parts[0] for name in names])


def read_all(files: list[Path], read: Callable[[Path], np.ndarray]) -> np.ndarray:
    """read(file) of all files, several at a time, as one array [n, ...].

    Raises UsageError that names the files that cannot be read, or an image whose shape
    is not that of the first.
    """

    def attempt(file):
        try:
            return read(file), None
        except Exception as error:  # on damaged files, Pillow raises nearly anything
            return None, error

    x, errors = None, {}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = zip(files, pool.map(attempt, files), strict=True)
        for i, (file, (image, error)) in enumerate(found):
            if error is not None:
                errors[file] = error
                continue
            if x is None:
                first, x = file, np.empty((len(files), *image.shape), image.dtype)
            if image.shape != x.shape[1:]:
                raise UsageError(
                    f"{file} has {pixels(image)} pixels, {first} {pixels(x[0])}; all "
                    "have to have one size, or data.size says which"
                )
            x[i] = image
    if errors:
        raise UsageError(
            f"cannot be read as an image: {with_reason(errors)}"
        ) from next(iter(errors.values()))
    return x


def pixels(image: np.ndarray) -> str:
    """The size of an image as people say it."""
    return f"{image.shape[1]} x {image.shape[0]}"


def open_image(file: Path, channels: int) -> Image.Image:
    """One image, upright, of 3 channels (RGB) or 1 (grey), white where transparent."""
    with Image.open(file) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # convert() would clip it to its low byte
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("I", "F"):
            raise ValueError(f"grey levels of unknown range (mode {image.mode})")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB" if channels == 3 else "L")


def read_image(file: Path, channels: int) -> Image.Image:
    """`open_image` of a file by itself; UsageError for one that cannot be read."""
    try:
        return open_image(file, channels)
    except Exception as error:  # on damaged files, Pillow raises nearly anything
        raise UsageError(f"cannot be read as an image: {error}") from error


def as_array(image: Image.Image) -> np.ndarray:
    """An image as uint8 [height, width, channels]."""
    return np.asarray(image).reshape(image.height, image.width, -1)


def fitted(image: Image.Image, size: int) -> np.ndarray:
    """Its centre as uint8 [size, size, channels], the shorter side resized to that."""
    return as_array(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))


def with_reason(errors: dict[Path, Exception]) -> str:
    """The files that failed, and why the first one did."""
    reason = next(iter(errors.values()))
    return f"{listed(list(errors))}; the first because: {reason}"


def listed(paths: list[Path]) -> str:
    """Up to three paths, and how many more there are."""
    more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
    return ", ".join(map(str, paths[:3])) + more
