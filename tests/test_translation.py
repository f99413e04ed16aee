"""Laws of what makes images of images: games, networks, variation, distances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses
from gan_jax.data.inputs import grey_levels, half_resolution
from gan_jax.data.variation import jitter, mirror
from gan_jax.errors import UsageError
from gan_jax.games import cyclegan, pix2pix
from gan_jax.games.cyclegan import empty_pool, remember
from gan_jax.metrics.translation import distance
from gan_jax.models import cyclegan as cyclegan_nets
from gan_jax.models import pix2pix as pix2pix_nets
from gan_jax.networks import Network, network
from gan_jax.state import Player

KEY = jax.random.key(0)
LOSS = losses.least_squares()


def parameters(module, *inputs):
    shapes = jax.eval_shape(lambda: module.init(KEY, *inputs))["params"]
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


# --- networks ------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "count"), [(256, 54_414_531), (128, 41_829_571)])
def test_the_u_net_has_the_published_parameters(size, count):
    x = jnp.zeros((1, size, size, 3))
    assert parameters(pix2pix_nets.Generator(shape=x.shape[1:]), x) == count


def test_the_patch_gan_has_the_published_parameters():
    x = jnp.zeros((1, 256, 256, 3))
    assert parameters(pix2pix_nets.Discriminator(), x, x) == 2_768_705


@pytest.mark.parametrize(("count", "side"), [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_a_score_is_of_a_patch(count, side):
    module = pix2pix_nets.Discriminator(width=2, layers=count)
    x = jax.random.normal(KEY, (1, 96, 96, 1))

    def middle(x):
        # norms see the whole image: a window of convolutions alone
        scores = module.apply(variables, x)
        return scores[0, scores.shape[1] // 2, scores.shape[2] // 2]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pix2pix_nets, "norm", lambda h: h)
        variables = jax.jit(module.init)(KEY, x)
        seen = np.asarray(jax.jit(jax.grad(middle))(x))[0, ..., 0] != 0
    for axis in (0, 1):
        rows = np.flatnonzero(seen.any(axis))
        assert rows[-1] - rows[0] + 1 == side


def test_the_residual_generator_keeps_the_size_of_any_image():
    module = cyclegan_nets.Generator(shape=(16, 16, 3), width=2, blocks=1)
    variables = jax.jit(module.init)(KEY, jnp.zeros((1, 16, 16, 3)))
    for size in ((16, 16), (20, 28)):
        x = jnp.zeros((2, *size, 3))
        assert jax.eval_shape(module.apply, variables, x).shape == x.shape
    with pytest.raises(UsageError, match="divisible by 4, not \\(18, 16, 3\\)"):
        module.apply(variables, jnp.zeros((1, 18, 16, 3)))


def test_a_u_net_takes_what_halves_as_often_as_it_does():
    module = pix2pix_nets.Generator(shape=(16, 24, 1), width=2)
    variables = jax.jit(module.init)(KEY, jnp.zeros((1, 16, 24, 3)))
    for size in ((16, 24), (8, 40)):
        made = jax.eval_shape(module.apply, variables, jnp.zeros((2, *size, 3)))
        assert made.shape == (2, *size, 1)
    with pytest.raises(UsageError, match="divide by 8, not 16 x 20"):
        module.apply(variables, jnp.zeros((1, 16, 20, 3)))
    deep = pix2pix_nets.Generator(shape=(16, 24, 1), depth=4)
    with pytest.raises(UsageError, match="can be halved 3 times"):
        deep.init(KEY, jnp.zeros((1, 16, 24, 3)))


# --- games ---------------------------------------------------------------------------


def net(function):
    """A network of one parameter, which is given to `function` with the inputs."""
    return Network(
        lambda key, *inputs: (jnp.float32(1.0), {}),
        lambda p, stats, *inputs, key=None, train=False: (function(p, *inputs), stats),
    )


X = jax.random.normal(KEY, (4, 2, 2, 1))
Y = jax.random.normal(jax.random.key(1), (4, 2, 2, 1))


def test_pix2pix_is_a_conditional_game_and_a_distance():
    judge = net(lambda p, x, given: (x + 10 * given)[..., 0])
    game = pix2pix.game(net(lambda p, x: p * x), judge, LOSS)
    batch, numbers = {"x": X, "input": Y}, {"game": {"l1": 7.0}}
    d, g = Player(1.0, {}), Player(jnp.float32(0.5), {})
    value, (_, metrics) = game.g_loss(g.params, {}, d, numbers, batch, KEY)
    made = 0.5 * Y
    of_pair = (made + 10 * Y)[..., 0]
    far = jnp.mean(jnp.abs(made - X))
    np.testing.assert_allclose(metrics["l1"], far, rtol=1e-6)
    np.testing.assert_allclose(metrics["loss"], LOSS.g(None, of_pair), rtol=1e-6)
    np.testing.assert_allclose(value, metrics["loss"] + 7 * far, rtol=1e-6)
    value, _ = game.d_loss(d.params, {}, g, numbers, batch, KEY)
    expected = LOSS.d((X + 10 * Y)[..., 0], of_pair)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    scores = game.score(d, g, batch)
    np.testing.assert_allclose(
        scores, (X + 10 * Y).mean(axis=(1, 2, 3)), rtol=1e-5, atol=1e-6
    )


def test_a_translation_has_noise_and_does_not_depend_on_its_company():
    module = pix2pix_nets.Generator(shape=(16, 16, 1), width=4)
    G = network(module)
    game = pix2pix.game(G, net(lambda p, x, given: x[..., 0]), LOSS)
    x = jax.random.normal(KEY, (3, 16, 16, 1))
    params, stats = jax.jit(G.init)(KEY, x)
    translate = jax.jit(game.translate)
    together = translate(params, stats, x, KEY)
    for i in range(3):
        alone = translate(params, stats, x[i : i + 1], KEY)
        np.testing.assert_allclose(alone[0], together[i], atol=1e-5)
    other = translate(params, stats, x, jax.random.key(1))
    assert np.abs(other - together).max() > 1e-3
    sampled = jax.jit(game.generate)(params, stats, {"input": x}, KEY)[0]
    np.testing.assert_array_equal(sampled, together)


def cycle_game(**keywords):
    """G: y -> p y, F the same with its own p; D says what it sees."""
    judge = net(lambda p, x: p * x[..., 0])
    return cyclegan.game(net(lambda p, x: p * x), judge, LOSS, **keywords)


def test_cyclegan_is_two_games_and_what_holds_them_together():
    game = cycle_game(pool=0)
    batch = {"x": X, "other": {"x": Y}}
    numbers = {"game": {"cycle": 10.0, "identity": 5.0}}
    g = {"G": jnp.float32(2.0), "F": jnp.float32(0.5)}
    d = Player({"X": 1.0, "Y": 3.0}, {"X": {}, "Y": {}})
    stats = {"G": {}, "F": {}}
    value, (_, metrics) = game.g_loss(g, stats, d, numbers, batch, KEY)
    # 2 and 1/2 undo each other; what G does to its own set is to double it
    np.testing.assert_allclose(metrics["cycle"], 0, atol=1e-6)
    same = jnp.mean(jnp.abs(X)) + jnp.mean(jnp.abs(0.5 * Y))
    np.testing.assert_allclose(metrics["identity"], same, rtol=1e-6)
    bare = LOSS.g(None, 2 * Y) + LOSS.g(None, 3 * 0.5 * X)
    np.testing.assert_allclose(metrics["loss"], bare, rtol=1e-6)
    np.testing.assert_allclose(value, bare + 5 * same, rtol=1e-6)
    # and with another F the way back is missed by a known distance
    g["F"] = jnp.float32(1.0)
    _, (_, metrics) = game.g_loss(g, stats, d, numbers, batch, KEY)
    far = jnp.mean(jnp.abs(X)) + jnp.mean(jnp.abs(Y))
    np.testing.assert_allclose(metrics["cycle"], far, rtol=1e-6)
    player = Player(g, stats)
    value, (_, metrics) = game.d_loss(d.params, d.stats, player, numbers, batch, KEY)
    of_x, of_y = LOSS.d(X, 2 * Y), LOSS.d(3 * Y, 3 * X)
    np.testing.assert_allclose(metrics["loss"], of_x, rtol=1e-6)
    np.testing.assert_allclose(metrics["other_loss"], of_y, rtol=1e-6)
    np.testing.assert_allclose(value, of_x + of_y, rtol=1e-6)


def test_cyclegan_goes_both_ways_and_d_judges_what_it_remembers():
    game = cycle_game(pool=4)
    batch = {"x": X, "other": {"x": Y}}
    g, stats = {"G": jnp.float32(2.0), "F": jnp.float32(0.5)}, {"G": {}, "F": {}}
    np.testing.assert_array_equal(game.translate(g, stats, Y, KEY), 2 * Y)
    np.testing.assert_array_equal(game.translate_back(g, stats, X, KEY), 0.5 * X)
    (d, d_stats), _ = game.init(KEY, batch)
    _, (moved, _) = game.d_loss(d, d_stats, Player(g, stats), {}, batch, KEY)
    np.testing.assert_array_equal(moved["pool"]["X"]["x"], 2 * Y)
    np.testing.assert_array_equal(moved["pool"]["Y"]["x"], 0.5 * X)
    assert moved["pool"]["X"]["held"] == moved["pool"]["Y"]["held"] == 4


def test_a_pool_fills_up_and_then_exchanges_half():
    size, n, steps = 10, 4, 300
    pool, step_on = empty_pool(size, jnp.zeros((n, 1))), jax.jit(remember)
    exchanged, most = 0, 0
    for step in range(steps):
        fakes = jnp.arange(n, dtype=jnp.float32)[:, None] + n * step + 1
        held, before = int(pool["held"]), np.asarray(pool["x"])[:, 0]
        judged, pool = step_on(pool, fakes, jax.random.fold_in(KEY, step))
        judged, after = np.asarray(judged)[:, 0], np.asarray(pool["x"])[:, 0]
        new = np.asarray(fakes)[:, 0]
        if held < size:
            np.testing.assert_array_equal(judged, new)
            assert set(new) <= set(after)
            continue
        # nothing is lost and nothing is doubled
        assert sorted([*judged, *after]) == sorted([*new, *before])
        old = judged != new
        exchanged += old.sum()
        most = max(most, (step * n - judged[old]).max(initial=0))
    rate = exchanged / (n * (steps - 3))
    assert abs(rate - 0.5) < 4 * 0.5 / np.sqrt(n * steps)
    assert most > 5 * n  # some are remembered for long
    large = jnp.arange(13.0)[:, None]  # a minibatch beyond the pool
    judged, pool = remember(pool, large, KEY)
    assert judged.shape == large.shape
    np.testing.assert_array_equal(judged[size:], large[size:])


# --- variation and inputs ------------------------------------------------------------


def test_a_jitter_is_a_shift_of_the_enlarged_image():
    ramp = jnp.broadcast_to(jnp.arange(24.0)[:, None, None], (200, 24, 12, 1))
    cut = np.asarray(jitter(ramp, 4, KEY))
    assert cut.shape == ramp.shape
    inner = cut[:, 2:-2]
    slopes = np.diff(inner, axis=1)
    # 12 columns become 16, and 24 rows 32
    np.testing.assert_allclose(slopes, 24 / 32, atol=1e-4)
    assert (np.diff(inner, axis=2) == 0).all()
    starts = np.unique(np.round(inner[:, 0].ravel(), 4))
    assert len(starts) == 9  # places for 24 rows among 32
    np.testing.assert_allclose(np.diff(starts), 24 / 32, atol=1e-3)
    same = jnp.full((3, 8, 8, 2), 5.0)
    np.testing.assert_allclose(jitter(same, 2, KEY), same, rtol=1e-6)


def test_pictures_of_a_pair_move_alike():
    x = jax.random.normal(KEY, (16, 8, 8, 1))
    both = jnp.concatenate([x, x], -1)
    np.testing.assert_allclose(
        jitter(both, 3, KEY)[..., :1], jitter(x, 3, KEY), rtol=1e-5, atol=1e-6
    )
    chosen = jnp.arange(16) % 2 == 0
    turned = mirror(x, chosen)
    np.testing.assert_array_equal(turned[0], x[0, :, ::-1])
    np.testing.assert_array_equal(turned[1], x[1])


def test_half_the_resolution_is_a_mean_of_four():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 6, 8, 2), np.uint8)
    half = half_resolution(x)
    fours = x.reshape(3, 3, 2, 4, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(half[:, ::2, ::2], fours, atol=0.5)
    np.testing.assert_array_equal(half[:, ::2, ::2], half[:, 1::2, 1::2])
    np.testing.assert_array_equal(half_resolution(half), half)
    odd = half_resolution(x[:, :5, :7])
    assert odd.shape == (3, 5, 7, 2)
    np.testing.assert_array_equal(odd[:, :4, :6], half[:, :4, :6])


def test_grey_levels_are_pillows():
    from PIL import Image

    x = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), np.uint8)
    for image, grey in zip(x, grey_levels(x), strict=True):
        expected = np.asarray(Image.fromarray(image).convert("L"), np.int32)
        assert np.abs(grey[..., 0] - expected).max() <= 1
    with pytest.raises(UsageError, match="these are grey"):
        grey_levels(x[..., :1])


# --- distances -----------------------------------------------------------------------


def test_distances_are_those_of_the_pixels():
    x = np.full((3, 4, 4, 1), 100, np.uint8)
    y = x.copy()
    y[:, :2] += 51  # a fifth, in half of the pixels
    found = distance(x, y)
    assert found.l1 == pytest.approx(0.1)
    assert found.psnr == pytest.approx(-10 * np.log10(0.02))
    assert distance(x, x) == (0, 100)
    with pytest.raises(UsageError, match="shapes differ"):
        distance(x, y[:2])
