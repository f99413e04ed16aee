"""What the project's commands share: flags, and errors as one line and a status."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import jax
from absl import flags

from gan_jax import memory, terminal
from gan_jax.errors import (
    DivergedError,
    Interrupted,
    MemoryExhausted,
    StorageError,
    UsageError,
    is_of_memory,
)

_SAID = UsageError, DivergedError, Interrupted, MemoryExhausted, StorageError


def run(command: Callable[[list[str]], None], argv: list[str] | None = None) -> int:
    """Runs command(arguments) and returns the exit status of the process.

    0 done, 1 where the system fails it, 2 usage or configuration, 3 diverged,
    128 + signal when interrupted or when nobody reads what it prints any more; what
    else is raised is a bug and keeps its traceback.
    """
    try:
        with terminal.attached():
            return _status(command, sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _status(command, argv):
    try:
        command(argv)
        sys.stdout.flush()
    except _SAID as error:
        return _said(error, error.exit_status)
    except BrokenPipeError:  # of `| head`
        terminal.drop_the_rest_of_stdout()
        return 128 + signal.SIGPIPE
    except Exception as error:
        if is_of_memory(error):
            return _said(memory.line(error), MemoryExhausted.exit_status)
        if isinstance(error, OSError):  # a file or a disk, which says so, is no bug
            return _said(error, StorageError.exit_status)
        raise
    return 0


def _said(error, status):
    print(f"gan_jax: {error}", file=sys.stderr)
    return status


def new_flags() -> flags.FlagValues:
    """Flags of one command, apart from absl's global ones, with --help among them."""
    values = flags.FlagValues()
    flags.DEFINE_bool(
        "help", False, "show this help", short_name="h", flag_values=values
    )
    return values


def parse(values: flags.FlagValues, arguments: list[str]) -> None:
    """Reads a command line into the flags; raises UsageError for what is none."""
    try:
        rest = values(["gan_jax", *arguments])[1:]
    except flags.Error as error:
        raise UsageError(" ".join(str(error).split())) from None
    if rest:
        raise UsageError(f"unexpected argument {rest[0]!r}; flags begin with --")


def split_off_changes(
    arguments: list[str],
) -> tuple[list[str], list[tuple[str, str]]]:
    """The flags, and the changes of the config as (FIELD, VALUE) pairs.

    A change is one argument, --config.FIELD=VALUE, or two without the equals sign.
    """
    rest, changes = [], []
    waiting = iter(arguments)
    for argument in waiting:
        if argument.startswith(("--config.", "-config.")):
            field, equals, text = argument.partition(".")[2].partition("=")
            if not equals and (text := next(waiting, None)) is None:
                raise UsageError(f"{argument} needs a value: {argument}=...")
            changes.append((field, text))
        else:
            rest.append(argument)
    return rest, changes


def workdir_alone(arguments: list[str], doc: str) -> Path | None:
    """The --workdir of a command that has no other flag; None after printing its help.

    Nothing is computed on an accelerator from here on: it may be busy with the run.
    """
    values = new_flags()
    flags.DEFINE_string(
        "workdir", "runs/digits", "the run's work directory", flag_values=values
    )
    parse(values, arguments)
    if values.help:
        print(f"{doc}\n{describe(values)}")
        return None
    jax.config.update("jax_platforms", "cpu")
    return Path(values.workdir).expanduser()


def describe(values: flags.FlagValues) -> str:
    """The flags of a command, one a line, for its help."""
    names = [name for name in values if len(name) > 1]
    return "\n".join(f"  --{name}: {values[name].help}" for name in sorted(names))
