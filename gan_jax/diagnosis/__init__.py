"""What the logs of a run say of how it went: the questions asked most about GANs.

A file for each kind of evidence: `divergence` of numbers, `samples`, `players`. Each
question is a function of the `Evidence` that returns a `Finding`: what was seen, as
numbers and steps, apart from what it may mean. Logs alone are read, no checkpoint and
no data; where they say too little, the finding says that.
"""

import shlex
from pathlib import Path
from typing import NamedTuple

from gan_jax.build import Built
from gan_jax.diagnosis.divergence import diverging
from gan_jax.diagnosis.evidence import Evidence, gather
from gan_jax.diagnosis.finding import Finding, Offer
from gan_jax.diagnosis.players import at_chance, oscillating, overfitted, won
from gan_jax.diagnosis.samples import alike, missing, wandering
from gan_jax.errors import UsageError


class Diagnosis(NamedTuple):
    """evidence: what was read; findings: one for each question, alarms first"""

    evidence: Evidence
    findings: list[Finding]

    @property
    def alarms(self) -> list[Finding]:
        return [x for x in self.findings if x.verdict == "alarm"]

    def offers(self, finding: Finding) -> tuple[Offer, ...]:
        """What there is against a finding, all of it accepted by the run's config."""
        return finding.against(self.evidence) if finding.against else ()


def diagnose(workdir: Path, built: Built | None = None) -> Diagnosis:
    """Reads the logs of the run in `workdir`, which may still train.

    built: its functions, where they are at hand

    Raises UsageError where there is no run, or none that this version can read.
    """
    e = gather(workdir, built)
    of_samples = [question(e) for question in (missing, alike, wandering)]
    poor = any(x.verdict == "alarm" for x in of_samples)
    of_players = [won(e), at_chance(e, poor), oscillating(e), overfitted(e)]
    order = "alarm", "note", "fine", "unknown"
    findings = sorted(
        [diverging(e), *of_samples, *of_players], key=lambda x: order.index(x.verdict)
    )
    return Diagnosis(e, findings)


def in_a_line(workdir: Path, built: Built | None = None) -> str:
    """What stands out in the logs of a run, and the command that says more."""
    command = f"python -m gan_jax.diagnose --workdir={shlex.quote(str(workdir))}"
    try:
        found = diagnose(workdir, built)
    except (UsageError, OSError) as error:  # no reason for a run to fail at its end
        return f"diagnosis: none, {error}"
    if found.alarms:
        what = ", ".join(x.name for x in found.alarms)
    elif all(x.verdict == "unknown" for x in found.findings):
        what = "too little was logged to say anything"
    else:
        what = "nothing stands out"
    return f"diagnosis: {what}; more by {command}"
