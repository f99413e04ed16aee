"""Text as codes of its characters: the user's own, or what Python's help() tells."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from gan_jax.config.ranges import Count, Size, between
from gan_jax.data.finding import find
from gan_jax.data.source import Source, split_name, split_range
from gan_jax.errors import UsageError

SUFFIXES = (".md", ".py", ".rst", ".txt")  # of the files in a folder of text
UNKNOWN = "\ufffd"  # in the place of characters that the alphabet lacks
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")  # control characters


def load(
    *,
    path: str | None = None,
    split: str = "train",
    length: Size = 32,
    stride: Count | None = None,
    lines: bool = False,
    characters: Annotated[int, between(2, 256)] = 100,
) -> Source:
    """Windows of `length` characters of a text, as codes uint8 [n, length].

    path:   a file, or a folder of which all files named as in `SUFFIXES` are one text,
            in UTF-8 or else in Windows' superset of Latin-1. None: the Python language
            reference as help() prints it, half a million characters of English prose
    split:  counts pieces of `length` characters, whatever the stride, or lines
    stride: characters from one window to the next; None: as many as in a window
    lines:  an example is a line, or the beginning of it, in place of a window; lines
            that are blank are left out, shorter ones filled up with newlines
    characters: in the alphabet, the most frequent of the whole text; where it has more,
            the others are all the one `UNKNOWN`, which is counted, too
    """
    split_name(split)
    if lines and stride is not None:
        raise UsageError(
            f"data.stride={stride} is for windows; with data.lines=true it is none"
        )
    name = path or "the Python language reference"
    text, notes = _read(Path(path).expanduser()) if path else (_reference(), ())
    if lines:
        whole = [line for line in text.split("\n") if line.strip()]
        text = "".join(line[:length].ljust(length, "\n") for line in whole)
        if cut := sum(len(line) > length for line in whole):
            notes += (
                f"{cut:,} of {len(whole):,} lines are cut to {length} characters",
            )
    n = len(text) // length
    if n == 0:
        what = "has no lines that are not blank" if lines else "is shorter than one"
        raise UsageError(
            f"{name} {what}: {len(text)} characters, of which data.length={length} "
            "make an example"
        )
    alphabet = alphabet_of(text, characters)
    codes = encode(text[: n * length], alphabet)
    chosen = codes.reshape(n, length)
    if unknown := np.count_nonzero(codes == alphabet.find(UNKNOWN)):
        notes += (
            f"{unknown:,} of {len(codes):,} characters are rarer than the "
            f"{characters - 1} most frequent ones and told apart no more "
            "(data.characters)",
        )
    chosen = chosen[split_range(split, n)]
    if stride is not None:
        windows = np.lib.stride_tricks.sliding_window_view(chosen.ravel(), length)
        chosen = windows[::stride]
    return Source(np.ascontiguousarray(chosen), alphabet=alphabet, notes=notes)


def _reference() -> str:
    """The topics of the Python language reference, in alphabetical order."""
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions leave it out
        raise UsageError(
            "this Python comes without its language reference; --config.data.path= "
            "names a text"
        ) from None
    return "\n\n".join(topics[name].strip("\n") for name in sorted(topics))


def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file, or of all in a folder and below, by name, and notes."""
    if path.is_file():
        return _decoded(path), ()
    if not path.is_dir():
        raise UsageError(f"there is no file or folder {path}")
    names, notes = find(path, SUFFIXES, "texts", hidden=True)
    return "\n".join(_decoded(path / name) for name in names), notes


def _decoded(file: Path) -> str:
    """The text of a file, with newlines at the ends of its lines."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _NO_TEXT.search(text):
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise UsageError(f"{file} is not text in UTF-8 or Latin-1")


def _points(text: str) -> np.ndarray:
    """The code points of its characters."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def alphabet_of(text: str, most: int) -> str:
    """The characters of a text, in Unicode's order.

    Of more than `most`, the most frequent, and `UNKNOWN` for all others.
    """
    points, counts = np.unique(_points(text), return_counts=True)
    if len(points) > most:
        kept = points[np.argsort(-counts, kind="stable")[: most - 1]]
        points = np.union1d(kept, ord(UNKNOWN))
    return "".join(map(chr, points))


def encode(text: str, alphabet: str) -> np.ndarray:
    """The code of each of its characters, uint8 [len(text)]: alphabet[code].

    Raises UsageError for a character that is not of the alphabet, unless `UNKNOWN` is.
    """
    known, points = _points(alphabet), _points(text)
    codes = np.searchsorted(known, points).clip(max=len(known) - 1)
    if (missing := known[codes] != points).any():
        if UNKNOWN not in alphabet:
            character = text[int(missing.argmax())]
            raise UsageError(f"{character!r} is not a character of this alphabet")
        codes[missing] = alphabet.index(UNKNOWN)
    return codes.astype(np.uint8)


def require_codes(codes: np.ndarray, length: int, characters: int) -> None:
    """Raises UsageError unless they are uint8 [n, length], all below `characters`."""
    if codes.shape[1:] != (length,) or codes.dtype != np.uint8:
        raise UsageError(
            f"text of shape {codes.shape} and type {codes.dtype}; expected codes uint8 "
            f"(n, {length})"
        )
    if (highest := codes.max(initial=0)) >= characters:
        raise UsageError(
            f"text with the code {highest}; accepted are 0 to {characters - 1}"
        )


def decode(codes: np.ndarray, alphabet: str) -> list[str]:
    """The texts whose characters have these codes [n, length]."""
    characters = np.array(list(alphabet))
    return ["".join(row) for row in characters[np.asarray(codes)]]


def on_one_line(texts: Sequence[str]) -> list[str]:
    """Each text in a line of its own: newlines as ↵, none at the end, no controls."""

    def shown(character):
        if character == "\n":
            return "↵"
        return character if character.isprintable() else "·"

    return ["".join(map(shown, text.rstrip("\n"))) for text in texts]
