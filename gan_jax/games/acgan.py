"""AC-GAN (Odena et al. 2017, arXiv:1610.09585): D tells the classes of both, too."""

import jax.numpy as jnp
import optax

from gan_jax.augmentations import Augmentation
from gan_jax.config.ranges import NotNegative
from gan_jax.games import Game
from gan_jax.games.adversarial import adversarial
from gan_jax.games.gan import labelled, noise_and_label
from gan_jax.losses import Loss
from gan_jax.networks import Network


def game(
    G: Network,
    D: Network,
    loss: Loss,
    prior,
    penalty=None,
    augmentation: Augmentation | None = None,
    *,
    d_weight: NotNegative = 1.0,
    g_weight: NotNegative = 1.0,
) -> Game:
    """G: (z, y) -> x; D: x -> (scores [n], logits [n, classes]).

    Both players want D to tell the classes: D of real and made examples, G of its own.

    d_weight, g_weight: of the classes' cross-entropy in either loss; 1 in the paper
    """

    def d_also(numbers, seen):
        y = seen.batch["y"]
        (_, real), (_, fake) = seen.real, seen.fake
        classes = unlikelihood(real, y) + unlikelihood(fake, y)
        metrics = {"class_loss": classes, "class_accuracy": accuracy(real, y)}
        return numbers["game"]["d_weight"] * classes, metrics

    def g_also(numbers, seen):
        _, fake = seen.fake
        classes = unlikelihood(fake, seen.batch["y"])
        return numbers["game"]["g_weight"] * classes, {"class_loss": classes}

    def classify(d, x):
        (_, logits), _ = D.apply(d.params, d.stats, x)
        return logits

    return adversarial(
        *(G, D, loss, labelled(prior), penalty, augmentation),
        inputs=noise_and_label,
        d_also=d_also,
        g_also=g_also,
        given=("y",),
        classify=classify,
    )


def unlikelihood(logits, y):
    """The mean of -log p(y), of logits [n, classes] and labels [n]."""
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, y))


def accuracy(logits, y):
    """The share of labels [n] that are the likeliest class."""
    return jnp.mean(jnp.argmax(logits, -1) == y)
