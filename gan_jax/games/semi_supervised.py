"""Semi-supervised GAN (Salimans et al. 2016, arXiv:1606.03498, section 5).

D is a classifier of K classes. Its logits l_1 .. l_K, and one more of "made" that is
held at 0, say that x is real with probability Z / (Z + 1), Z = sum exp(l): the score
is log Z. Few of the real examples have labels; D learns from all. G matches the means
of D's features (section 3.1).
"""

from typing import Literal

import jax
import jax.numpy as jnp

from gan_jax.config.ranges import Fraction, NotNegative
from gan_jax.games import Game
from gan_jax.games.acgan import accuracy, unlikelihood
from gan_jax.games.gan import noise_alone
from gan_jax.losses import Loss
from gan_jax.networks import Network
from gan_jax.state import averaged


def game(
    G: Network,
    D: Network,
    loss: Loss,
    prior,
    *,
    unlabelled: NotNegative = 1.0,
    matching: Literal["squared", "absolute"] = "squared",
    average: Fraction = 0.9999,
) -> Game:
    """D: x -> (logits [n, classes], features [n, d]); loss: how D learns from scores.

    The labelled examples are those of `config.other`. D's statistics hold an average of
    its parameters, by which `classify` tells classes.

    unlabelled: weight of D's loss on examples without labels; 1 in the authors' code
    matching:   of the means of features: the mean square of their differences (MNIST in
                the authors' code), or the mean of their absolute values (CIFAR-10)
    average:    what the average keeps at an update of D
    """

    latents = noise_alone(prior)

    def init(key, batch):
        z_key, d_key, g_key = jax.random.split(key, 3)
        d_params, d_stats = D.init(d_key, batch["x"])
        g = G.init(g_key, latents(z_key, batch))
        return (d_params, {"D": d_stats, "average": d_params}), g

    def d_loss(params, stats, g, numbers, batch, key):
        z_key, g_key, *keys = jax.random.split(key, 5)
        z = latents(z_key, batch)
        fake, _ = G.apply(g.params, g.stats, z, key=g_key, train=True)
        labelled = batch["other"]
        own, said = stats["D"], []
        for x, key in zip((labelled["x"], batch["x"], fake), keys, strict=True):
            (logits, _), own = D.apply(params, own, x, key=key, train=True)
            said.append(logits)
        told, *others = said
        d_real, d_fake = (jax.nn.logsumexp(logits, -1) for logits in others)
        weights = numbers["game"]
        value = loss.d(d_real, d_fake)
        wrong = unlikelihood(told, labelled["y"])
        stats = {
            "D": own,
            "average": averaged(
                stats["average"], jax.lax.stop_gradient(params), weights["average"]
            ),
        }
        metrics = loss.verdicts(d_real, d_fake) | {
            "loss": value,
            "class_loss": wrong,
            "class_accuracy": accuracy(told, labelled["y"]),
        }
        return wrong + weights["unlabelled"] * value, (stats, metrics)

    def g_loss(params, stats, d, numbers, batch, key):
        z_key, g_key, real_key, fake_key = jax.random.split(key, 4)
        z = latents(z_key, batch)
        fake, stats = G.apply(params, stats, z, key=g_key, train=True)
        means = [
            jnp.mean(
                D.apply(d.params, d.stats["D"], x, key=key, train=True)[0][1], axis=0
            )
            for x, key in ((batch["x"], real_key), (fake, fake_key))
        ]
        apart = means[0] - means[1]
        apart = jnp.square(apart) if matching == "squared" else jnp.abs(apart)
        return jnp.mean(apart), (stats, {})

    def classify(d, x):
        (logits, _), _ = D.apply(d.stats["average"], d.stats["D"], x)
        return logits

    def score(d, g, batch):
        (logits, _), _ = D.apply(d.params, d.stats["D"], batch["x"])
        return jax.nn.logsumexp(logits, -1)

    return Game(
        *(init, d_loss, g_loss, latents, G.apply, score, loss),
        given=("other", "other.y"),
        classify=classify,
    )
