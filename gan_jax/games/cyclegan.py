"""CycleGAN (Zhu et al. 2017, arXiv:1703.10593): two sets, translated into each other.

No image has a partner in the other set. What is held on to is that the way there and
back ends where it began.
"""

import jax
import jax.numpy as jnp

from gan_jax.config.ranges import CountOrZero, NotNegative
from gan_jax.games import Game, Picture
from gan_jax.games.adversarial import of_examples
from gan_jax.games.translation import in_threes, on_grid, side_by_side
from gan_jax.losses import Loss
from gan_jax.networks import Network, has_batch_norm, same_update

_INTO = {"X": "G", "Y": "F"}  # the network that makes images of a set
_FROM = {"X": "Y", "Y": "X"}  # and the set that it makes them of


def game(
    G: Network,
    D: Network,
    loss: Loss,
    *,
    cycle: NotNegative = 10.0,
    identity: NotNegative = 5.0,
    pool: CountOrZero = 50,
) -> Game:
    """G: Y -> X and F: X -> Y, one player; D: x -> scores, of x or of its patches.

    X is `config.data`, Y is `config.other`. The players' parameters are {"G": .., "F":
    ..} and {"X": .., "Y": ..}, each network made as the config says.

    cycle:    weight of the mean distance of pixels, there and back; 10 in the paper,
              beside a least-squares loss that is twice `losses.least_squares`
    identity: the same, of what a network makes of images that are in its set already
    pool:     how many made images of each set D remembers (see `remember`); 0: none
    """

    def latents(key, batch):
        return {"input": batch["other"]["x"]}

    def init(key, batch):
        sets, keys = _sets(batch), jax.random.split(key, 4)
        nets = {"F": G.init(keys[0], sets["X"]), "G": G.init(keys[1], sets["Y"])}
        judges = {"X": D.init(keys[2], sets["X"]), "Y": D.init(keys[3], sets["Y"])}
        (d, d_stats), g = _apart(judges), _apart(nets)
        if pool:
            d_stats["pool"] = {name: empty_pool(pool, sets[name]) for name in sets}
        return (d, d_stats), g

    def run(name, params, stats, x, key=None, train=False):
        """What network `name` makes of x, and the player's statistics."""
        made, moved = G.apply(params[name], stats[name], x, key=key, train=train)
        return made, stats | {name: moved}

    def generate(params, stats, z, key=None, train=False):
        return run("G", params, stats, z["input"], key, train)

    def d_loss(params, stats, g, numbers, batch, key):
        sets, total, metrics = _sets(batch), 0.0, {}
        for name, own_key in _keys(key).items():
            g_key, _, _, real_key, fake_key, pool_key = own_key
            x = sets[_FROM[name]]
            fake, _ = run(_INTO[name], g.params, g.stats, x, g_key, train=True)
            if pool:
                fake, held = remember(stats["pool"][name], fake, pool_key)
                stats = stats | {"pool": stats["pool"] | {name: held}}
            d, before = params[name], stats[name]
            d_real, moved = D.apply(d, before, sets[name], key=real_key, train=True)
            moved = same_update(before, moved)
            d_fake, moved = D.apply(d, moved, fake, key=fake_key, train=True)
            stats = stats | {name: moved}
            value, said = loss.d(d_real, d_fake), loss.verdicts(d_real, d_fake)
            total, said = total + value, {"loss": value, **said}
            metrics |= said if name == "X" else _of_other(said)
        return total, (stats, metrics)

    def g_loss(params, stats, d, numbers, batch, key):
        sets, bare, far = _sets(batch), 0.0, {"cycle": 0.0, "identity": 0.0}
        for name, own_key in _keys(key).items():
            g_key, back_key, same_key, real_key, fake_key, _ = own_key
            into, back, x = _INTO[name], _INTO[_FROM[name]], sets[_FROM[name]]
            fake, stats = run(into, params, stats, x, g_key, train=True)
            again, stats = run(back, params, stats, fake, back_key, train=True)
            same, stats = run(into, params, stats, sets[name], same_key, train=True)
            judge = d.params[name], d.stats[name]
            d_real, _ = D.apply(*judge, sets[name], key=real_key, train=True)
            d_fake, _ = D.apply(*judge, fake, key=fake_key, train=True)
            bare += loss.g(d_real, d_fake)
            far["cycle"] += jnp.mean(jnp.abs(again - x))
            far["identity"] += jnp.mean(jnp.abs(same - sets[name]))
        extra = sum(numbers["game"][name] * far[name] for name in far)
        return bare + extra, (stats, {"loss": bare, **far})

    def score(d, g, batch):
        key, train = jax.random.key(0), has_batch_norm(d.stats)
        judge = d.params["X"], d.stats["X"]
        return of_examples(D.apply(*judge, batch["x"], key=key, train=train)[0])

    def translation(name):
        return lambda params, stats, x, key: run(name, params, stats, x)[0]

    def there_and_back(there, back):
        def draw(params, stats, shown):
            (x,) = shown
            made = on_grid(lambda x: run(there, params, stats, x)[0], x)
            again = on_grid(lambda x: run(back, params, stats, x)[0], made)
            return side_by_side(x, made, again, channels=x.shape[-1])

        return draw

    def picture(name, source, there, back, held_out=True):
        inputs = in_threes(lambda batch: _sets(batch)[source])
        return Picture(name, inputs, there_and_back(there, back), held_out)

    return Game(
        *(init, d_loss, g_loss, latents, generate, score, loss),
        given=("other",),
        translate=translation("G"),
        translate_back=translation("F"),
        pictures=(
            picture("samples", "Y", "G", "F"),
            picture("back", "X", "F", "G"),
            picture("training", "Y", "G", "F", held_out=False),
        ),
    )


def _sets(batch):
    return {"X": batch["x"], "Y": batch["other"]["x"]}


def _keys(key):
    """Of each set, keys of all that is random; both losses split alike."""
    of_x, of_y = jax.random.split(key)
    return {"X": jax.random.split(of_x, 6), "Y": jax.random.split(of_y, 6)}


def _apart(networks):
    """{name: (params, stats)} -> {name: params}, {name: stats}"""
    params = {name: params for name, (params, _) in networks.items()}
    return params, {name: stats for name, (_, stats) in networks.items()}


def _of_other(metrics):
    return {f"other_{name}": value for name, value in metrics.items()}


def empty_pool(size: int, x):
    """Room for `size` images like those of x [n, ...]."""
    return {"x": jnp.zeros((size, *x.shape[1:])), "held": jnp.zeros((), jnp.int32)}


def remember(pool, fakes, key):
    """Made images, half of them exchanged for older ones: -> (what is judged, pool).

    A history of images (Shrivastava et al. 2017, section 2.3), as CycleGAN's code has
    it: until the pool is full all are kept, and judged as they are; then each, by a
    coin, is judged itself, or takes the place of a remembered one, which is judged.

    pool: {"x": [size, ...], "held": how many of these are images yet}. Of a minibatch
          larger than it, what does not fit is judged as it is.
    """
    size = len(pool["x"])
    n = min(size, len(fakes))
    fakes, rest = fakes[:n], fakes[n:]
    place_key, coin_key = jax.random.split(key)
    full = pool["held"] >= size
    free = (pool["held"] + jnp.arange(n)) % size
    places = jnp.where(full, jax.random.permutation(place_key, size)[:n], free)
    exchanged = full & jax.random.bernoulli(coin_key, shape=(n,))
    exchanged = exchanged.reshape(-1, *[1] * (fakes.ndim - 1))
    older = pool["x"][places]
    judged = jnp.concatenate([jnp.where(exchanged, older, fakes), rest])
    kept = jnp.where(exchanged | ~full, fakes, older)
    held = jnp.minimum(pool["held"] + n, size)
    return judged, {"x": pool["x"].at[places].set(kept), "held": held}
