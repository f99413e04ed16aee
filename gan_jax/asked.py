"""What the players of a trained run say of images that they are shown."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax.build import Built
from gan_jax.data.text import require_codes
from gan_jax.errors import UsageError
from gan_jax.games import Game
from gan_jax.state import TrainState

_CHUNK = 256  # images that a network sees at a time
_PIXELS = 2**18  # of large ones


class Asked:
    """The part of a `Run` that asks its players."""

    workdir: Path
    config: Any
    state: TrainState
    built: Built

    @property
    def game(self) -> Game:
        """What the players wanted, as pure functions."""
        return self.built.game

    @property
    def info(self) -> dict:
        """Of the data: shape, size, classes, what was fitted to them, modes."""
        return self.built.info

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
        scores = in_chunks(score, batch)
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
        made = in_chunks(lambda x: function(*self.state.sampler, x, key), x, few)
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
        return in_chunks(compiled, self.scaled(images))

    @functools.cached_property
    def _score(self):
        return jax.jit(self.game.score)


def in_chunks(function, x, most: int = _CHUNK) -> np.ndarray:
    """function(x), a few hundred rows of x at a time, so that memory is bounded."""
    size = len(jax.tree.leaves(x)[0])
    rows = np.array_split(np.arange(size), max(1, -(-size // min(most, _CHUNK))))
    chunks = [jax.tree.map(lambda leaf, row=row: leaf[row], x) for row in rows]
    return np.concatenate([np.asarray(function(chunk)) for chunk in chunks])
