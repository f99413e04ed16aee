"""Files that are whole or not there, whatever ends the process that writes them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path`, of the same suffix, which becomes `path` on leaving.

    Until then, and where what is written within raises, `path` stays as it was. Raises
    OSError.
    """
    unfinished = path.with_name(f".{path.stem}.unfinished{path.suffix}")
    try:
        with named(path):
            yield unfinished
            os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Within it an error of the system is said of this file; often it names none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # else it is the file's content that is wrong
            error.filename, error.filename2 = str(path), None
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text, in UTF-8, as a whole file."""
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
