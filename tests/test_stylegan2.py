"""StyleGAN2's game: what its lazy turns minimise, in closed form on linear players."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses, penalties, priors
from gan_jax.augmentations import Augmentation
from gan_jax.games import Lazy, draw_latents, stylegan2
from gan_jax.networks import Network
from gan_jax.state import Player

KEY = jax.random.key(0)
DIM, LAYERS, SHAPE = 3, 4, (2, 2, 1)
RNG = np.random.default_rng(0)
MAP = jnp.asarray(RNG.normal(size=(DIM, 4)), jnp.float32)  # from styles to pixels
WEIGHTS = jnp.asarray(RNG.normal(size=SHAPE), jnp.float32)  # of D's score
NUMBERS = {
    "game": {"mixing": 0.9, "path": 2.0, "path_decay": 0.01},
    "penalty": {"gamma": 0.3},
    "step": 0,
}
BATCH = {"x": jnp.asarray(RNG.normal(size=(2, *SHAPE)), jnp.float32)}


def of_g(params, stats, x, key=None, train=False, method=None):
    """w is z, and an image is linear in the sum of its styles."""
    if method == "mapping":
        return jnp.repeat(x[:, None], LAYERS, axis=1), stats
    return (params["a"] * (x.sum(1) @ MAP)).reshape(-1, *SHAPE), stats


def of_d(params, stats, x, key=None, train=False):
    return jnp.sum((params["c"][None] * x).reshape(len(x), -1), -1), stats


G = Network(lambda key, z: ({"a": jnp.float32(1.5)}, {}), of_g)
D = Network(lambda key, x: ({"c": WEIGHTS}, {}), of_d)
TRIPLE = Augmentation(apply=lambda stats, x, key, numbers: 3 * x)


def made(**how):
    return stylegan2.game(
        *(G, D, losses.non_saturating(), priors.normal(dim=DIM)),
        penalty=lambda numbers: penalties.r1(**numbers["penalty"]).of,
        **how,
    )


def players(game):
    (d, d_stats), (g, g_stats) = game.init(KEY, BATCH)
    return Player(d, d_stats), Player(g, g_stats)


def test_lazy_turns_are_those_that_are_asked_for():
    def of(game):
        return [(lazy.player, lazy.every) for lazy in game.lazy]

    assert of(made()) == [("d", 16), ("g", 4)]
    assert isinstance(made().lazy[0], Lazy)
    few = made(path_every=0, penalty_every=5)
    assert of(few) == [("d", 5)]
    _, g = players(few)
    assert set(g.stats) == {"network", "w_mean"}
    parts = G, D, losses.non_saturating(), priors.normal(dim=DIM)
    assert of(stylegan2.game(*parts)) == [("g", 4)]


def test_r1_goes_through_the_augmentation_and_counts_for_all_steps_between():
    """gamma / 2 of the squared length of a linear D's slope, 3 c."""
    game = made(penalty_every=7, augmentation=TRIPLE)
    d, g = players(game)
    found = jax.jit(jax.value_and_grad(game.lazy[0].loss, has_aux=True))
    (value, (stats, said)), grads = found(d.params, d.stats, g, NUMBERS, BATCH, KEY)
    squares = np.sum(np.square(3 * WEIGHTS))
    np.testing.assert_allclose(said["penalty"], 0.15 * squares, rtol=1e-5)
    np.testing.assert_allclose(value, 7 * 0.15 * squares, rtol=1e-5)
    np.testing.assert_allclose(grads["c"], 7 * 0.3 * 9 * WEIGHTS, rtol=1e-4)
    assert stats == {}


def test_path_lengths_are_those_of_the_transposed_slope():
    w = jnp.asarray(RNG.normal(size=(5, LAYERS, DIM)), jnp.float32)
    y = np.asarray(jax.random.normal(KEY, (5, *SHAPE))).reshape(5, 4) / 2

    def images(w):
        weighed = w * jnp.arange(1.0, LAYERS + 1)[None, :, None]
        return (weighed.sum(1) @ MAP).reshape(-1, *SHAPE)

    found = stylegan2.path_lengths(images, w, KEY)
    one = np.sqrt(np.sum((y @ np.asarray(MAP).T) ** 2, -1))
    several = np.sqrt(np.mean(np.arange(1.0, LAYERS + 1) ** 2))
    np.testing.assert_allclose(found, several * one, rtol=1e-5)


def test_the_path_penalty_is_of_what_differs_from_the_mean():
    """Of one example, l long for a = 1: every weight (1 - decay)^2 (a l - mean)^2."""
    game = made(path_every=5)
    _, g = players(game)
    assert g.stats["path_mean"] == 0
    old, a, decay = 0.7, 1.5, 0.01
    stats = g.stats | {"path_mean": jnp.float32(old)}
    d = Player({}, {})
    found = jax.jit(jax.value_and_grad(game.lazy[1].loss, has_aux=True))
    (value, (moved, said)), grads = found(g.params, stats, d, NUMBERS, BATCH, KEY)
    length = float(said["path_length"]) / a
    assert length > 0.1
    far = (1 - decay) * (a * length - old)
    np.testing.assert_allclose(said["penalty"], 2 * far**2, rtol=1e-4)
    np.testing.assert_allclose(value, 5 * 2 * far**2, rtol=1e-4)
    slope = 5 * 2 * 2 * far * (1 - decay) * length
    np.testing.assert_allclose(grads["a"], slope, rtol=1e-4)
    mean = old + decay * (a * length - old)
    np.testing.assert_allclose(moved["path_mean"], mean, rtol=1e-6)
    # as much for the mean of several, which are looked at if none are left out
    game = made(path_every=5, path_shrink=1)
    alike, (_, said) = game.lazy[1].loss(g.params, stats, d, NUMBERS, BATCH, KEY)
    assert said["path_length"] != a * length
    assert alike != value


def test_styles_are_mixed_in_training_and_their_mean_moves_with_g_alone():
    game = made()
    d, g = players(game)

    def fakes(mixing):
        numbers = NUMBERS | {"game": NUMBERS["game"] | {"mixing": mixing}}
        seen = []

        def spy(params, stats, x, key=None, train=False):
            seen.append(x)
            return of_d(params, stats, x)

        spied = stylegan2.game(
            *(G, Network(D.init, spy), losses.non_saturating(), priors.normal(dim=DIM))
        )
        _, (stats, _) = spied.g_loss(g.params, g.stats, d, numbers, BATCH, KEY)
        return seen[-1], stats

    alone, stats = fakes(0.0)
    mixed, same = fakes(1.0)
    assert np.abs(alone - mixed).min() > 1e-6
    # an image is a sum over layers: of one latent, LAYERS times what each gives
    z = jnp.linalg.lstsq(MAP.T, alone.reshape(2, 4).T / (1.5 * LAYERS))[0].T
    np.testing.assert_allclose(stats["w_mean"], 0.005 * z.mean(0), rtol=1e-3)
    np.testing.assert_array_equal(same["w_mean"], stats["w_mean"])
    _, (d_stats, said) = game.d_loss(d.params, d.stats, g, NUMBERS, BATCH, KEY)
    assert d_stats == {}
    assert "penalty" not in said


@pytest.mark.parametrize("labels", [False, True])
def test_what_truncation_gives_is_generated(labels):
    G_of_labels = Network(
        lambda key, z, y=None: G.init(key, z),
        lambda params, stats, z, y=None, **how: of_g(params, stats, z, **how),
    )
    game = stylegan2.game(
        *(G_of_labels, D, losses.non_saturating(), priors.normal(dim=DIM)),
        labels=labels,
    )
    assert game.given == (("y",) if labels else ())
    y = {"y": jnp.array([0, 1])} if labels else {}
    z = draw_latents(game, KEY, 2, **y)
    params, stats = {"a": jnp.float32(1.5)}, {"network": {}, "w_mean": jnp.ones(DIM)}
    plain, _ = game.generate(params, stats, z)
    whole, _ = game.generate(params, stats, game.truncate(params, stats, z, 1.0))
    np.testing.assert_allclose(whole, plain, rtol=1e-5)
    none, _ = game.generate(params, stats, game.truncate(params, stats, z, 0.0))
    expected = 1.5 * LAYERS * np.asarray(MAP).sum(0).reshape(SHAPE)
    np.testing.assert_allclose(none[0], expected, rtol=1e-5)
    np.testing.assert_array_equal(none[0], none[1])
