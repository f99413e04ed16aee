"""InfoGAN (Chen et al. 2016, arXiv:1606.03657): codes that can be read in samples.

Beside noise, G is given a category and continuous codes, of which D's head Q makes out
what it can. Both players want it to: the mutual information of codes and samples is at
least H(codes) - E[-log Q(codes | sample)], their eq. 5.
"""

import math

import jax
import jax.numpy as jnp
import optax

from gan_jax.augmentations import Augmentation
from gan_jax.config.ranges import Count, CountOrZero, NotNegative
from gan_jax.errors import UsageError
from gan_jax.games import Game, Picture
from gan_jax.games.adversarial import adversarial
from gan_jax.losses import Loss
from gan_jax.networks import Network

_SHOWN = 2.0  # continuous codes are pictured from -2 to 2, beyond their range


def game(
    G: Network,
    D: Network,
    loss: Loss,
    prior,
    penalty=None,
    augmentation: Augmentation | None = None,
    *,
    categories: Count = 10,
    continuous: CountOrZero = 2,
    weight: NotNegative = 1.0,
    continuous_weight: NotNegative = 1.0,
) -> Game:
    """G: noise, category and codes in one vector -> x; D: x -> (scores, codes read).

    Latents are {z, category [n], code [n, continuous]}, categories equally likely and
    codes from U(-1, 1). What D reads is [n, categories + continuous]: logits of the
    category, and the means of normal distributions of deviation 1.

    weight, continuous_weight: of the information about category and codes; 1 each in
                               the authors' code
    """
    codes = jnp.eye(categories)

    def latents(key, batch):
        n = len(batch["x"])
        z_key, category_key, code_key = jax.random.split(key, 3)
        return {
            "z": prior(z_key, n),
            "category": jax.random.randint(category_key, (n,), 0, categories),
            "code": jax.random.uniform(code_key, (n, continuous), minval=-1.0),
        }

    def inputs(z):
        return (jnp.concatenate([z["z"], codes[z["category"]], z["code"]], -1),)

    def information(numbers, seen):
        """What is to be added to a loss, and the bound on the information, in nats."""
        _, read = seen.fake
        if read.shape[-1] != categories + continuous:
            raise UsageError(
                f"game infogan: D reads {read.shape[-1]} numbers, but {categories} "
                f"categories and {continuous} codes are {categories + continuous}"
            )
        logits, means = read[:, :categories], read[:, categories:]
        wrong = optax.softmax_cross_entropy_with_integer_labels(
            logits, seen.z["category"]
        )
        far = 0.5 * jnp.sum(jnp.square(means - seen.z["code"]), -1)
        wrong, far = jnp.mean(wrong), jnp.mean(far)
        # H of a uniform category and of U(-1, 1), less -log Q of what was given
        normal = 0.5 * math.log(2 * math.pi)
        bound = math.log(categories) - wrong
        bound += continuous * (math.log(2) - normal) - far
        own = numbers["game"]
        value = own["weight"] * wrong + own["continuous_weight"] * far
        told = {"category_loss": wrong, "code_loss": far, "information": bound}
        return value, told

    def cluster(d, x):
        (_, read), _ = D.apply(d.params, d.stats, x)
        return read[:, :categories]

    def rows_of_categories(key, batch, rows, columns):
        """A category a row; noise and codes are the same in all of a column."""
        z = latents(key, {"x": jnp.zeros((columns, 0))})
        z = jax.tree.map(lambda leaf: jnp.tile(leaf, (rows, *[1] * (leaf.ndim - 1))), z)
        return z | {"category": jnp.repeat(jnp.arange(rows) % categories, columns)}

    def rows_of_codes(i):
        def of(key, batch, rows, columns):
            """A category a row; from left to right one code grows from -2 to 2."""
            z = latents(key, {"x": jnp.zeros((1, 0))})
            z = jax.tree.map(lambda leaf: jnp.repeat(leaf, rows * columns, 0), z)
            values = jnp.tile(jnp.linspace(-_SHOWN, _SHOWN, columns), rows)
            category = jnp.repeat(jnp.arange(rows) % categories, columns)
            code = z["code"].at[:, i].set(values)
            return z | {"category": category, "code": code}

        return of

    played = adversarial(
        *(G, D, loss, latents, penalty, augmentation),
        inputs=inputs,
        d_also=information,
        g_also=information,
        cluster=cluster,
    )

    def draw(params, stats, z):
        return played.generate(params, stats, z)[0]

    codes_shown = (
        Picture(f"code_{i + 1}", rows_of_codes(i), draw) for i in range(continuous)
    )
    return played._replace(
        pictures=(Picture("samples", rows_of_categories, draw), *codes_shown)
    )
