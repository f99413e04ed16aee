"""All metrics of one set of samples, each number with its protocol.

`of_samples` and `of_labels` have what each metric is given, and the name by which a
command asks for it; features are computed once.
"""

import math
import time

from gan_jax.config.files import title
from gan_jax.errors import NotFiniteError, UsageError, nearest
from gan_jax.metrics import of_labels, of_samples
from gan_jax.metrics.case import Case
from gan_jax.metrics.protocol import Measurement, Protocol
from gan_jax.networks import has_batch_norm
from gan_jax.sampling import WAYS, chosen_way

METRICS = of_samples.METRICS | of_labels.METRICS


def require_metrics(names) -> None:
    """Raises UsageError unless all are names of metrics."""
    for name in names:
        if name not in METRICS:
            raise UsageError(f"unknown metric {name!r}; {nearest(name, METRICS)}")


def about(
    run, experiment: str, label: str | None = None, inputs: str | None = None
) -> dict:
    """What the measurements of a run say of it, for `judge`.

    label:  which the samples were asked for, as `Run.sample` takes it
    inputs: what they were made of, of a run that translates
    """
    way = chosen_way(run.built, label)
    return {
        "model": title(experiment, run.config),
        "run": str(run.workdir.resolve()),
        "step": int(run.state.step),
        "batch_norm": run.batch_norm if has_batch_norm(run.state.g.stats) else None,
        "ema": run.ema and run.config.ema_decay > 0,
        "labels": way if way in (None, *WAYS) else f"given {way}",
        "inputs": inputs,
        "truncation": run.truncation,
    }


def judge(case: Case, names, *, model="", run="", step=None, **generator):
    """(measurement, picture or None) of each metric, in turn.

    generator: batch_norm, ema, labels, inputs and truncation of the protocol; none for
               real data

    Raises UsageError, with the metric's name, where one cannot be measured, and
    NotFiniteError where it is no finite number.
    """
    require_metrics(names)
    for name in names:
        begin = time.monotonic()
        try:
            result = METRICS[name](case)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
        if not all(map(math.isfinite, result.values.values())):
            raise NotFiniteError(f"{name}: not finite: {result.values}")
        measured = {"samples": len(case.samples), "seed": case.seed}
        yield (
            Measurement(
                protocol=Protocol(**(measured | generator | result.fields)),
                values=result.values,
                standard_errors=result.standard_errors,
                model=model,
                run=run,
                step=step,
                seconds=round(time.monotonic() - begin, 2),
            ),
            result.picture,
        )
