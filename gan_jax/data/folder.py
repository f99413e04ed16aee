"""A folder of images of any common format, sizes and shapes mixed."""

import os
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
    if channels not in (1, 3):
        raise UsageError(f"channels is {channels}; accepted are 1 (grey) and 3 (RGB)")
    if size < 1:
        raise UsageError(f"size is {size}; a number of pixels from 1 is needed")
    folder = Path(path).expanduser()
    names = _image_names(folder)
    y, classes = _labels(folder, names) if labels else (None, ())
    chosen = split_range(split, len(names))
    x = _decode([folder / name for name in names[chosen]], size, channels)
    return Source(x, None if y is None else y[chosen], classes)


def _image_names(folder: Path) -> list[Path]:
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
            f"class; {_listed(outside)} does not"
        )
    return numbered([name.parts[0] for name in names])


def _decode(files: list[Path], size: int, channels: int) -> np.ndarray:
    """The files as one array [n, size, size, channels]."""
    x = np.empty((len(files), size, size, channels), np.uint8)

    def decode(i: int) -> Exception | None:
        try:
            x[i] = _read_image(files[i], size, channels)
        except Exception as error:  # on damaged files, Pillow raises nearly anything
            return error
        return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        errors = list(pool.map(decode, range(len(files))))
    unreadable = [file for file, error in zip(files, errors, strict=True) if error]
    if unreadable:
        first = next(filter(None, errors))
        raise UsageError(
            f"cannot be read as an image: {_listed(unreadable)}; the first because: "
            f"{first}"
        ) from first
    return x


def _read_image(file: Path, size: int, channels: int) -> np.ndarray:
    """One image, upright, resized and cropped, [size, size, channels]."""
    with Image.open(file) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # convert() would clip it to its low byte
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("I", "F"):
            raise ValueError(f"grey levels of unknown range (mode {image.mode})")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB" if channels == 3 else "L")
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
        return np.asarray(image).reshape(size, size, channels)


def _listed(paths: list[Path]) -> str:
    """Up to three paths, and how many more there are."""
    more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
    return ", ".join(map(str, paths[:3])) + more
