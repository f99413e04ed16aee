"""The game of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958).

Styles are mixed, and two penalties are turns of their own, every so many steps: the
config's on D's slope, usually R1, and one on how evenly w moves G's images. As in
github.com/NVlabs/stylegan2-ada-pytorch. An optimizer that takes a further turn every k
steps is to take its steps, and to forget, k / (k + 1) as fast: learning rates are to be
multiplied by that, and Adam's betas taken to that power (their appendix B).
"""

import jax
import jax.numpy as jnp

from gan_jax.augmentations import Augmentation
from gan_jax.config.ranges import Count, CountOrZero, Fraction, NotNegative, Probability
from gan_jax.games import Game, Lazy
from gan_jax.games.adversarial import adversarial, alone, nothing, score_of
from gan_jax.games.gan import labelled, noise_alone, noise_and_label
from gan_jax.games.styles import Styles, style_mixing
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
    mixing: Probability = 0.9,
    penalty_every: Count = 16,
    path: NotNegative = 2.0,
    path_every: CountOrZero = 4,
    path_decay: Fraction = 0.01,
    path_shrink: Count = 2,
) -> Game:
    """G has the methods `mapping` and `synthesis`, see `games.styles`.

    penalty:       as in `gan`, every `penalty_every` steps, and as much stronger
    augmentation:  what D sees all examples through, and the penalty, too
    labels:        as in `gan`
    mixing:        how likely an example has styles of two latents
    path:          weight of the lengths' deviations, every `path_every` steps, and as
                   much stronger; 0 of them: no such turn
    path_decay:    how much of a new length gets into their running mean
    path_shrink:   of a minibatch's latents 1 in so many are looked at
    """
    styles = Styles(G, noise_and_label if labels else alone)
    view = augmentation or Augmentation()
    told = (lambda batch: (batch["y"],)) if labels else nothing
    latents = labelled(prior) if labels else noise_alone(prior)

    def init(key, z):
        params, stats = styles.init(key, z)
        return params, stats | ({"path_mean": jnp.zeros(())} if path_every else {})

    def mixed(numbers, params, stats, z, key):
        """(w, stats) of z, mixed with styles of further latents of the same labels."""
        z_key, mix_key = jax.random.split(key)
        further = prior(z_key, len(jax.tree.leaves(z)[0]))
        other = z | {"z": further} if labels else further
        how = mix_key, numbers["game"]["mixing"]
        return styles.mixed(params, stats, z, other, *how)

    def make(numbers, params, stats, z, key):
        w_key, g_key = jax.random.split(key)
        w, stats = mixed(numbers, params, stats, z, w_key)
        return styles.synthesis(params, stats, w, g_key, train=True)

    def d_penalty(params, stats, g, numbers, batch, key):
        keys = jax.random.split(key, 5)
        d_key, view_key, penalty_key, z_key, g_key = keys

        def critic(x):
            x = view.apply(stats, x, view_key, numbers)
            how = {"key": d_key, "train": True}
            return score_of(D.apply(params, stats, x, *told(batch), **how)[0])

        # R1 asks for none of these, and then they are not made
        fake, _ = make(numbers, g.params, g.stats, latents(z_key, batch), g_key)
        value = penalty(numbers)(critic, batch["x"], fake, penalty_key)
        return penalty_every * value, (stats, {"penalty": value})

    def path_penalty(params, stats, d, numbers, batch, key):
        z_key, w_key, g_key, y_key = jax.random.split(key, 4)
        w, stats = mixed(numbers, params, stats, latents(z_key, batch), w_key)
        w = w[: max(1, len(w) // path_shrink)]

        def images(w):
            return styles.synthesis(params, stats, w, g_key, train=True)[0]

        lengths = path_lengths(images, w, y_key)
        length, decay = jnp.mean(lengths), numbers["game"]["path_decay"]
        # the gradient goes through what is new in the mean, as in the authors' code
        mean = stats["path_mean"] + decay * (length - stats["path_mean"])
        value = numbers["game"]["path"] * jnp.mean(jnp.square(lengths - mean))
        stats = stats | {"path_mean": jax.lax.stop_gradient(mean)}
        return path_every * value, (stats, {"penalty": value, "path_length": length})

    played = adversarial(
        *(Network(init, styles.generate), D, loss, latents, None, augmentation),
        told=told,
        make=make,
        given=("y",) if labels else (),
        truncate=styles.truncate,
        pictures=(style_mixing(styles, latents),),
    )
    lazy = [Lazy("d", d_penalty, penalty_every)] if penalty is not None else []
    lazy += [Lazy("g", path_penalty, path_every)] if path_every else []
    return played._replace(lazy=tuple(lazy))


def path_lengths(images, w, key):
    """How far images move where w does: [n], for w [n, layers, dim] -> images(w).

    The length of J^T y, J what images change by w and y normal images over the root of
    their number of pixels (Karras et al. 2020, eq. 4); of the styles of several layers
    the root of the mean square.
    """
    x, pull_back = jax.vjp(images, w)
    y = jax.random.normal(key, x.shape, x.dtype) / (x.shape[1] * x.shape[2]) ** 0.5
    (slopes,) = pull_back(y)
    return jnp.sqrt(jnp.mean(jnp.sum(jnp.square(slopes), axis=2), axis=1))
