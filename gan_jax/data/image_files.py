"""Files of images as people have them: found below a folder, read, made alike."""

import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gan_jax.data.finding import find
from gan_jax.errors import UsageError, is_of_memory, may_pass

# formats of 8 bits a channel
_SHALLOW = {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".webp"}
SUFFIXES = tuple(
    sorted(
        {".apng", ".avif", ".ico", ".j2k", ".jp2", ".pbm", ".pgm", ".png", ".pnm"}
        | {".ppm", ".qoi", ".tga", ".tif", ".tiff"}
        | _SHALLOW
    )
)
_DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners fill of 16
MOST_PIXELS = 178_956_970  # that Pillow opens at all, twice its MAX_IMAGE_PIXELS
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def image_names(folder: Path) -> list[Path]:
    """The images' paths relative to `folder`, sorted."""
    return find_images(folder)[0]


def find_images(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The same, and a line that counts what else lies there, if anything does."""
    return find(folder, SUFFIXES, "images")


def require_channels(channels: int) -> None:
    """Raises UsageError unless images can have so many."""
    if channels not in _MODES:
        raise UsageError(
            f"channels is {channels}; accepted are 1 (grey), 3 (RGB) and 4 (RGBA)"
        )


def bits_of(files: Iterable[Path]) -> int:
    """How many of `_DEPTHS` the levels of the 16-bit images among some files need.

    16 where no image is of 16 bits.
    """

    def highest(file):
        try:
            with Image.open(file) as image:
                if not image.mode.startswith("I;16"):
                    return -1
                return int(np.asarray(image).max())
        except Exception:  # whoever reads it says so
            return -1

    deep = [file for file in files if file.suffix.lower() not in _SHALLOW]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        most = max(pool.map(highest, deep), default=-1)
    if most < 0:
        return 16
    return next(bits for bits in _DEPTHS if most < 2**bits)


def note_of(bits: int) -> tuple[str, ...]:
    """A line that says what 16-bit images are taken for, if that is not 16 bits."""
    if bits == 16:
        return ()
    return (
        f"16-bit images: their levels are below {2**bits:,} and taken for {bits} bits; "
        "data.bits=16 takes them as they are",
    )


def read_all(
    files: list[Path], read: Callable[[Path], np.ndarray], skip_bad: bool = False
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """read(file) of all files, several at a time: (x [n, ...], readable, notes).

    readable: of each of the files, whether it is among x, booleans
    notes:    a line that counts what is not, if anything is

    Raises UsageError that names the files that cannot be read, unless `skip_bad` leaves
    them out and some are left, or an image whose shape is not that of the first. Files
    that may be read another time are not left out, which would change the data.
    """

    def attempt(file):
        try:
            return read(file), None
        except Exception as error:  # on damaged files, Pillow raises nearly anything
            return None, error

    x, errors, readable = None, {}, np.zeros(len(files), bool)
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
            x[i], readable[i] = image, True
    if not errors:
        return x, readable, ()
    if of_memory := [error for error in errors.values() if is_of_memory(error)]:
        raise of_memory[0]
    others = x is not None and not any(map(may_pass, errors.values()))
    if others and skip_bad:
        said = f"left out as unreadable, of {len(files):,}: {with_reason(errors)}"
        return x[readable], readable, (said,)
    advice = "; data.skip_bad=true goes on without them" if others else ""
    raise UsageError(
        f"cannot be read as an image: {with_reason(errors)}{advice}"
    ) from next(iter(errors.values()))


def pixels(image: np.ndarray) -> str:
    """The size of an image as people say it."""
    return f"{image.shape[1]} x {image.shape[0]}"


def open_image(
    file: Path, channels: int, bits: int = 16, max_pixels: int = MOST_PIXELS
) -> Image.Image:
    """One image, upright, of 3 channels (RGB), 1 (grey) or 4 (RGBA).

    Without a channel for it, transparent parts are white. Levels of 16-bit images are
    below 2^bits. Raises ValueError for more than `max_pixels`, before they are decoded.
    """
    with Image.open(file) as image:
        if image.width * image.height > max_pixels:
            raise ValueError(
                f"{image.width:,} x {image.height:,} pixels are more than "
                f"data.max_pixels={max_pixels}"
            )
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # convert() would clip it to its low byte
            levels = np.asarray(image).astype(np.uint16) >> (bits - 8)
            image = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
        if image.mode in ("I", "F"):
            raise ValueError(f"grey levels of unknown range (mode {image.mode})")
        if image.has_transparency_data and channels < 4:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert(_MODES[channels])


def reader(files: list[Path], channels: int, bits: int | None, max_pixels: int):
    """(`open_image` of a file, notes): bits as `bits_of` finds them, if None."""
    found = bits_of(files) if bits is None else bits
    how = {"channels": channels, "bits": found, "max_pixels": max_pixels}
    return functools.partial(open_image, **how), note_of(found) if bits is None else ()


def read_image(file: Path, channels: int, bits: int = 16) -> Image.Image:
    """`open_image` of a file by itself; UsageError for one that cannot be read."""
    try:
        return open_image(file, channels, bits)
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
    return f"{listed(list(errors), 10)}; the first because: {reason}"


def listed(paths: list[Path], most: int = 3) -> str:
    """Up to so many paths, and how many more there are."""
    more = f" and {len(paths) - most:,} more" if len(paths) > most else ""
    return ", ".join(map(str, paths[:most])) + more
