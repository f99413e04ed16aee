"""What is seen of a run while it trains: logs, pictures, checkpoints, evaluations."""

import contextlib
import math

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import DivergedError
from gan_jax.loop import multihost, parallel
from gan_jax.loop.checkpoint import Checkpoints
from gan_jax.loop.log import (
    Album,
    MetricLog,
    curves_are_current,
    say,
    write_curves,
)
from gan_jax.painters import make_other_painters, make_painter
from gan_jax.pictures import write_image
from gan_jax.state import keys_of
from gan_jax.watches import make_watches


class Observer:
    """Looks at one run every so many steps, and writes to its work directory.

    step:  where the run goes on
    rate_factor: logged where learning rates are no longer the config's
    clock: told of every checkpoint; None: of a population, whose members share the time
    every: the intervals, in steps, at which there is something to be looked at
    over:  whether nothing is left to be trained before config.steps; never, of one run

    Use as a context manager. `look` queues on the device what is due; what it returns,
    called while the device is busy with the next steps, reads, draws and writes. Of
    several hosts only one writes, but all of them save, each what it holds.
    """

    def __init__(
        self,
        config,
        built,
        dataset,
        workdir,
        experiment,
        step,
        rate_factor=1.0,
        clock=None,
    ):
        self._config, self._built, self._workdir = config, built, workdir
        self.step, self.over, self._clock = step, False, clock
        self._slowed = {} if rate_factor == 1 else {"rate_factor": rate_factor}
        keys = keys_of(config.seed)
        self._watches = []
        self._checkpoints = Checkpoints(workdir / "checkpoints", step)
        self._writes = multihost.is_chief()
        if self._writes:
            of_run = config, built, dataset, keys["samples"]
            self._painter = make_painter(*of_run)
            self._others = make_other_painters(*of_run)
            self._watches = make_watches(
                config,
                built,
                dataset,
                keys["held_out"],
                keys["samples"],
                workdir,
                experiment,
            )
        names = "log", "validate", "sample", "checkpoint", "evaluate"
        # not those of the watches, since all hosts have to stop at the same steps
        self.every = [n for name in names if (n := config[f"{name}_every"])]
        self._perfect = _perfect(self._watches)

    def __enter__(self):
        with contextlib.ExitStack() as files:  # closed where one cannot be opened
            files.enter_context(self._checkpoints)
            if self._writes:
                self._log = files.enter_context(MetricLog(self._workdir, self.step))
                self._album = files.enter_context(Album(self._workdir, self.step))
                files.callback(self._draw_curves)
            self._files = files.pop_all()
        return self

    def __exit__(self, *error):
        self._files.__exit__(*error)

    def due(self, step, last) -> bool:
        """Whether `look` would do anything at the end of this step."""
        due = any(step > 0 and step % every == 0 for every in self.every)
        return due or last or step == 0

    def look(self, step, state, last):
        """Queues on the device what is due at step's end; finish(seen) does the rest.

        state: () -> the state in buffers of its own, asked for only if needed
        seen:  the metrics, on the host, of all steps since the last look, as (start,
               stop, metrics)

        `finish` returns what is logged of them, and raises DivergedError.
        """
        config, writes = self._config, self._writes

        def due(interval):
            return step > 0 and interval > 0 and step % interval == 0

        logs = due(config.log_every)
        looking = [watch for watch in self._watches if due(watch.every)]
        paints = step % config.sample_every == 0 or step == config.steps
        saves = due(config.checkpoint_every) or last
        watched, saved, samples, others = [], None, None, {}
        # no host may know of an end that the others do not: it is not asked who watches
        if paints or saves or due(config.validate_every) or due(config.evaluate_every):
            saved = state()
            state = parallel.local(saved)
            watched = [(watch.read, watch.compute(state)) for watch in looking]
            if paints and writes:
                samples = self._painter.sample(state)
                others = {name: x.sample(state) for name, x in self._others.items()}

        def finish(seen):
            metrics = self._finite_metrics(seen)
            if saved is not None and not _is_finite(parallel.local(saved)):
                # the losses of a step tell of the parameters before it, not after
                self._diverged(f"a parameter is not finite after step {step:,}")
            logged = metrics if logs else {}
            row = logged | self._slowed if logged else {}
            for read, values in watched:
                row |= read(values)
            if row and writes:
                self._log.write(step, row)
            if samples is not None:
                picture = self._painter.paint(samples)
                write = self._painter.write
                self._album.add(step, picture, write and write(samples))
                if step:
                    self._log.add_picture(step, picture)
            for name, shown in others.items():
                picture = self._others[name].paint(shown)
                write_image(self._workdir / f"{name}.png", picture)
            if saves:
                self._checkpoints.save(saved)
            if saves and writes and self._clock:
                self._clock.note(step)
            if saves and writes and not last:  # the last curves are drawn on leaving
                self._draw_curves()
            return logged

        return finish

    def _draw_curves(self):
        write_curves(self._workdir, self._built.game.loss, self._perfect)

    def _finite_metrics(self, seen):
        """The newest of the metrics on the host, once all of them are seen finite."""
        newest = {}
        for start, stop, metrics in seen:
            columns = {name: np.ravel(v)[: stop - start] for name, v in metrics.items()}
            for i in range(stop - start):
                for name in sorted(columns, key=lambda name: "loss" not in name):
                    value = columns[name][min(i, len(columns[name]) - 1)]
                    if not math.isfinite(value):
                        step = start + i + 1
                        self._diverged(f"{name} became {value} at step {step:,}")
            newest = {name: float(column[-1]) for name, column in columns.items()}
        return newest

    def _diverged(self, what):
        step = self._checkpoints.latest
        saved = "none" if step is None else f"step {step:,}"
        raise DivergedError(f"diverged: {what}; last good checkpoint: {saved}")


def mend_pictures(config, built, dataset, workdir, experiment, step) -> None:
    """Draws anew, from what is kept, the last pictures that a run of `step` lacks.

    A process may have been killed after the last checkpoint and before they were drawn.
    """
    album = Album(workdir, step)
    if not album.is_current():
        say("draws samples.gif anew")
        album.animate()
    if curves_are_current(workdir):
        return
    say("draws the curves anew")
    keys = keys_of(config.seed)
    of_run = config, built, dataset, keys["held_out"], keys["samples"]
    watches = make_watches(*of_run, workdir, experiment)
    write_curves(workdir, built.game.loss, _perfect(watches))


def _perfect(watches):
    """What samples of the data itself would get, by the name of the metric."""
    return {name: x for watch in watches for name, x in watch.perfect.items()}


@jax.jit
def copied(state):
    """The state in buffers of its own, which the next dispatch does not take over."""
    return jax.tree.map(jnp.copy, state)


def _is_finite(state):
    """Whether every number of the state is: on the host, with nothing to compile."""
    leaves = jax.tree.leaves(state)
    floats = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]
    return all(np.isfinite(x).all() for x in floats)
