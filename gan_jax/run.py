"""A trained run, read back from its work directory: for notebooks and for sampling."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax.batch_norm import recalibrated
from gan_jax.build import Built, build, initial_state
from gan_jax.config.files import from_json
from gan_jax.data.text import decode, require_codes
from gan_jax.errors import UsageError, nearest
from gan_jax.games import Game
from gan_jax.loop import checkpoint
from gan_jax.loop.log import read_metrics
from gan_jax.loop.workdir import read_record
from gan_jax.networks import has_batch_norm
from gan_jax.sampling import chosen_way, latents_for, truncated
from gan_jax.state import TrainState

_CHUNK = 256  # images that a network sees at a time
_PIXELS = 2**18  # of large ones
BATCH_NORM = ("running", "batch", "recalibrated")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as it was at `state.step`.

    config: the experiment, resolved
    state:  everything learned; `state.sampler` is the generator's (params, stats)
    built:  the pure functions that the state goes with, and what is known of the data
    batch_norm, ema, truncation: how it samples, see `sampled_by`
    """

    workdir: Path
    config: Any
    state: TrainState
    built: Built
    batch_norm: str = "running"
    ema: bool = True
    truncation: float | None = None

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
        state = self.state if ema else self.state.replace(g_ema=None)
        how = {"batch_norm": batch_norm, "ema": ema, "truncation": truncation}
        run = dataclasses.replace(self, state=state, **how)
        if truncation is not None:
            run.latents(1)  # refuses one that the run does not have
        if batch_norm == "recalibrated":
            params, stats = state.sampler

            def latents(key, n):
                return run.truncated(latents_for(run.built, key, n))

            of_run = run.game, params, stats, run.config.batch_size
            stats = recalibrated(*of_run, latents=latents)
            run = dataclasses.replace(run, state=state.replace(g_ema=(params, stats)))
        return run

    @property
    def game(self) -> Game:
        """What the players wanted, as pure functions."""
        return self.built.game

    @property
    def info(self) -> dict:
        """Of the data: shape, size, classes, what was fitted to them, modes."""
        return self.built.info

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
            made = _in_chunks(generate, z)
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

    def discriminate(
        self, images, probability: bool = False, labels=None, inputs=None
    ) -> np.ndarray:
        """D's scores of uint8 images [n, h, w, c] (or vectors [n, d]); high means real.

        A D with batch norm judges the images that come together, up to 256, by their
        own statistics, as in training: give real and generated ones in separate calls.

        probability: the sigmoid of the scores; refused (UsageError) for a loss whose
                     scores are not the logits of a probability
        labels:      [n], of a game that is played with them
        inputs:      uint8 [n, h, w, c], of a game of pairs: what images were made of
        """
        if probability and not self.game.loss.logits:
            raise UsageError(
                f"the scores of loss {self.config.loss.name} are no logits: "
                "there is no probability to be had of them"
            )
        batch = {"x": self.scaled(images)}
        if "y" in self.game.given:
            if labels is None or np.shape(labels) != (len(batch["x"]),):
                raise UsageError(
                    f"game {self.config.game.name} is played with labels: give one for "
                    "each image, by its number"
                )
            batch["y"] = np.asarray(labels, np.int32)
        if "input" in self.game.given:
            shape = len(images), *self.info["input"]
            if np.shape(inputs) != shape:
                raise UsageError(
                    f"game {self.config.game.name} is played with pairs: give inputs "
                    f"of shape {shape}"
                )
            fitted = self.info["fitted"]
            batch["input"] = self.built.scaling.apply(np.asarray(inputs), fitted)
        score = functools.partial(self._score, self.state.d, self.state.g)
        scores = _in_chunks(score, batch)
        return np.asarray(self.game.loss.output(scores)) if probability else scores

    def classify(self, images) -> np.ndarray:
        """How likely each class is to D, float32 [n, classes], of uint8 images.

        Raises UsageError for a game whose D does not learn classes.
        """
        return self._likely("classify", "tells no classes", images)

    def cluster(self, images) -> np.ndarray:
        """How likely each category, without names, is to D, float32 [n, categories].

        Raises UsageError for a game without such codes.
        """
        return self._likely("cluster", "has no categories", images)

    def _likely(self, name, lacks, images):
        logits = self._by_player(name, lacks, self.state.d, images)
        return np.asarray(jax.nn.softmax(logits))

    def encode(self, images) -> np.ndarray:
        """The latents of uint8 images, [n, dim]; UsageError without an encoder."""
        return self._by_player("encode", "has no encoder", self.state.g, images)

    def features(self, images) -> np.ndarray:
        """What the encoder sees in uint8 images before it says z, [n, d]."""
        return self._by_player("features", "has no encoder", self.state.g, images)

    def reconstruct(self, images) -> np.ndarray:
        """What G makes of the latents that the encoder finds, uint8 as the images."""
        return self.generate(self.encode(images))

    def convergence(self, images, seed: int = 0) -> float:
        """The game's own measure of convergence on uint8 images; less is better.

        The mean over minibatches of them, each with latents that `seed` draws.
        """
        if self.game.measure is None:
            raise UsageError(f"game {self.config.game.name} has no such measure")
        x, n = self.scaled(images), min(len(images), self.config.batch_size)
        numbers = self.built.schedule(self.state.hparams, self.state.step)
        measure = jax.jit(self.game.measure)
        found = [
            measure(
                self.state.d,
                self.state.g,
                numbers,
                {"x": x[i * n : (i + 1) * n]},
                jax.random.fold_in(jax.random.key(seed), i),
            )
            for i in range(len(x) // n)
        ]
        return float(np.mean(found))

    def translate(self, images, seed: int = 0, back: bool = False) -> np.ndarray:
        """What G makes of uint8 images [n, h, w, c]: uint8, of each by itself.

        Of any size that the network can take. Raises UsageError for a run that does not
        translate, or not this way, and for images that it does not take.

        seed: of G's noise, the same for every image, where it has some
        back: the other way, where the game goes both ways
        """
        translate = self.translator(back)
        images, channels = np.asarray(images), self.input_channels
        if images.ndim != 4 or images.shape[-1] != channels or images.dtype != np.uint8:
            raise UsageError(
                f"images of shape {images.shape} and type {images.dtype}; expected "
                f"uint8 (n, height, width, {channels})"
            )
        x = self.built.scaling.apply(images, self.info["fitted"])
        function, key = jax.jit(translate), jax.random.key(seed)
        few = max(1, _PIXELS // (images.shape[1] * images.shape[2]))
        made = _in_chunks(lambda x: function(*self.state.sampler, x, key), x, few)
        if not np.isfinite(made).all():
            raise UsageError(f"what {self.workdir} makes of them is not finite")
        return self.built.scaling.invert(made, self.info["fitted"])

    def translator(self, back: bool = False) -> Callable:
        """The game's function from images to images; UsageError where it has none."""
        name, game = self.config.game.name, self.game
        if game.translate is None:
            raise UsageError(
                f"game {name} makes no images of images; pix2pix and cyclegan do"
            )
        if back and game.translate_back is None:
            raise UsageError(f"game {name} knows no way back; cyclegan does")
        return game.translate_back if back else game.translate

    @property
    def input_channels(self) -> int:
        """How many channels the images have that are translated."""
        return self.info.get("input", self.info["shape"])[-1]

    def metrics(self) -> dict[str, np.ndarray]:
        """What was logged, a column a metric: "step", "d_loss", ...

        NaN where a metric was not logged at a step.
        """
        return read_metrics(self.workdir)

    def scaled(self, images):
        """Images, or what else is stored, as the networks see them.

        Raises UsageError for what is not like the run's data.
        """
        images, shape = np.asarray(images), tuple(self.info["shape"])
        if self.built.scaling.symbolic:
            require_codes(images, *shape)
        elif images.shape[1:] != shape:
            expected = ", ".join(map(str, shape))
            raise UsageError(
                f"images of shape {images.shape}; expected (n, {expected})"
            )
        if len(shape) == 3 and images.dtype != np.uint8:
            raise UsageError(f"images of type {images.dtype}; expected uint8")
        return self.built.scaling.apply(images, self.info["fitted"])

    def _by_player(self, name, lacks, player, images):
        """What a function of the game says of a player and of images."""
        function = getattr(self.game, name)
        if function is None:
            raise UsageError(f"{name}: game {self.config.game.name} {lacks}")
        # jax keeps the program of a function, by whatever jit it is asked for again
        compiled = functools.partial(jax.jit(function), player)
        return _in_chunks(compiled, self.scaled(images))

    @functools.cached_property
    def _generate(self):
        how = {}
        if self.batch_norm == "batch":
            how = {"key": jax.random.key(0), "train": True}  # of dropout, if G has any
        return jax.jit(lambda *sampler: self.game.generate(*sampler, **how)[0])

    @functools.cached_property
    def _score(self):
        return jax.jit(self.game.score)


def _plain(leaf):
    """An array on the host: whole numbers as int32, others as float32."""
    leaf = np.asarray(leaf)
    return leaf.astype(np.int32 if leaf.dtype.kind in "iu" else np.float32)


def _in_chunks(function, x, most: int = _CHUNK) -> np.ndarray:
    """function(x), a few hundred rows of x at a time, so that memory is bounded."""
    size = len(jax.tree.leaves(x)[0])
    rows = np.array_split(np.arange(size), max(1, -(-size // min(most, _CHUNK))))
    chunks = [jax.tree.map(lambda leaf, row=row: leaf[row], x) for row in rows]
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
