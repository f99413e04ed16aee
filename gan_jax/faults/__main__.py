"""Makes faults on purpose and prints, as a table, what became of a run.

Each befalls a run of 40 steps of the digits in a temporary folder, in processes of its
own; the same command then goes on. Survived: it ended as it should have, in words, and
the run is bit for bit the undisturbed one in the end. A few minutes on a CPU; status 1
where a fault was not survived.
"""

import re
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from absl import flags
from tabulate import tabulate

from gan_jax import cli
from gan_jax.errors import StorageError, UsageError, nearest
from gan_jax.faults.kinds import FAULTS, Fault
from gan_jax.faults.trial import Launch, Setting, Trial, in_a_process
from gan_jax.loop.log import say

_MOST = 150  # letters of what is said


class Row(NamedTuple):
    """What became of a run: "survived", or what went wrong; its last words; seconds."""

    outcome: str
    said: str
    seconds: float


def main(arguments: list[str]) -> None:
    """Reads the flags, makes the faults, prints the table."""
    values = cli.new_flags()
    flags.DEFINE_list(
        "only", [], "names of faults, commas between them", flag_values=values
    )
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    for name in values.only:
        if name not in FAULTS:
            raise UsageError(f"--only={name}: no such fault; {nearest(name, FAULTS)}")
    rows = {}
    with tempfile.TemporaryDirectory(prefix="gan_jax_faults_") as place:
        undisturbed = make_undisturbed(Path(place), in_a_process)
        for number, name in enumerate(values.only or FAULTS):
            folder = Path(place) / str(number)
            folder.mkdir()
            trial = Trial(folder, undisturbed, in_a_process)
            rows[name] = attempt(FAULTS[name], trial)
            say(f"{name}: {rows[name].outcome}")
    headers = "fault", "outcome", "what the command said", "seconds"
    table = [
        (name, row.outcome, row.said[:_MOST], row.seconds) for name, row in rows.items()
    ]
    print(tabulate(table, headers, tablefmt="github", floatfmt=".1f"))
    lost = [name for name, row in rows.items() if row.outcome != "survived"]
    print(f"\n{len(rows)} faults, {len(rows) - len(lost)} survived")
    if lost:
        raise StorageError(f"not survived: {', '.join(lost)}")


def make_undisturbed(folder: Path, launch: Launch) -> Path:
    """The work directory of the run that nothing disturbs."""
    trial = Trial(folder, folder, launch)
    ended = trial.train(setting=Setting())
    if ended.status:
        raise StorageError(f"the run without any fault failed: {ended.said[-300:]}")
    return trial.workdir


def attempt(fault: Fault, trial: Trial) -> Row:
    """Disturbs a run, goes on with it, and compares."""
    begin = time.monotonic()
    ended = fault.disturb(trial)
    seconds = time.monotonic() - begin
    last = ended.said.rstrip("\n").rpartition("\n")[2]
    again = trial.train()
    problems = [
        f"status {ended.status} instead of {fault.status}"
        * (ended.status != fault.status),
        "a traceback" * ("Traceback" in ended.said + again.said),
        "it did not say so" * (not re.search(fault.says, last)),
        f"did not go on: {again.said[-200:]}" * (again.status != 0),
    ]
    if not any(problems) and not trial.is_as_undisturbed():
        problems.append("other bits")
    outcome = "; ".join(filter(None, problems)) or "survived"
    return Row(outcome, last.replace(f"{trial.folder}/", ""), seconds)


if __name__ == "__main__":
    sys.exit(cli.run(main))
