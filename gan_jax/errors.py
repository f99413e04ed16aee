"""The errors that are the user's to mend, and how a process ends after each."""


class UsageError(ValueError):
    """What was asked for cannot be done: one line says what and what is accepted."""

    exit_status = 2


class DivergedError(RuntimeError):
    """A loss or a parameter is no longer a finite number."""

    exit_status = 3
