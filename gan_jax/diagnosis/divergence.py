"""Does the run diverge? By its record, and by losses and gradients that explode."""

import numpy as np

from gan_jax.diagnosis import offers
from gan_jax.diagnosis.evidence import FEWEST, Evidence
from gan_jax.diagnosis.finding import Finding
from gan_jax.sweep.folder import read_status

_NAME = "divergence"
_EXPLODED = 1_000  # times what is usual of the run, or of its loss at equilibrium
_ROWS = 3  # the newest, all of which have to be that large
_WATCHED = "d_loss", "g_loss", "d_grad_norm", "g_grad_norm"


def diverging(e: Evidence) -> Finding:
    """Whether numbers ceased to be finite, or are about to."""
    seen = [*_recorded(e), *filter(None, (_explosion(e, name) for name in _WATCHED))]
    if seen:
        return Finding(
            _NAME,
            "alarm",
            "; ".join(seen),
            "Steps are too long for where the players are: one of them was thrown "
            "somewhere from where it is thrown further.",
            offers.against_divergence,
        )
    rows = min((len(e.series[x][0]) for x in _WATCHED if x in e.series), default=0)
    if rows < FEWEST:
        seen = (
            f"{rows} rows of losses were logged; a run that ended by divergence has "
            "said so in its last line"
        )
        return Finding(_NAME, "unknown", seen)
    return Finding(_NAME, "fine", "losses and gradients keep to their usual size")


def _recorded(e):
    """What the run itself, or the sweep that it is of, has recorded."""
    for each in e.record.get("divergences", ()):
        yield f"{each['what']}, went back to step {each['back_to']:,}"
    status = read_status(e.workdir)
    if status is not None and status.status == "diverged":
        yield status.error or "it diverged"


def _explosion(e, name):
    """That the newest values are far beyond all usual ones, in words, or None."""
    steps, values = e.series.get(name, ((), ()))
    if len(steps) < FEWEST:
        return None
    sizes = np.abs(values)
    newest = sizes[-_ROWS:].min()
    usual = np.median(sizes[: len(sizes) * 3 // 4])
    if usual > 0 and newest > _EXPLODED * usual:
        return (
            f"{name} is {values[-1]:.3g} at step {steps[-1]:,.0f}, "
            f"{sizes[-1] / usual:.3g} times what it was before"
        )
    rest = dict(zip(("d_loss", "g_loss"), e.loss.losses_at_rest, strict=True))
    at_rest = rest.get(name)
    if e.loss.equilibrium is not None and at_rest and newest > _EXPLODED * abs(at_rest):
        return (
            f"{name} is {values[-1]:.3g} at step {steps[-1]:,.0f}, where equilibrium "
            f"has {at_rest:.3g}"
        )
    return None
