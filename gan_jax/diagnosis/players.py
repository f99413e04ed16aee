"""How the players stand: who has won, whether they go round, what D knows by heart.

By D's accuracy and probabilities, which mean the same under all losses that have them,
and not by raw losses. Under losses that see only differences of scores, as a critic's,
less is said.
"""

import numpy as np

from gan_jax.diagnosis import offers
from gan_jax.diagnosis.evidence import (
    FEWEST,
    WIDTH,
    Evidence,
    longest,
    recent,
    smooth,
)
from gan_jax.diagnosis.finding import Finding
from gan_jax.diagnosis.period import period

_SURE = 0.98  # accuracy of a D that tells all apart, of real and of made examples
_LEAD = 0.5  # in probability, of one that is sure
_CHANCE = 0.05  # around 0.5
_FOOLED = 0.4  # of one that G leads by the nose
_LASTS = 0.2  # of the rows, what is no passing thing
_UNSEEN = 0.5  # of D's lead, what is left of it on held-out examples
_SWING = 0.1  # of probabilities, from the middle to an end
_COURSE = 30  # rows, for periods to be told from noise

# games in which G learns by more than what D says of its examples
_MORE_THAN_D = "cyclegan", "pix2pix", "semi_supervised"

_WON = "D has won"
_AT_CHANCE = "D is at chance"
_OSCILLATES = "oscillation"
_OVERFITTED = "D is over-fitted"


def _accuracy(e):
    """Steps [n], D's accuracy of real and of made examples [2, n]; or why not."""
    if e.loss.equilibrium is None:
        return None, (
            f"under loss {e.config.loss.name} only differences of D's scores say "
            "something, and none of them is the line between real and made"
        )
    steps, values = e.together("d_real_accuracy", "d_fake_accuracy")
    if len(steps) < FEWEST:
        return None, f"{len(steps)} rows with D's accuracy were logged"
    return (steps, values), ""


def won(e: Evidence) -> Finding:
    """Whether D tells all examples apart."""
    known, why = _accuracy(e)
    if known is None:
        return Finding(_WON, "unknown", why)
    steps, values = known
    right = np.minimum(*map(smooth, values))
    start, stop = longest(right >= _SURE)
    lasts = stop == len(right)
    rows = stop - start + WIDTH - 1 if stop else 0
    if rows < max(FEWEST, _LASTS * len(steps)):
        real, made = recent(values).mean(axis=1)
        seen = (
            f"of late D is right about {real:.0%} of real, {made:.0%} of made examples"
        )
        return Finding(_WON, "fine", seen)
    part = slice(start, start + rows)
    real, made = values[:, part].mean(axis=1)
    span = f"since step {steps[start]:,.0f}"
    if not lasts:
        span = f"from step {steps[start]:,.0f} to {steps[start + rows - 1]:,.0f}"
    seen = (
        f"{span} D tells nearly all examples apart: it is right about {real:.1%} of "
        f"real and {made:.1%} of made ones{_outputs(e, steps[part])}"
    )
    beside = e.config.game.name in _MORE_THAN_D
    meaning = (
        f"In game {e.config.game.name} G learns by more than that, and may do well."
        if beside
        else "The samples may be far from the data, or D too quick for G: what a D so "
        "sure says changes little with the sample, and G has little to go by."
    )
    if e.config.loss.name == "saturating":
        meaning += " Under loss saturating G's gradient vanishes there."
    alarming = lasts and not beside and _is_sure(e, steps[part])
    verdict = "alarm" if alarming else "note"
    return Finding(_WON, verdict, seen, meaning, offers.against_strong_d)


def _is_sure(e, steps):
    """Whether D's probabilities lie apart too, at these steps; of scores, always."""
    known, (real, made) = e.together("d_real", "d_fake")
    lead = (real - made)[np.isin(known, steps)]
    return not e.loss.logits or (len(lead) > 0 and lead.mean() >= _LEAD)


def _outputs(e, steps):
    """D's mean outputs and G's loss at these steps, beside those at equilibrium."""
    said = ""
    known, outputs = e.together("d_real", "d_fake")
    among = np.isin(known, steps)
    if among.any():
        real, made = outputs[:, among].mean(axis=1)
        rest = e.loss.rest
        said = f"; D(x) {real:.3g} and D(G(z)) {made:.3g}, {rest:.3g} at equilibrium"
    _, rest = e.loss.losses_at_rest
    known, (g_loss,) = e.together("g_loss")
    among = np.isin(known, steps)
    if among.any() and rest is not None:
        said += f"; G's loss {g_loss[among].mean():.3g}, there {rest:.3g}"
    return said


def at_chance(e: Evidence, poor: bool) -> Finding:
    """Whether D tells nothing apart; `poor`: though samples are known to be bad."""
    known, why = _accuracy(e)
    if known is None:
        return Finding(_AT_CHANCE, "unknown", why)
    steps, values = known
    right = smooth(values.mean(axis=0))
    now, best = recent(values).mean(), right.max()
    if now < _FOOLED:
        return Finding(
            "G has won",
            "alarm",
            f"of late D is right about {now:.0%} of all examples, half of them by "
            "chance",
            "D learns too slowly: G has found what pleases this D, which need not be "
            "like the data.",
            offers.against_weak_d,
        )
    if now > 0.5 + _CHANCE:
        return Finding(_AT_CHANCE, "fine", f"of late D is right about {now:.0%} of all")
    seen = (
        f"of late D is right about {now:.0%} of all examples, half of them by chance; "
        f"at best it was {best:.0%}, at step {steps[right.argmax() + WIDTH - 1]:,.0f}"
    )
    # of so many verdicts the share that is right by chance varies by about this much
    error = 0.5 / np.sqrt(2 * WIDTH * e.config.batch_size / e.config.pack)
    if best < 0.5 + max(_CHANCE, 3 * error):
        return Finding(
            _AT_CHANCE,
            "alarm",
            seen,
            "D has never told them apart: G learns nothing from it, unless it began "
            "with samples like the data.",
            offers.against_weak_d,
        )
    if poor:
        return Finding(
            _AT_CHANCE,
            "alarm",
            seen,
            "That is no equilibrium, for the samples are not like the data: D no "
            "longer sees what is wrong with them.",
            offers.against_weak_d,
        )
    return Finding(
        _AT_CHANCE,
        "note",
        seen,
        "So it is at equilibrium, where samples are like the data; and so it is where "
        "D no longer learns. What the samples are worth tells which.",
    )


def oscillating(e: Evidence) -> Finding:
    """Whether D's lead over G rises and falls with a period."""
    steps, (real, made) = e.together("d_real", "d_fake")
    lead = (real - made)[len(steps) // 4 :]  # without the beginning
    steps = steps[len(steps) // 4 :]
    n = len(lead)
    if n < _COURSE:
        return Finding(_OSCILLATES, "unknown", f"{n} rows are no course to find it in")
    found = period(lead)
    # of probabilities this much, of scores a good part of what they differ by
    least = _SWING if e.loss.logits else 0.5 * np.abs(lead).mean()
    if found is None or found.swing < least:
        seen = "D's mean output of real less that of made examples has no period"
        return Finding(_OSCILLATES, "fine", seen)
    every = found.rows * (steps[-1] - steps[0]) / (n - 1)
    kind = "probability" if e.loss.logits else "score"
    return Finding(
        _OSCILLATES,
        "alarm",
        f"D's mean {kind} of real less that of made examples swings by "
        f"{found.swing:.2g} to both sides of {lead.mean():.2g}, about every "
        f"{every:,.0f} steps "
        f"(autocorrelation {found.correlation:.2f}, from step {steps[0]:,.0f} on)",
        "The players go round their equilibrium in place of coming nearer; the "
        "average of G is often better than G.",
        offers.against_oscillation,
    )


def overfitted(e: Evidence) -> Finding:
    """Whether D tells what it was trained on from held-out examples.

    By its lead: its mean output of real less that of made examples, which a constant
    added to all scores does not change.
    """
    looks, held_out = e.together("validation_d_real", "validation_d_fake")
    later = len(looks) // 2
    if later < 2:
        seen = "it takes data.validation_split, and held-out losses at four steps"
        return Finding(_OVERFITTED, "unknown", seen)
    looks, held_out = looks[later:], (held_out[0] - held_out[1])[later:]
    steps, (real, made) = e.together("d_real", "d_fake")
    lead = (real - made)[steps >= looks[0]]
    if len(lead) < WIDTH:
        seen = f"{len(lead)} rows of the log beside held-out losses"
        return Finding(_OVERFITTED, "unknown", seen)
    trained, unseen = np.median(lead), np.median(held_out)
    seen = (
        f"from step {looks[0]:,.0f} on D's mean output of real less that of made "
        f"examples is {trained:.3g} of training examples, {unseen:.3g} of held-out ones"
    )
    # one look sees more examples than a row; what differs by chance is no more than so
    error = np.std(lead) * np.sqrt(1 / len(lead) + 1 / len(looks))
    if trained <= 0 or unseen > _UNSEEN * trained or trained - unseen < 3 * error:
        return Finding(_OVERFITTED, "fine", seen)
    return Finding(
        _OVERFITTED,
        "alarm",
        seen,
        "D knows training examples by heart, and takes unseen real ones for made: what "
        "it tells G is of these examples rather than of the data.",
        offers.against_overfitting,
    )
