"""Laws of the games with labels, codes, encoders and autoencoders."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import games, losses, priors
from gan_jax.games import acgan, began, bigan, cogan, ebgan, infogan, semi_supervised
from gan_jax.games.gan import game as gan
from gan_jax.networks import Network
from gan_jax.state import Player

N, DIM = 6, 3
KEY = jax.random.key(0)
BATCH = {"x": jax.random.normal(KEY, (N, DIM)), "y": jnp.array([0, 1, 2, 0, 1, 2])}
PRIOR = priors.normal(dim=DIM)
SATURATING = losses.non_saturating()


def net(function):
    """A network of one parameter, which is given to `function` with the inputs."""
    return Network(
        lambda key, *inputs: (jnp.float32(1.0), {}),
        lambda p, stats, *inputs, key=None, train=False: (function(p, *inputs), stats),
    )


IDENTITY = net(lambda p, z, *more: p * z)
NOBODY = Player(jnp.float32(1.0), {})


def d_loss(game, params=1.0, numbers=None, batch=BATCH, stats=None, g=NOBODY):
    stats = {} if stats is None else stats
    return game.d_loss(params, stats, g, {"game": numbers or {}}, batch, KEY)


def g_loss(game, params=1.0, numbers=None, batch=BATCH, d=NOBODY):
    return game.g_loss(params, {}, d, {"game": numbers or {}}, batch, KEY)


# --- labels --------------------------------------------------------------------------


def test_both_players_are_told_the_labels_of_the_minibatch():
    told = []

    def judge(p, x, y):
        told.append(np.asarray(y))
        return p * x[:, 0] + y

    game = gan(net(lambda p, z, y: z + 10 * y[:, None]), net(judge), SATURATING, PRIOR)
    with pytest.raises(TypeError):  # without labels=True nobody is told
        d_loss(game)
    game = gan(
        net(lambda p, z, y: z + 10 * y[:, None]),
        net(judge),
        SATURATING,
        PRIOR,
        labels=True,
    )
    d_loss(game)
    assert len(told) == 2
    for y in told:
        np.testing.assert_array_equal(y, BATCH["y"])
    z = games.draw_latents(game, KEY, N, y=BATCH["y"])
    made, _ = game.generate(1.0, {}, z)
    np.testing.assert_allclose(made, z["z"] + 10 * BATCH["y"][:, None], rtol=1e-6)
    assert game.given == ("y",)
    scores = game.score(NOBODY, NOBODY, BATCH)
    np.testing.assert_allclose(scores, BATCH["x"][:, 0] + BATCH["y"], rtol=1e-6)


def test_the_auxiliary_loss_is_that_of_a_classifier_of_both():
    logits = 2 * jax.nn.one_hot(jnp.array([0, 1, 2, 1, 2, 0]), 3)  # right in half
    game = acgan.game(
        IDENTITY, net(lambda p, x: (p * x[:, 0], p * logits)), SATURATING, PRIOR
    )
    ones = {"d_weight": 1.0, "g_weight": 1.0}
    value, (_, metrics) = d_loss(game, numbers=ones)
    each = optax.softmax_cross_entropy(logits, jax.nn.one_hot(BATCH["y"], 3)).mean()
    np.testing.assert_allclose(metrics["class_loss"], 2 * each, rtol=1e-6)
    np.testing.assert_allclose(metrics["class_accuracy"], 0.5)
    np.testing.assert_allclose(value, metrics["loss"] + 2 * each, rtol=1e-6)
    value, (_, metrics) = g_loss(game, numbers=ones)
    np.testing.assert_allclose(value, metrics["loss"] + each, rtol=1e-6)
    doubled, _ = d_loss(game, numbers={"d_weight": 3.0, "g_weight": 1.0})
    np.testing.assert_allclose(doubled - d_loss(game, numbers=ones)[0], 4 * each, 1e-5)
    # a D that cannot tell: log 3 for each
    _, (_, metrics) = d_loss(game, params=0.0, numbers=ones)
    np.testing.assert_allclose(metrics["class_loss"], 2 * np.log(3), rtol=1e-6)


# --- codes ---------------------------------------------------------------------------


def reader(p, x):
    """Reads category and codes from the numbers of x, p times as loudly as they are."""
    return x[:, 0], jnp.concatenate([p * x[:, DIM:-2], x[:, -2:]], axis=-1)


def test_the_information_is_all_for_who_can_read_and_none_for_who_cannot():
    game = infogan.game(IDENTITY, net(reader), SATURATING, PRIOR)
    weights = {"weight": 1.0, "continuous_weight": 1.0}
    batch = {"x": jnp.zeros((N, DIM + 12))}
    # H(category) + H(U(-1, 1)) x 2 + log density of N(mean, 1) at its mean, twice
    known = 2 * (np.log(2) - 0.5 * np.log(2 * np.pi))
    _, (_, metrics) = d_loss(game, params=100.0, numbers=weights, batch=batch)
    np.testing.assert_allclose(metrics["information"], np.log(10) + known, rtol=1e-5)
    np.testing.assert_allclose(metrics["category_loss"], 0.0, atol=1e-6)
    _, (_, metrics) = d_loss(game, params=0.0, numbers=weights, batch=batch)
    np.testing.assert_allclose(metrics["information"], known, rtol=1e-5)
    value, (_, metrics) = g_loss(game, numbers=weights, batch=batch)
    extra = metrics["category_loss"] + metrics["code_loss"]
    np.testing.assert_allclose(value, metrics["loss"] + extra, rtol=1e-6)


def test_codes_are_as_likely_as_they_say():
    game = infogan.game(IDENTITY, net(reader), SATURATING, PRIOR, categories=4)
    z = games.draw_latents(game, KEY, 4_000)
    shares = np.bincount(z["category"], minlength=4) / 4_000
    assert 0.22 < shares.min() <= shares.max() < 0.28
    assert z["code"].shape == (4_000, 2)
    assert -1 <= z["code"].min() < -0.99 < 0.99 < z["code"].max() <= 1
    assert abs(np.mean(z["code"])) < 0.03


def test_pictures_of_codes_change_one_thing_at_a_time():
    game = infogan.game(IDENTITY, net(reader), SATURATING, PRIOR)
    samples, code_1, code_2 = game.pictures
    rows, columns = 10, 5
    z = samples.inputs(KEY, {}, rows, columns)
    grid = jax.tree.map(lambda x: np.asarray(x).reshape(rows, columns, -1), z)
    for name in ("z", "code"):  # a column has the same noise and codes
        assert (grid[name] == grid[name][:1]).all()
        assert (grid[name][0, 0] != grid[name][0, 1]).any()
    assert (grid["category"][..., 0] == np.arange(10)[:, None]).all()
    for i, picture in enumerate((code_1, code_2)):
        z = picture.inputs(KEY, {}, rows, columns)
        code = np.asarray(z["code"]).reshape(rows, columns, 2)
        assert (code[..., i] == np.linspace(-2, 2, columns, dtype=np.float32)).all()
        assert np.ptp(code[..., 1 - i]) == 0
        assert np.ptp(np.asarray(z["z"]), axis=0).max() == 0
    shown = samples.draw(1.0, {}, samples.inputs(KEY, {}, 2, 2))
    assert shown.shape == (4, DIM + 12)


# --- encoders ------------------------------------------------------------------------


def pairs_of(x, z):
    return jnp.concatenate([x, z], axis=-1)


def make_bigan(judge):
    encoder = net(lambda p, x: (p * x, 2 * p * x))
    return bigan.game(IDENTITY, net(judge), encoder, SATURATING, PRIOR)


BOTH = Player({"G": jnp.float32(1.0), "E": jnp.float32(1.0)}, {"G": {}, "E": {}})


def test_the_encoders_loss_is_the_generators_seen_from_the_other_side():
    game = make_bigan(lambda p, x, z: p * (x + 2 * z).sum(-1))
    (value, (_, metrics)) = game.g_loss(BOTH.params, BOTH.stats, NOBODY, {}, BATCH, KEY)
    z = PRIOR(jax.random.split(KEY, 5)[0], N)
    real, fake = 3 * BATCH["x"].sum(-1), 3 * z.sum(-1)
    made, coded = jax.nn.softplus(-fake).mean(), jax.nn.softplus(real).mean()
    np.testing.assert_allclose(metrics["loss"], made, rtol=1e-5)
    np.testing.assert_allclose(metrics["encoder_loss"], coded, rtol=1e-5)
    np.testing.assert_allclose(value, made + coded, rtol=1e-5)
    np.testing.assert_allclose(game.encode(BOTH, BATCH["x"]), BATCH["x"])
    np.testing.assert_allclose(game.features(BOTH, BATCH["x"]), 2 * BATCH["x"])


def test_pairs_of_an_inverse_cannot_be_told_apart():
    """With E = G^-1 and data of G's own law, any D sees the same pairs."""
    game = make_bigan(lambda p, x, z: p * jnp.sum(x * z, -1))
    batch = {"x": PRIOR(jax.random.split(KEY, 5)[0], N)}  # what G makes of these z
    _, (_, metrics) = game.d_loss(1.0, {}, BOTH, {}, batch, KEY)
    np.testing.assert_allclose(metrics["real"], metrics["fake"], rtol=1e-6)
    other = Player({"G": jnp.float32(1.0), "E": jnp.float32(-1.0)}, BOTH.stats)
    _, (_, metrics) = game.d_loss(1.0, {}, other, {}, batch, KEY)
    assert metrics["real"] < 0.5 < metrics["fake"]


def test_reconstructions_lie_below_their_examples():
    game = make_bigan(lambda p, x, z: p * x.sum(-1))
    (picture,) = game.pictures
    half = {"G": jnp.float32(0.5), "E": jnp.float32(1.0)}
    for rows in (4, 3):
        x = jnp.arange(rows * 2 * DIM, dtype=jnp.float32).reshape(-1, DIM)
        shown = picture.inputs(KEY, {"x": x}, rows, 2)
        grid = np.asarray(picture.draw(half, BOTH.stats, shown)).reshape(rows, 2, DIM)
        upper = x.reshape(rows, 2, DIM)[: (rows + 1) // 2]
        np.testing.assert_allclose(grid[0::2], upper)
        np.testing.assert_allclose(grid[1::2], upper[: rows // 2] / 2)


# --- half of the labels --------------------------------------------------------------

LABELLED = BATCH | {"other": {"x": BATCH["x"][::-1], "y": BATCH["y"]}}
WEIGHTS = {"unlabelled": 1.0, "average": 0.75}


def make_semi_supervised(**keywords):
    loss = losses.non_saturating(terms="sum")
    classifier = net(lambda p, x: (p * x, p * jnp.square(x)))
    return semi_supervised.game(IDENTITY, classifier, loss, PRIOR, **keywords)


def test_d_is_a_classifier_with_one_more_class_whose_logit_is_zero():
    game, stats = make_semi_supervised(), {"D": {}, "average": jnp.float32(0.0)}
    value, (moved, metrics) = d_loss(game, 2.0, WEIGHTS, LABELLED, stats)
    z = PRIOR(jax.random.split(KEY, 5)[0], N)

    def log_p(x):  # of K + 1 classes
        return jax.nn.log_softmax(jnp.pad(2 * x, ((0, 0), (0, 1))))

    real, made = log_p(BATCH["x"]), log_p(z)
    expected = -jnp.log1p(-jnp.exp(real[:, -1])).mean() - made[:, -1].mean()
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    told = jax.nn.log_softmax(2 * LABELLED["other"]["x"])
    wrong = -told[jnp.arange(N), BATCH["y"]].mean()
    np.testing.assert_allclose(metrics["class_loss"], wrong, rtol=1e-6)
    np.testing.assert_allclose(value, wrong + expected, rtol=1e-6)
    alone, _ = d_loss(game, 2.0, WEIGHTS | {"unlabelled": 0.0}, LABELLED, stats)
    np.testing.assert_allclose(alone, wrong, rtol=1e-6)
    np.testing.assert_allclose(moved["average"], 0.25 * 2.0)  # 3/4 of 0, 1/4 of 2
    assert game.given == ("other", "other.y")
    averaged = Player(jnp.float32(7.0), {"D": {}, "average": jnp.float32(3.0)})
    np.testing.assert_allclose(game.classify(averaged, BATCH["x"]), 3 * BATCH["x"])


@pytest.mark.parametrize("matching", ["squared", "absolute"])
def test_g_matches_means_of_features(matching):
    game = make_semi_supervised(matching=matching)
    d = Player(jnp.float32(1.0), {"D": {}, "average": jnp.float32(0.0)})
    z = PRIOR(jax.random.split(KEY, 4)[0], N)
    value, _ = g_loss(game, 2.0, batch=LABELLED, d=d)
    apart = jnp.square(BATCH["x"]).mean(0) - jnp.square(2 * z).mean(0)
    power = 2 if matching == "squared" else 1
    np.testing.assert_allclose(value, jnp.mean(jnp.abs(apart) ** power), rtol=1e-5)
    # no need to be like the examples one by one
    value, _ = g_loss(game, 1.0, batch=LABELLED | {"x": -z}, d=d)
    assert value == 0


# --- autoencoders --------------------------------------------------------------------


def test_k_moves_towards_the_balance_and_stays_within_its_bounds():
    halves = net(lambda p, x: (p * x, x))
    game = began.game(IDENTITY, halves, PRIOR)
    numbers = {"gamma": 0.5, "k_rate": 0.1}
    z = PRIOR(jax.random.split(KEY, 4)[0], N)
    real, fake = (0.5 * float(jnp.abs(x).mean()) for x in (BATCH["x"], z))
    for k, rate in ((0.4, 0.1), (0.4, 1e3), (0.4, -1e3)):
        stats = {"D": {}, "k": jnp.float32(k)}
        seen = d_loss(game, 0.5, numbers | {"k_rate": rate}, stats=stats)
        value, (moved, metrics) = seen
        np.testing.assert_allclose(value, real - k * fake, rtol=1e-5)
        expected = np.clip(k + rate * (0.5 * real - fake), 0, 1)
        np.testing.assert_allclose(moved["k"], expected, rtol=1e-5)
        measure = real + abs(0.5 * real - fake)
        np.testing.assert_allclose(metrics["convergence"], measure, rtol=1e-5)
    d = Player(jnp.float32(0.5), {"D": {}, "k": jnp.float32(0.4)})
    found = game.measure(d, NOBODY, {"game": numbers}, BATCH, KEY)
    np.testing.assert_allclose(found, measure, rtol=1e-5)
    np.testing.assert_allclose(g_loss(game, d=d)[0], fake, rtol=1e-5)
    (_, d_stats), _ = game.init(KEY, BATCH)
    assert d_stats["k"] == 0


def test_d_cares_for_made_examples_up_to_the_margin():
    game = ebgan.game(IDENTITY, net(lambda p, x: (p * x, x)), PRIOR)
    z = PRIOR(jax.random.split(KEY, 7)[0], N)
    real, fake = (
        np.sqrt(np.square(0.5 * np.asarray(x)).mean(-1)) for x in (BATCH["x"], z)
    )
    for margin in (0.2, 10.0):
        value, (_, metrics) = d_loss(game, 0.5, {"margin": margin, "pull_away": 0.1})
        expected = real.mean() + np.maximum(0, margin - fake).mean()
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    d = Player(jnp.float32(0.5), {})
    value, (_, metrics) = g_loss(game, numbers={"pull_away": 0.1, "margin": 1.0}, d=d)
    alike = ebgan.alikeness(z)
    np.testing.assert_allclose(metrics["loss"], fake.mean(), rtol=1e-5)
    np.testing.assert_allclose(value, fake.mean() + 0.1 * alike, rtol=1e-5)


def test_codes_are_alike_where_they_point_one_way_whatever_their_length():
    one_way = jnp.array([[1.0, 2.0], [2.0, 4.0], [-3.0, -6.0]])
    np.testing.assert_allclose(ebgan.alikeness(one_way), 1.0, rtol=1e-6)
    np.testing.assert_allclose(ebgan.alikeness(jnp.eye(5)), 0.0, atol=1e-6)
    slanted = jnp.array([[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(ebgan.alikeness(slanted), 0.5, rtol=1e-6)


# --- two domains ---------------------------------------------------------------------


def test_a_latent_stands_for_an_example_of_either_domain():
    both = net(lambda p, z: (p * z, -p * z))
    judges = net(lambda p, a, b: (p * a.sum(-1), p * 2 * b.sum(-1)))
    game = cogan.game(both, judges, SATURATING, PRIOR)
    z = games.draw_latents(game, KEY, N)
    assert (z["domain"] == 0).all()
    np.testing.assert_allclose(game.generate(1.0, {}, z)[0], z["z"])
    z = z | {"domain": jnp.arange(N) % 2}
    signs = 1 - 2 * (np.arange(N) % 2)[:, None]
    np.testing.assert_allclose(game.generate(1.0, {}, z)[0], z["z"] * signs)
    value, (_, metrics) = d_loss(game, batch=LABELLED)
    parts = metrics["loss"] + metrics["other_loss"]
    np.testing.assert_allclose(value, parts, rtol=1e-6)
    noise = PRIOR(jax.random.split(KEY, 4)[0], N)
    other = SATURATING.d(2 * BATCH["x"].sum(-1), -2 * noise.sum(-1))
    np.testing.assert_allclose(metrics["other_loss"], other, rtol=1e-5)
    value, (_, metrics) = g_loss(game, batch=LABELLED)
    parts = metrics["loss"] + metrics["other_loss"]
    np.testing.assert_allclose(value, parts, rtol=1e-6)
    (picture,) = game.pictures
    for rows in (4, 3):
        shown = picture.inputs(KEY, {}, rows, 2)
        grid = np.asarray(picture.draw(1.0, {}, shown)).reshape(rows, 2, DIM)
        np.testing.assert_allclose(grid[1::2], -grid[0::2][: rows // 2])
        assert (grid[0, 0] != grid[0, 1]).any()
