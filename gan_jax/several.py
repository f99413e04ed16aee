"""Commands that are asked for several runs at once: which, in turn, to which files."""

import glob
import os
from collections.abc import Callable
from pathlib import Path

from absl import flags

from gan_jax import memory
from gan_jax.errors import UsageError, is_of_memory


def define_workdir(default: str, values: flags.FlagValues) -> None:
    """The flag --workdir of a command that takes several."""
    flags.DEFINE_multi_string(
        "workdir",
        [default],
        "the run's work directory; several with commas between them, as a pattern "
        "(runs/seed_*), or by the flag again",
        flag_values=values,
    )


def workdirs(texts: list[str]) -> list[Path]:
    """The work directories that flags name, each once, in their order.

    A folder whose own name has commas or looks like a pattern is that folder. Raises
    UsageError for a pattern that no run fits.
    """
    found = [place for text in texts for place in _named(text)]
    return list({os.path.abspath(place): place for place in found}.values())


def _named(text):
    place = Path(text).expanduser()
    if place.exists():
        return [place]
    if fitting := _fitting(place):
        return fitting
    if "," in text:
        parts = filter(None, map(str.strip, text.split(",")))
        return [place for part in parts for place in _named(part)]
    if glob.has_magic(text):
        raise UsageError(f"{text}: no run's work directory fits this pattern")
    return [place]


def _fitting(pattern):
    if not glob.has_magic(str(pattern)):
        return []
    places = map(Path, sorted(glob.glob(str(pattern))))
    return [place for place in places if (place / "config.json").is_file()]


def outputs(out: Path, workdirs: list[Path], is_folder: bool) -> dict[Path, Path]:
    """The file, or the folder, that each run writes: `out`, or of several one each.

    Of grid.png it is grid_NAME.png, and of a folder FOLDER/NAME. NAME is that of the
    work directory, and of the folders above it from where those of the runs part.
    Raises UsageError where two would be the same.
    """
    if len(workdirs) == 1:
        return {workdirs[0]: out}
    places = [Path(os.path.abspath(workdir)) for workdir in workdirs]
    try:
        common = os.path.commonpath([place.parent for place in places])
    except ValueError:
        raise UsageError("runs on several drives: one --workdir at a time") from None
    names = ["_".join(place.relative_to(common).parts) for place in places]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"--out={out}: two of the runs would both be {twice[0]}")
    if is_folder:
        written = [out / name for name in names]
    else:
        written = [out.with_name(f"{out.stem}_{name}{out.suffix}") for name in names]
    return dict(zip(workdirs, written, strict=True))


def in_turn(workdirs: list[Path], work: Callable[[Path], None]) -> None:
    """work(workdir) of each, also after one that is refused.

    Raises UsageError in the end, which names those that were refused, and why.
    """
    refused = {}
    for workdir in workdirs:
        try:
            work(workdir)
        except UsageError as error:
            refused[workdir] = error
        except Exception as error:
            if len(workdirs) == 1 or not is_of_memory(error):
                raise
            refused[workdir] = UsageError(memory.line(error))
    if refused and len(workdirs) == 1:
        raise refused[workdirs[0]]
    if refused:
        reasons = "; ".join(f"{place}: {error}" for place, error in refused.items())
        raise UsageError(f"refused {len(refused)} of {len(workdirs)} runs: {reasons}")
