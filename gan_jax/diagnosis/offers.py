"""What this package has against each trouble, as changes that a run's config takes.

What is offered was tried on the config, as a start would; what would be refused, such
as a slope penalty beside batch norm, is left out.
"""

from gan_jax.build import rebuild
from gan_jax.config.files import fields, from_json, override, to_json
from gan_jax.config.validation import validate
from gan_jax.diagnosis.evidence import Evidence
from gan_jax.diagnosis.finding import Offer
from gan_jax.errors import UsageError

_D_RATE, _G_RATE = "d_optimizer.learning_rate", "g_optimizer.learning_rate"


def against_strong_d(e: Evidence) -> tuple[Offer, ...]:
    """A D that tells all apart: less of it, smoother, or a loss that bears it."""
    wanted = [
        ({"loss.name": "non_saturating"}, "a gradient for G also where D is sure")
        if e.config.loss.name == "saturating"
        else None,
        _penalty(e),
        ({"discriminator.weight": "spectral"}, "bounds D's slope by construction"),
        _scaled(e, {_D_RATE: 1 / 4}, "a slower D"),
        ({"d_steps": 1}, "fewer updates of D"),
    ]
    return _accepted(e, wanted)


def against_weak_d(e: Evidence) -> tuple[Offer, ...]:
    """A D that tells nothing apart: more of it."""
    wanted = [
        _scaled(e, {_D_RATE: 4}, "a quicker D"),
        ({"d_steps": 2 * e.config.d_steps}, "more updates of D"),
        _weaker_penalty(e),
    ]
    return _accepted(e, wanted)


def against_missing_modes(e: Evidence) -> tuple[Offer, ...]:
    """A G that makes a part of the data."""
    config = e.config
    packs = {"pack": 2 * config.pack, "batch_size": 2 * config.batch_size}
    wanted = [
        (packs, "D judges several at once, and sees that they are alike"),
        _penalty(e),
        (
            {"loss.name": "relativistic", "penalty.name": "r1_r2"},
            "compares samples with examples, with a slope that is bounded at both",
        ),
        ({"dynamics.name": "unrolled"}, "G looks ahead at how D will answer"),
        _scaled(e, {_G_RATE: 1 / 4}, "a slower G, with which D keeps up"),
    ]
    return _accepted(e, wanted)


def against_oscillation(e: Evidence) -> tuple[Offer, ...]:
    """Players that go round."""
    wanted = [
        _penalty(e),
        ({"dynamics.name": "consensus"}, "both players also make for rest"),
        ({"turns": "extragradient"}, "each looks at the other's next move"),
        ({"turns": "alternating"}, "in turns, which goes round less")
        if e.config.turns == "simultaneous"
        else None,
        (
            {"d_optimizer.b1": 0, "g_optimizer.b1": 0},
            "no momentum to carry them past it",
        ),
        ({"ema_decay": 0.999}, "samples of an average of G")
        if not e.config.ema_decay
        else None,
    ]
    return _accepted(e, wanted)


def against_overfitting(e: Evidence) -> tuple[Offer, ...]:
    """A D that knows its examples by heart."""
    wanted = [
        ({"augmentation.name": "ada"}, "D sees images changed as often as it overfits"),
        (
            {"augmentation.name": "diff_augment"},
            "D sees all images changed, under any loss",
        ),
        _penalty(e),
        _scaled(e, {_D_RATE: 1 / 4}, "a slower D"),
    ]
    return _accepted(e, wanted)


def against_divergence(e: Evidence) -> tuple[Offer, ...]:
    """Numbers that explode."""
    wanted = [
        _scaled(e, {_D_RATE: 1 / 10, _G_RATE: 1 / 10}, "shorter steps"),
        _penalty(e),
        (
            {"d_optimizer.name": "adam", "g_optimizer.name": "adam"}
            | {_D_RATE: 2e-4, _G_RATE: 2e-4},
            "steps whose length does not grow with the gradient",
        ),
        ({"dtype": "float32"}, "all digits"),
    ]
    return _accepted(e, wanted)


def _penalty(e):
    """R1, or more of the penalty that there is; of a critic, its own one."""
    penalty = e.config.penalty
    if penalty.name == "none":
        if e.config.loss.name == "wasserstein":
            return {"penalty.name": "wgan_gp"}, "keeps the critic's slope at 1"
        return {"penalty.name": "r1"}, "bounds D's slope at the data"
    for weight in ("gamma", "weight"):
        if weight in penalty:
            more = {f"penalty.{weight}": _number(10 * penalty[weight])}
            return more, "more of the penalty on D's slope"
    return None


def _weaker_penalty(e):
    penalty = e.config.penalty
    for weight in ("gamma", "weight"):
        if weight in penalty:
            return {f"penalty.{weight}": _number(penalty[weight] / 10)}, "a freer D"
    return None


def _scaled(e, factors, why):
    """Numbers of the config times factors, where it has them all."""
    there = fields(e.config)
    if not all(there.get(name) for name in factors):
        return None
    changes = {name: _number(there[name] * by) for name, by in factors.items()}
    return changes, why


def _number(value):
    return float(f"{value:.3g}")


def _accepted(e, wanted):
    """As offers, those that change the config to another that a run can have."""
    found = []
    for changes, why in filter(None, wanted):
        try:
            changed = from_json(to_json(e.config))
            override(changed, [(name, str(x)) for name, x in changes.items()])
            if fields(changed) == fields(e.config):
                continue
            validate(changed)
            rebuild(changed, e.built.info)
        except UsageError:
            continue
        typed = (f"--config.{name}={_typed(x)}" for name, x in changes.items())
        found.append(Offer(" ".join(typed), why))
    return tuple(found)


def _typed(value):
    return f"{value:g}" if isinstance(value, float) else str(value)
