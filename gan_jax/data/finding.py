"""Files of some kind below a folder, and a count of what else lies there."""

import os
from collections import Counter
from pathlib import Path

from gan_jax.errors import UsageError


def find(
    folder: Path, suffixes: tuple[str, ...], kind: str, hidden: bool = False
) -> tuple[list[Path], tuple[str, ...]]:
    """The paths relative to `folder` of files with these suffixes, sorted, and notes.

    Links are followed, but for those that lead back to a folder above. What is hidden
    is left out, unless `hidden`. The note counts what is left out, if anything is.
    Raises UsageError where there are no such files.

    kind: what they are, for messages
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    names, others = [], Counter()
    for place, folders, files in os.walk(
        folder,
        followlinks=True,
        onerror=lambda error: others.update(["folder that cannot be read"]),
    ):
        why = {name: _of_folder(folder, Path(place, name), hidden) for name in folders}
        folders[:] = [name for name in folders if not why[name]]
        for file in (Path(place, name) for name in files):
            why[file.name] = _of_file(file, suffixes, hidden)
            if not why[file.name]:
                names.append(file.relative_to(folder))
        others.update(filter(None, why.values()))
    if not names:
        raise UsageError(
            f"there are no {kind} in {folder} or below it; looked for files ending in "
            + " ".join(suffixes)
            + (f"; there are {_counted(others)}" if others else "")
        )
    left_out = (f"left out of {folder}: {_counted(others)}",) if others else ()
    return sorted(names), left_out


def _of_folder(top, folder, hidden):
    """Why a folder is not looked into, or "" for one that is."""
    if folder.name.startswith(".") and not hidden:
        return "hidden folder"
    above = [folder.parent, *folder.parent.parents]
    inside = above[: above.index(top) + 1]
    if folder.is_symlink() and any(folder.samefile(each) for each in inside):
        return "link to a folder above it"
    return ""


def _of_file(file, suffixes, hidden):
    """Why a file is none of those sought, or "" for one that is."""
    if file.name.startswith(".") and not hidden:
        return "hidden"
    if not file.is_file():
        return "broken link" if file.is_symlink() else "no file"
    suffix = file.suffix.lower()
    return "" if suffix in suffixes else suffix or "without a suffix"


def _counted(others):
    shown = [f"{count:,} {kind}" for kind, count in others.most_common(8)]
    rest = sum(others.values()) - sum(count for _, count in others.most_common(8))
    return ", ".join(shown + [f"{rest:,} of other kinds"] * (rest > 0))
