"""A trained run, read back from its work directory: for notebooks and for sampling."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax.batch_norm import recalibrated
from gan_jax.build import Built, build, initial_state
from gan_jax.config.files import from_json
from gan_jax.errors import UsageError, nearest
from gan_jax.games import Game, draw_latents
from gan_jax.loop import checkpoint
from gan_jax.loop.log import read_metrics
from gan_jax.loop.workdir import read_record
from gan_jax.networks import has_batch_norm
from gan_jax.state import TrainState

_CHUNK = 256  # images that a network sees at a time
BATCH_NORM = ("running", "batch", "recalibrated")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as it was at `state.step`.

    config: the experiment, resolved
    state:  everything learned; `state.sampler` is the generator's (params, stats)
    built:  the pure functions that the state goes with, and what is known of the data
    batch_norm, ema: how it samples, see `sampled_by`
    """

    workdir: Path
    config: Any
    state: TrainState
    built: Built
    batch_norm: str = "running"
    ema: bool = True

    def sampled_by(self, batch_norm: str = "running", ema: bool = True) -> "Run":
        """The same run, which samples in another way.

        batch_norm: "running", the averages over its training; "batch", those of each
                    minibatch as in training, so that a sample depends on the others;
                    "recalibrated", the averages over 100 minibatches of samples
        ema:        whether by the average of G, where the run has one
        """
        if batch_norm not in BATCH_NORM:
            raise UsageError(
                f"batch_norm={batch_norm!r}; {nearest(batch_norm, BATCH_NORM)}"
            )
        if batch_norm != "running" and not has_batch_norm(self.state.g.stats):
            raise UsageError(
                f"batch_norm={batch_norm}: generator {self.config.generator.name} of "
                f"{self.workdir} has no batch norm"
            )
        state = self.state if ema else self.state.replace(g_ema=None)
        if batch_norm == "recalibrated":
            params, stats = state.sampler
            stats = recalibrated(self.game, params, stats, self.config.batch_size)
            state = state.replace(g_ema=(params, stats))
        return dataclasses.replace(self, state=state, batch_norm=batch_norm, ema=ema)

    @property
    def game(self) -> Game:
        """What the players wanted, as pure functions."""
        return self.built.game

    @property
    def info(self) -> dict:
        """Of the data: shape, size, classes, what was fitted to them, modes."""
        return self.built.info

    def latents(self, n: int, seed: int = 0) -> jax.Array:
        """n draws from the prior, [n, dim]."""
        return draw_latents(self.game, jax.random.key(seed), n)

    def generate(self, z) -> np.ndarray:
        """What G makes of latents [n, dim]: uint8 images [n, h, w, c], or vectors.

        Raises UsageError where that is not finite.
        """
        z = np.asarray(z, np.float32)
        generate = functools.partial(self._generate, *self.state.sampler)
        if self.batch_norm == "batch":
            # the last minibatch is filled up with the first latents, if need be
            n = self.config.batch_size
            rows = np.arange(-(-len(z) // n) * n).reshape(-1, n) % len(z)
            made = np.concatenate([generate(z[row]) for row in rows])[: len(z)]
        else:
            made = _in_chunks(generate, z)
        if not np.isfinite(made).all():
            raise UsageError(f"the samples of {self.workdir} are not finite")
        return self.built.scaling.invert(made, self.info["fitted"])

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """n samples: uint8 images [n, h, w, c], or vectors [n, d] as stored."""
        return self.generate(self.latents(n, seed))

    def discriminate(self, images, probability: bool = False) -> np.ndarray:
        """D's scores of uint8 images [n, h, w, c] (or vectors [n, d]); high means real.

        A D with batch norm judges the images that come together, up to 256, by their
        own statistics, as in training: give real and generated ones in separate calls.

        probability: the sigmoid of the scores; refused (UsageError) for a loss whose
                     scores are not the logits of a probability
        """
        if probability and not self.game.loss.logits:
            raise UsageError(
                f"the scores of loss {self.config.loss.name} are no logits: "
                "there is no probability to be had of them"
            )
        images, shape = np.asarray(images), tuple(self.info["shape"])
        if images.shape[1:] != shape:
            expected = ", ".join(map(str, shape))
            raise UsageError(
                f"images of shape {images.shape}; expected (n, {expected})"
            )
        if len(shape) == 3 and images.dtype != np.uint8:
            raise UsageError(f"images of type {images.dtype}; expected uint8")
        x = self.built.scaling.apply(images, self.info["fitted"])
        scores = _in_chunks(
            functools.partial(self._score, self.state.d, self.state.g), x
        )
        return np.asarray(self.game.loss.output(scores)) if probability else scores

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

    @functools.cached_property
    def _score(self):
        return jax.jit(lambda d, g, x: self.game.score(d, g, {"x": x}))


def _in_chunks(function, x) -> np.ndarray:
    """function(x), a few hundred rows of x at a time, so that memory is bounded."""
    chunks = np.array_split(x, max(1, -(-len(x) // _CHUNK)))
    return np.concatenate([np.asarray(function(chunk)) for chunk in chunks])


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
    workdir = Path(workdir)
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
    # only networks that are initialised need the data's mean; here any will do
    built = build(config, info, mean=lambda: np.full(info["shape"], 0.5))
    like = jax.eval_shape(lambda: initial_state(config, built))
    return Run(workdir, config, checkpoint.restore(folder, like, step), built)
