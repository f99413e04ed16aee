"""The errors that are the user's to mend, and how a process ends after each."""

import difflib
import errno


class UsageError(ValueError):
    """What was asked for cannot be done: one line says what and what is accepted."""

    exit_status = 2


class DamagedError(UsageError):
    """What was saved is not whole any more."""


class NotFiniteError(UsageError):
    """What was measured is no finite number."""


class InUseError(UsageError):
    """Another process holds what was asked for."""


class Interrupted(Exception):
    """A signal ended the run; its state was saved first."""

    def __init__(self, signal_number: int, message: str):
        super().__init__(message)
        self.exit_status = 128 + signal_number


class DivergedError(RuntimeError):
    """A loss or a parameter is no longer a finite number."""

    exit_status = 3


class StorageError(Exception):
    """A disk or a folder that a run needs is full, gone, or not to be written."""

    exit_status = 1


class MemoryExhausted(Exception):
    """The memory that a process may have, or a device has, is not enough."""

    exit_status = 1


def is_of_memory(error: BaseException) -> bool:
    """Whether it was raised for lack of memory: by Python, by JAX, or by the system,
    which also starts no thread then."""
    said = str(error)
    return (
        isinstance(error, MemoryError)
        or getattr(error, "errno", None) == errno.ENOMEM
        or "RESOURCE_EXHAUSTED" in said
        or "can't start new thread" in said
    )


def may_pass(error: BaseException) -> bool:
    """Whether it says nothing of a file that is read: no right to it, no memory, too
    many open files, a network file system that changes."""
    passing = errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE
    return is_of_memory(error) or getattr(error, "errno", None) in passing


def reason_of(error: BaseException) -> str:
    """What an error says, in one line, of which libraries may write many."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def unreadable(what, error: BaseException) -> UsageError:
    """What to raise where a library could not read `what`, a file or a folder."""
    how = "cannot be read now" if may_pass(error) else "is damaged"
    return UsageError(f"{what} {how}: {reason_of(error)}")


def did_you_mean(word: str, known) -> str:
    """For an error's message: a question after the closest of `known`, if one is."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def nearest(word: str, accepted) -> str:
    """The rest of an error's message: the closest of what is accepted, then all."""
    return f"{did_you_mean(word, accepted)}accepted: {', '.join(sorted(accepted))}"
