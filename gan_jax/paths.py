"""Paths that libraries below Python can be given."""

import locale
from pathlib import Path

from gan_jax.errors import UsageError


def readable(path: Path) -> Path:
    """`path`, whose name has to be text.

    Python keeps the bytes of a name that its locale does not know, and so it can open
    it; the libraries that read checkpoints and records cannot. Raises UsageError.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        encoding = locale.getpreferredencoding(False)
        raise UsageError(
            f"{shown}: this name is no text in the locale's {encoding}; set "
            "LC_ALL=C.UTF-8 or PYTHONUTF8=1, or give it another name"
        ) from None
    return path
