"""Writes a page that tells of a run: python -m gan_jax.report --workdir=RUN

RUN/report.html is one file: samples over time under a slider, the diagnosis, curves
with their equilibria, metrics with their protocols, the config as it differs from its
experiment, and how to load the run. The run may still train. A sweep has a report of
its own: python -m gan_jax.sweep --report=SWEEP
"""

import sys
from pathlib import Path

from gan_jax import cli, pages
from gan_jax.errors import UsageError
from gan_jax.loop.log import say
from gan_jax.pages.run import page


def main(arguments: list[str]) -> None:
    """Reads the flags and writes the page."""
    if workdir := cli.workdir_alone(arguments, __doc__):
        write(workdir)


def write(workdir: Path) -> None:
    """Writes report.html to the work directory of a run; UsageError if it cannot."""
    file = workdir / "report.html"
    # half a surrogate pair, as of a file name that is not UTF-8, has no bytes
    content = page(workdir).encode(errors="replace")
    try:
        pages.replace(file, content)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    say(f"wrote {file}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
