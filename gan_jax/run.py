"""A trained run, read back from its work directory: for notebooks and for sampling."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax.asked import Asked, in_chunks
from gan_jax.batch_norm import recalibrated
from gan_jax.build import Built, initial_state, rebuild
from gan_jax.config.files import from_json, told_of
from gan_jax.config.validation import validate
from gan_jax.data.text import decode, require_codes
from gan_jax.errors import UsageError, nearest
from gan_jax.loop import checkpoint
from gan_jax.loop.log import read_metrics
from gan_jax.loop.workdir import read_record
from gan_jax.networks import has_batch_norm
from gan_jax.paths import readable
from gan_jax.sampling import chosen_way, latents_for, truncated
from gan_jax.state import TrainState

BATCH_NORM = ("running", "batch", "recalibrated")


@dataclasses.dataclass(frozen=True)
class Run(Asked):
    """A run as it was at `state.step`.

    config: the experiment, resolved
    state:  everything learned; `state.sampler` is the generator's (params, stats)
    built:  the pure functions that the state goes with, and what is known of the data
    batch_norm, ema, truncation: how it samples, see `sampled_by`
    loaded: the state as it was before `sampled_by`, None where that is `state`
    """

    workdir: Path
    config: Any
    state: TrainState
    built: Built
    batch_norm: str = "running"
    ema: bool = True
    truncation: float | None = None
    loaded: TrainState | None = None

    def sampled_by(
        self,
        batch_norm: str = "running",
        ema: bool = True,
        truncation: float | None = None,
    ) -> "Run":
        """The same run, which samples in another way.

        batch_norm: "running", the averages over its training; "batch", those of each
                    minibatch as in training, so that a sample depends on the others;
                    "recalibrated", the averages over 100 minibatches of samples, with
                    labels as in the data and by the same truncation
        ema:        whether by the average of G, where the run has one
        truncation: of the latents, as in `latents`
        """
        if batch_norm not in BATCH_NORM:
            raise UsageError(
                f"batch_norm={batch_norm!r}; {nearest(batch_norm, BATCH_NORM)}"
            )
        if batch_norm != "running" and self.game.translate:
            raise UsageError(
                f"batch_norm={batch_norm}: {self.workdir} translates each image by "
                "itself, of which there are no statistics of a minibatch"
            )
        if batch_norm != "running" and not has_batch_norm(self.state.g.stats):
            raise UsageError(
                f"batch_norm={batch_norm}: generator {self.config.generator.name} of "
                f"{self.workdir} has no batch norm"
            )
        loaded = self.loaded or self.state
        state = loaded if ema else dataclasses.replace(loaded, g_ema=None)
        how = {"batch_norm": batch_norm, "ema": ema, "truncation": truncation}
        run = dataclasses.replace(self, state=state, loaded=loaded, **how)
        if truncation is not None:
            run.latents(1)  # refuses one that the run does not have
        if batch_norm == "recalibrated":
            params, stats = state.sampler

            def latents(key, n):
                return run.truncated(latents_for(run.built, key, n))

            of_run = run.game, params, stats, run.config.batch_size
            stats = recalibrated(*of_run, latents=latents)
            state = dataclasses.replace(state, g_ema=(params, stats))
            run = dataclasses.replace(run, state=state)
        return run

    def latents(
        self,
        n: int,
        seed: int = 0,
        label: str | None = None,
        truncation: float | None = None,
    ):
        """n draws from the prior, [n, dim]; where a game has more, a dict of arrays.

        label: of a game with labels: "data", each class as often as in the data, which
               is usual; "uniform"; or a class, by its name or its number
        truncation: how far latents may be from what is typical, for better and fewer
               kinds of samples: of a normal prior the bound > 0 that no coordinate goes
               beyond, or, where a game has a way of its own, a number from 0 to 1; None
               for that of `sampled_by`. The same seed gives the same latents, moved

        Raises UsageError for a truncation that the run does not have.
        """
        z = latents_for(self.built, jax.random.key(seed), n, label)
        return self.truncated(z, truncation)

    def truncated(self, z, truncation: float | None = None):
        """Latents as `latents` draws them, pulled towards what is typical.

        truncation: as in `latents`; if there is none, z are left as they are
        """
        truncation = self.truncation if truncation is None else truncation
        if truncation is None:
            return z
        return truncated(self.built, self.state.sampler, z, truncation)

    def generate(self, z) -> np.ndarray:
        """What G makes of latents [n, dim]: uint8 images [n, h, w, c], or what else.

        z: an array, or a dict of arrays as `latents` gives it. Labels y may be weights
           [n, classes] as well, whose rows sum to 1: something between classes

        Raises UsageError where that is not finite.
        """
        z = jax.tree.map(_plain, z)
        generate = functools.partial(self._generate, *self.state.sampler)
        if self.batch_norm == "batch":
            # the last minibatch is filled up with the first latents, if need be
            n, size = self.config.batch_size, len(jax.tree.leaves(z)[0])
            rows = np.arange(-(-size // n) * n).reshape(-1, n) % size
            parts = [jax.tree.map(lambda x, row=row: x[row], z) for row in rows]
            made = np.concatenate([generate(part) for part in parts])[:size]
        else:
            made = in_chunks(generate, z)
        if not np.isfinite(made).all():
            raise UsageError(f"the samples of {self.workdir} are not finite")
        return self.built.scaling.invert(made, self.info["fitted"])

    def sample(
        self,
        n: int,
        seed: int = 0,
        label: str | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """n samples as the data are stored: uint8 images [n, h, w, c], vectors [n, d],
        signals [n, length, channels], or codes of text uint8 [n, length] (see `text`).

        label, truncation: as in `latents`
        """
        return self.generate(self.latents(n, seed, label, truncation))

    def text(self, samples) -> list[str]:
        """Samples of text, codes uint8 [n, length], as texts of `length` characters.

        Raises UsageError for a run that makes no text, and for what is no such code.
        """
        if "alphabet" not in self.info:
            raise UsageError(f"{self.workdir} makes no text")
        require_codes(samples, *self.info["shape"])
        return decode(samples, self.info["alphabet"])

    def labels(self, n: int, seed: int = 0, label: str | None = None):
        """What `sample`, given the same, asks for: int32 [n]; None without labels."""
        if chosen_way(self.built, label) is None:
            return None
        z = latents_for(self.built, jax.random.key(seed), n, label)
        return np.asarray(z["y"])

    def reconstruct(self, images) -> np.ndarray:
        """What G makes of the latents that the encoder finds, uint8 as the images."""
        return self.generate(self.encode(images))

    def metrics(self) -> dict[str, np.ndarray]:
        """What was logged, a column a metric: "step", "d_loss", ...

        NaN where a metric was not logged at a step.
        """
        return read_metrics(self.workdir)

    @functools.cached_property
    def _generate(self):
        how = {}
        if self.batch_norm == "batch":
            how = {"key": jax.random.key(0), "train": True}  # of dropout, if G has any
        return jax.jit(lambda *sampler: self.game.generate(*sampler, **how)[0])


def _plain(leaf):
    """An array on the host: whole numbers as int32, others as float32."""
    leaf = np.asarray(leaf)
    return leaf.astype(np.int32 if leaf.dtype.kind in "iu" else np.float32)


def parse_step(text: str | None) -> int | str | None:
    """What a command line says of a checkpoint, as `load` takes it."""
    if text in (None, "best"):
        return text
    if not text.isdecimal():
        raise UsageError(f"--step={text}: expected a step or best")
    return int(text)


def load(workdir, step: int | str | None = None) -> Run:
    """The run in `workdir` at its newest checkpoint, or at the one of `step`.

    step: "best" is the checkpoint that config.best chose.

    Needs neither the run's data nor its devices. Raises UsageError where there is no
    run or no such checkpoint; a damaged newest one is passed over with a line.
    """
    workdir = readable(Path(workdir))
    record = read_record(workdir)
    folder = workdir / "checkpoints"
    if step == "best":
        folder, step = workdir / "best", None
        if record is not None and not checkpoint.saved_steps(folder):
            raise UsageError(
                f"{workdir} has no best checkpoint; config.best names the value that "
                "chooses one, every config.evaluate_every steps"
            )
    if (workdir / "sweep.json").exists():
        raise UsageError(f"{workdir} is a sweep; name the work directory of a point")
    if record is None or not checkpoint.saved_steps(folder):
        raise UsageError(
            f"no checkpoint in {workdir}; train a run with: python -m gan_jax.main "
            f"--config=EXPERIMENT --workdir={workdir}"
        )
    config, info = from_json(record["config"]), record["data"]
    with told_of(workdir / "config.json"):
        validate(config)
    built = rebuild(config, info)
    like = jax.eval_shape(lambda: initial_state(config, built))
    return Run(workdir, config, checkpoint.restore(folder, like, step), built)
