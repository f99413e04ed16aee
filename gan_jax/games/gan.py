"""The game of Goodfellow et al. (2014), with any loss, penalty and augmentation.

With labels it is that of Mirza and Osindero (2014, arXiv:1411.1784): both players are
told of which class an example is to be.
"""

from gan_jax.augmentations import Augmentation
from gan_jax.games import Game
from gan_jax.games.adversarial import adversarial
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
    labels: bool = False,
) -> Game:
    """The game between a generator and a discriminator.

    prior:        (key, n) -> z
    penalty:      numbers -> (critic, real, fake, key) -> scalar, added to D's loss
    augmentation: what D sees real and generated examples through
    labels:       G: (z, y) -> x and D: (x, y) -> scores; G makes examples of the
                  labels of D's minibatch, so that labels tell nothing real from made
    """
    parts = G, D, loss
    if not labels:
        return adversarial(*parts, noise_alone(prior), penalty, augmentation)
    return adversarial(
        *parts,
        labelled(prior),
        penalty,
        augmentation,
        inputs=noise_and_label,
        told=lambda batch: (batch["y"],),
        given=("y",),
    )


def noise_alone(prior):
    """(key, batch) -> latents z, as many as the batch has examples."""

    def latents(key, batch):
        return prior(key, len(batch["x"]))

    return latents


def labelled(prior):
    """(key, batch) -> latents {z, y} with the labels of the batch."""

    def latents(key, batch):
        return {"z": prior(key, len(batch["x"])), "y": batch["y"]}

    return latents


def noise_and_label(latents) -> tuple:
    """What a G that takes labels is given of such latents."""
    return latents["z"], latents["y"]
