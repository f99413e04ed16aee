"""What went wrong in a run, what to do: python -m gan_jax.diagnose --workdir=RUN

Reads the logs of a run, which may still train, and says in words what is asked most of
GANs: has D won, or is it at chance; are modes missing, are samples alike; do the
players go round; is D over-fitted; does the run diverge. First what was seen, then what
it may mean, then what this package has against it, as changes of the config. A changed
config is another run: give it a --workdir of its own.
"""

import sys
import textwrap

from gan_jax import cli
from gan_jax.diagnosis import Diagnosis, diagnose

_WIDTH = 88
_HEADINGS = {
    "alarm": "What stands out",
    "note": "Worth a look",
    "fine": "Not seen",
    "unknown": "The logs do not say",
}


def main(arguments: list[str]) -> None:
    """Reads the flags and prints the diagnosis."""
    if workdir := cli.workdir_alone(arguments, __doc__):
        print(as_text(diagnose(workdir)))


def as_text(found: Diagnosis) -> str:
    """The diagnosis for a terminal."""
    about = found.evidence
    steps = about.config.steps
    lines = [
        f"{about.workdir}: {about.record['experiment']}, "
        f"logged to step {about.step:,} of {steps:,}"
    ]
    for verdict, heading in _HEADINGS.items():
        findings = [x for x in found.findings if x.verdict == verdict]
        if findings:
            lines += ["", heading]
        for finding in findings:
            lines += _of_finding(finding, found.offers(finding))
    return "\n".join(lines)


def _of_finding(finding, offers):
    lines = _wrapped(f"{finding.name}: {finding.seen}", "  ")
    if finding.meaning:
        lines += _wrapped(finding.meaning, "    ")
    if offers:
        lines.append("    Against it there are:")
    for offer in offers:
        lines += [f"      {offer.changes}", *_wrapped(offer.why, "          ")]
    return lines


def _wrapped(text, indent):
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(cli.run(main))
