"""The ledger of results: python -m gan_jax.results

Without flags it prints the tables of the README, made of experiments/results/. Those
files are written by this command alone:

    python -m gan_jax.results --add=RUN,RUN --seen="clean digits"

--write puts the tables into README.md again.
"""

import dataclasses
import sys
from pathlib import Path

from absl import flags

from gan_jax import cli
from gan_jax.config.files import experiments_dir
from gan_jax.errors import UsageError, nearest
from gan_jax.files import write_text
from gan_jax.ledger import adding, entries, tables
from gan_jax.ledger.speedrun import games
from gan_jax.loop.log import say


def main(arguments: list[str]) -> None:
    """Reads the flags, and adds to the ledger or prints what is in it."""
    values = _flags()
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    folder = Path(values.ledger or entries.directory()).expanduser()
    if values.add:
        _add(values, folder)
    else:
        _refuse_without_add(values)
    if not folder.is_dir():
        raise UsageError(f"--ledger={folder}: there is no such folder")
    known = entries.read(folder)
    if values.show:
        for name in values.show:
            if name not in known:
                raise UsageError(f"--show={name}: {nearest(name, known)}")
            print(tables.whole(name, known[name]))
    elif values.speedrun:
        print(tables.of_speedrun(values.speedrun, known))
    elif values.write:
        readme = experiments_dir().parent / "README.md"
        try:
            text = readme.read_text(encoding="utf-8")
            write_text(readme, tables.written_into(text, known))
        except OSError as error:
            raise UsageError(f"{readme}: {error.strerror}") from None
        say(f"wrote {readme}")
    elif not values.add:
        for which in ("experiments", "ablations"):
            print(f"{tables.of_files(which, known)}\n")


def _flags():
    values = cli.new_flags()
    define = {"flag_values": values}
    flags.DEFINE_list(
        "add",
        None,
        "work directories of runs that differ in their seed alone, or a sweep's folder",
        **define,
    )
    flags.DEFINE_string(
        "name", None, "the result's; that of the experiment if not given", **define
    )
    flags.DEFINE_integer(
        "step", None, "that was judged; the newest if not given", 0, **define
    )
    flags.DEFINE_list(
        "shown",
        None,
        "values in its row of a table, of a sweep in its table; all if not given",
        **define,
    )
    flags.DEFINE_string("seen", None, "what is seen in the pictures", **define)
    flags.DEFINE_string("note", None, "what else has to be known", **define)
    flags.DEFINE_list("show", None, "print all of these results", **define)
    flags.DEFINE_string(
        "speedrun", None, f"print the records of {' or '.join(games())}", **define
    )
    flags.DEFINE_bool("write", False, "put the tables into README.md", **define)
    flags.DEFINE_string(
        "ledger", None, "its folder; experiments/results if not given", **define
    )
    return values


_OF_ADD = ("name", "step", "shown", "seen", "note")


def _refuse_without_add(values):
    given = [name for name in _OF_ADD if values[name].value is not None]
    if given:
        raise UsageError(f"--{given[0]} goes with --add=RUN")


def _add(values, folder):
    paths = [Path(text).expanduser() for text in values.add]
    if len(paths) == 1 and (paths[0] / "sweep.json").is_file():
        if values.step is not None:
            raise UsageError("--step is of runs; of a sweep it is where each ended")
        entry = adding.of_sweep(paths[0])
    else:
        entry = adding.of_runs(paths, values.step)
    said = {x: values[x].value for x in ("shown", "seen", "note") if values[x].value}
    entry = dataclasses.replace(entry, **said)
    name = values.name or entry.experiment
    with entries.alone(folder):
        if old := entries.read(folder).get(name):
            try:
                entry = adding.merged(old, entry)
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from None
        tables.require_shown(entry)
        say(f"wrote {entries.write(folder, name, entry)}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
