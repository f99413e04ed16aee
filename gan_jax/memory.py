"""The memory that a process may have and has had, and what is said where it ends.

A limit is one of the system: `ulimit -v` and `ulimit -d`, or a scheduler's. Not all
ends are ours to tell: the system's own killer says nothing, and where a thread of XLA's
own has no memory, C++ says so and aborts.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator

import jax

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_MOST = 150  # letters of a reason
_LIMITS = "RLIMIT_AS", "RLIMIT_DATA"


def limits() -> dict[str, int]:
    """The limits of this process that are set, in bytes, by their names."""
    found = {}
    for name in _LIMITS if resource else ():
        size, _ = resource.getrlimit(getattr(resource, name))
        if size != resource.RLIM_INFINITY:
            found[name] = size
    return found


def peak() -> tuple[int | None, int | None]:
    """Bytes that this process has had at the most, and that a device of its own has.

    None where the system, or the device, does not say.
    """
    device = jax.local_devices()[0].memory_stats() or {}
    host = None
    if resource:
        unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
        host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return host, device.get("peak_bytes_in_use")


def line(error: BaseException, kept: str = "") -> str:
    """What ended for lack of memory, when, under which limits, and what is `kept`.

    error: its notes say when
    """
    notes = (note for note in getattr(error, "__notes__", ()) if "\n" not in note)
    when = "".join(f" {note}" for note in notes)  # JAX has notes of its own
    reason = "".join(f": {text}" for text in str(error).splitlines()[:1])
    allowed = [f"{name} is {size / 2**20:,.0f} MiB" for name, size in limits().items()]
    parts = f"out of memory{when}{reason[:_MOST]}", *allowed, kept
    return "; ".join(filter(None, parts))


@contextlib.contextmanager
def noted(when: Callable[[], str]) -> Iterator[None]:
    """Within it whatever is raised gets a note of when it was."""
    try:
        yield
    except Exception as error:
        error.add_note(when())
        raise
