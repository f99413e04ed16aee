"""What D sees examples through: how often, how much, and how p moves."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from test_every_game import BRIEF, same
from test_main import refused

import gan_jax
from gan_jax import augmentations, build, losses, penalties
from gan_jax.config.files import load_experiment, override
from gan_jax.errors import UsageError
from gan_jax.games.adversarial import adversarial
from gan_jax.loop.population import train_population
from gan_jax.networks import Network
from gan_jax.state import Player
from gan_jax.transforms import colour, pipe, plane, policy

KEY = jax.random.key(0)
N = 400
SHAPE = N, 8, 12, 3


def noise(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


IMAGES = noise(*SHAPE)
# every value from 0 to 1, in other orders along the two axes
EVEN = np.stack([np.arange(N), np.random.default_rng(1).permutation(N)]) / np.float32(N)


def changed(x, before=IMAGES):
    """The share of images that are not what they were."""
    return np.mean(np.any(np.asarray(x) != before, axis=(1, 2, 3)))


# --- DiffAugment ---------------------------------------------------------------------


def test_the_policy_draws_for_each_image_what_is_published():
    def amounts(x):
        """What is done to each image, read off it."""
        grey = jnp.mean(x, -1, keepdims=True)
        added = policy.brightness(EVEN, x) - x
        chroma = policy.saturation(EVEN, x) - grey
        factor = jnp.sum(chroma * (x - grey), (1, 2, 3))
        factor /= jnp.sum(jnp.square(x - grey), (1, 2, 3))
        contrast = jnp.std(policy.contrast(EVEN, x), (1, 2, 3))
        return added[:, 0, 0, 0], factor, contrast / jnp.std(x, (1, 2, 3))

    ranges = (-0.5, 0.5), (0, 2), (0.5, 1.5)
    for found, (low, high) in zip(jax.jit(amounts)(IMAGES), ranges, strict=True):
        expected = low + (high - low) * EVEN[0]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_policy_moves_by_an_eighth_and_cuts_a_half():
    ones = jnp.ones(SHAPE)
    moved = np.asarray(policy.translation(EVEN, ones))[..., 0]
    rows, columns = moved.max(2).argmax(1), moved.max(1).argmax(1)
    lost = 8 - moved.max(2).sum(1), 12 - moved.max(1).sum(1)
    assert [int(most.max()) for most in lost] == [1, 2]  # 12/8 is rounded up
    # each of three moves and of five as often, along each axis by itself
    assert [round(np.mean(moves > 0), 2) for moves in (rows, columns)] == [0.33, 0.4]
    assert [round(np.mean(most > 0), 2) for most in lost] == [0.67, 0.8]
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.15
    holes = 1 - np.asarray(policy.cutout(EVEN, ones))[..., 0]
    height, width = holes.max(2).sum(1), holes.max(1).sum(1)
    np.testing.assert_array_equal(holes.sum((1, 2)), height * width)
    assert (height.min(), height.max(), width.min(), width.max()) == (2, 4, 3, 6)
    # the middle is as often anywhere from one edge to the other
    assert abs(np.mean(height == 4) - 5 / 9) < 0.01
    assert abs(np.mean(width == 6) - 7 / 13) < 0.01


def test_parts_of_a_policy_are_made_in_their_order():
    x = IMAGES[:8]
    names = "cutout", "translation", "color"
    view = augmentations.diff_augment(policy=names)
    found, in_grey = jax.jit(
        lambda x: [view.apply({}, each, KEY, {}) for each in (x, x[..., :1])]
    )(x)
    even = jax.random.uniform(KEY, (5, 2, 8))
    order = (policy.cutout, policy.translation, policy.brightness, policy.saturation,
             policy.contrast)  # fmt: skip
    for draws, change in zip(even, order, strict=True):
        x = change(draws, x)
    np.testing.assert_allclose(found, x, atol=1e-6)
    assert changed(found, IMAGES[:8]) == 1
    assert in_grey.shape == (8, 8, 12, 1)


# --- the pipe ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bgc():
    return jax.jit(functools.partial(pipe.augmented, KEY, groups=pipe.GROUPS))


def test_p_of_0_leaves_images_to_the_bit_and_of_1_none(bgc):
    np.testing.assert_array_equal(bgc(IMAGES, 0.0), IMAGES)
    found = bgc(IMAGES, 1.0)
    assert changed(found) == 1
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(bgc(IMAGES, 1.0), found)  # the key says it all


def test_each_image_has_draws_of_its_own(bgc):
    alike = np.broadcast_to(IMAGES[:1], SHAPE)
    found = np.asarray(bgc(alike, 1.0)).reshape(N, -1)
    assert len(np.unique(found, axis=0)) == N


def unchanged(p, of_color=1.0):
    """The share of images that a group leaves alone: every draw missed, or nothing."""
    whole_pixels = 1 - 1 / 2 * 1 / 3  # by up to 1 and up to 1.5, rounded: not both 0
    c = of_color * p
    return {
        "blit": (1 - p / 2) * (1 - p * 3 / 4) * (1 - p * whole_pixels),
        "geom": (1 - p) ** 4,  # the two rotations are one change
        "color": (1 - c) ** 4 * (1 - c / 2),  # a luma flip is a coin's toss
        "cutout": 1 - p,
    }


@pytest.mark.parametrize("group", pipe.GROUPS)
def test_each_change_is_made_with_probability_p(group):
    through = jax.jit(functools.partial(pipe.augmented, groups=(group,)))
    n = 1_000
    x = noise(n, 8, 12, 3) + 2
    for p, of_color in ((0.3, 1.0), (0.6, 0.5)):
        found = through(KEY, x, p, of_color=of_color)
        share = unchanged(p, of_color)[group]
        error = np.sqrt(share * (1 - share) / n)
        assert abs(1 - changed(found, x) - share) < 4 * error


def test_draws_are_even_and_normal():
    draws = jax.jit(lambda: pipe._draws(KEY, 3, 4_000))()
    hit, even, normal = (np.stack(each) for each in zip(*draws, strict=True))
    assert (hit.shape, even.shape, normal.shape) == ((3, 4_000), *[(3, 2, 4_000)] * 2)
    for x in (hit, even, scipy.stats.norm.cdf(normal)):
        drawn = np.sort(x.reshape(-1, 4_000))
        np.testing.assert_allclose(
            drawn, 0 * drawn + np.linspace(0, 1, 4_000), atol=0.04
        )
    together = np.corrcoef(np.concatenate([hit, *even, *normal]))
    assert np.abs(together - np.eye(len(together))).max() < 0.07


def test_amounts_are_those_published():
    """By draws from 0 to 1, and from minus to plus three standard deviations."""
    even, normal = EVEN, 6 * EVEN - 3

    changes = {each for group in pipe._PLANE.values() for each in group}
    changes = [*changes, *pipe._COLOUR]
    draws = pipe.Draws(even[0], jnp.asarray(even), jnp.asarray(normal))
    found = jax.jit(lambda draws: [change(draws, (8, 12)) for change in changes])(draws)
    coin = np.where(even[0] < 0.5, -1, 1)
    quarters = np.floor(4 * even[0]) * np.pi / 2
    angle = np.pi * (2 * even[0] - 1)
    zoom = 2 ** (0.2 * normal[0])
    expected = {
        pipe._mirror: plane.scaling(coin, 1),
        pipe._quarters: plane.rotation(quarters),
        pipe._whole_pixels: plane.translation(
            np.round(1.5 * (2 * even[1] - 1)), np.round(2 * even[0] - 1)
        ),
        pipe._scale: plane.scaling(zoom, zoom),
        pipe._turn: plane.rotation(angle),
        pipe._stretch: plane.scaling(zoom, 1 / zoom),
        pipe._move: plane.translation(1.5 * normal[1], normal[0]),
        pipe._brightness: colour.brightness(0.2 * normal[0]),
        pipe._contrast: colour.contrast(2 ** (0.5 * normal[0])),
        pipe._luma_flip: colour.luma(np.float32(coin)),
        pipe._hue: colour.hue(angle),
        pipe._saturation: colour.saturation(2 ** normal[0]),
    }
    assert set(changes) == set(expected)
    for change, matrix in zip(changes, found, strict=True):
        np.testing.assert_allclose(matrix, expected[change], rtol=1e-4, atol=1e-5)


# --- how p moves ---------------------------------------------------------------------


def test_p_follows_the_sign_of_what_d_says_of_the_data():
    """As published: by examples seen over 1,000 kimg, every so many minibatches."""
    view = augmentations.ada(target=0.5, kimg=0.1, every=2)
    update = jax.jit(view.update)
    stats = view.carried({"other": jnp.ones(2)})
    random = np.random.default_rng(1)
    p, signs = 0.0, []
    # overfitting until p is 1, then its opposite until it is 0; an exact hit of target
    rows = [random.normal(3, 1, 8)] * 30 + [random.normal(-1, 1, 8)] * 30
    rows += [np.array([1, 1, 1, 1, 1, 1, -1, -1.0])] * 4 + [random.normal(1, 1, 8)] * 6
    for i, d_real in enumerate(rows):
        stats, metrics = update(stats, d_real, {})
        signs.append(np.sign(d_real))
        if i % 2:
            direction = np.sign(np.mean(signs) - 0.5)
            p, signs = np.clip(p + direction * 16 / 100, 0, 1), []
        np.testing.assert_allclose(stats["augmentation"]["p"], p, atol=1e-6)
        np.testing.assert_allclose(metrics["augmentation_p"], p, atol=1e-6)
        np.testing.assert_allclose(metrics["real_sign"], np.sign(d_real).mean())
        np.testing.assert_array_equal(stats["other"], 1)
        if i in (29, 59, 63):
            assert p == (1 if i == 29 else 0)
    assert p > 0


def test_numbers_of_the_step_come_before_those_of_the_config():
    view = augmentations.ada(target=0.5, kimg=0.1, every=1)
    members = {"augmentation": {"target": jnp.array([0.5, 0.99, 0.5]),
                                "kimg": jnp.array([0.1, 0.1, 0.4])}}  # fmt: skip
    d_real = jnp.array([1.0] * 9 + [-1.0])  # a mean sign of 0.8

    @jax.jit
    @jax.vmap
    def p_of(numbers):
        return view.update(view.carried({}), d_real, numbers)[1]["augmentation_p"]

    np.testing.assert_allclose(p_of(members), [0.1, 0, 0.025], atol=1e-6)
    held = augmentations.fixed(p=1.0, pipe=("cutout",))
    x, asked = IMAGES[:8], {"augmentation": {"p": 0.0}}
    seen = jax.jit(lambda x: [held.apply({}, x, KEY, given) for given in ({}, asked)])
    as_configured, as_asked = seen(x)
    assert changed(as_configured, x) == 1
    np.testing.assert_array_equal(as_asked, x)
    assert held.update({}, d_real, asked) == ({}, {"augmentation_p": 0.0})


# --- in a game -----------------------------------------------------------------------


def mean_brightness(params, stats, x, *, key=None, train=False):
    return jnp.mean(x, (1, 2, 3)) * params, stats


def copying(params, stats, z, *, key=None, train=False):
    return z * params, stats


def test_real_and_made_are_seen_alike_with_draws_of_their_own():
    """Of the same images, by a D that says how bright they are."""
    view = augmentations.fixed(p=0.8, pipe=("color", "cutout"))
    plain = Network(lambda key, *x: (jnp.ones(()), {}), None)
    game = adversarial(
        plain._replace(apply=copying),
        plain._replace(apply=mean_brightness),
        losses.wasserstein(),
        lambda key, batch: batch["x"],
        lambda numbers: penalties.r1(gamma=2.0).of,
        view,
        d_also=lambda numbers, seen: (0.0, {"seen": (seen.real, seen.fake)}),
    )
    x = jnp.broadcast_to(jnp.asarray(IMAGES[:1, :8, :8] + 0.5), (N, 8, 8, 3))

    @jax.jit
    def d_loss(x):
        (d, _), (g, _) = game.init(KEY, {"x": x})
        return game.d_loss(d, {}, Player(g, {}), {}, {"x": x}, KEY)

    _, (_, metrics) = d_loss(x)
    real, fake = map(np.asarray, metrics["seen"])
    assert abs(np.corrcoef(real, fake)[0, 1]) < 0.15
    assert real.std() > 0.2
    assert abs(real.mean() - fake.mean()) < 5 * real.std() / np.sqrt(N / 2)
    np.testing.assert_allclose(real.std(), fake.std(), rtol=0.25)
    # D's slope is in the image before, which contrast and holes make another one
    assert metrics["penalty"] > 0
    of_a_mean = 1 / x[0].size
    assert abs(metrics["penalty"] / of_a_mean - 1) > 0.01


def experiment(*changes):
    made, _ = load_experiment("experiments/digits.py")
    plain = "generator.name=mlp", "discriminator.name=mlp", "devices=1"
    small = "generator.widths=8", "discriminator.widths=8"
    own = [flag for flag in BRIEF if "name=tiny" not in flag]
    flags = [*own, *plain, *small, "augmentation.name=ada", *changes]
    override(made, [tuple(flag.split("=", 1)) for flag in flags])
    return made


@pytest.mark.slow
def test_it_trains_goes_on_has_company_and_spreads(tmp_path):
    """With packs and in bfloat16; p is resumed bit for bit, and each member's own."""
    flags = "augmentation.kimg=0.05", "augmentation.every=1", "augmentation.target=-1"

    flags += "pack=2", "dtype=bfloat16", "augmentation.pipe=blit"

    def config(*changes):
        return experiment(*flags, *changes)

    alone = gan_jax.train(config("steps=4"), tmp_path / "alone")
    gan_jax.train(config("steps=2"), tmp_path / "twice")
    assert same(alone, gan_jax.train(config("steps=4"), tmp_path / "twice"))
    metrics = gan_jax.load(tmp_path / "alone").metrics()
    moves = np.diff(metrics["d_augmentation_p"], prepend=0)
    np.testing.assert_allclose(moves, 4 / 50 * (metrics["d_real_sign"] > -1), rtol=1e-5)
    assert np.abs(metrics["validation_d_real_sign"][-1]) <= 1
    other = config("steps=4", "augmentation.kimg=0.1")
    folders = [tmp_path / "first", tmp_path / "second"]
    assert train_population([config("steps=4"), other], folders) == [None, None]
    of = [gan_jax.load(folder).state.d.stats["augmentation"]["p"] for folder in folders]
    assert of[0] == alone.d.stats["augmentation"]["p"]
    np.testing.assert_allclose(of[1], of[0] / 2)
    spread = gan_jax.train(config("steps=4", "devices=2"), tmp_path / "spread")
    for a, b in zip(
        *(jax.tree.leaves((x.d.params, x.g.params)) for x in (alone, spread)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-4)


def test_p_burns_in():
    config = experiment(
        *("augmentation.name=fixed", "augmentation.p=0.8", "schedule.name=burn_in"),
        *("schedule.steps=10", "schedule.numbers=augmentation.p", "schedule.initial=0"),
    )
    info = {"shape": (8, 8, 1), "classes": ()}
    built = build.build(config, info, mean=None)
    hparams = build.hparams(config)
    for step, p in ((0, 0.0), (5, 0.4), (10, 0.8), (99, 0.8)):
        found = built.schedule(hparams, step)["augmentation"]["p"]
        np.testing.assert_allclose(found, p, atol=1e-6)


# --- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("experiment", "flags", "message"),
    [
        (
            "toy2d",
            ["augmentation.name=diff_augment"],
            r"diff_augment is of images .* not of examples of shape \(2,\)",
        ),
        ("toy2d", ["augmentation.name=ada"], "ada is of images"),
        (
            "digits",
            ["augmentation.name=diff_augment", "augmentation.policy=color,cutuot"],
            "diff_augment: policy=cutuot; did you mean 'cutout'?",
        ),
        (
            "digits",
            ["augmentation.name=ada", "augmentation.pipe=blit,colour"],
            "ada: pipe=colour; did you mean 'color'?",
        ),
        (
            "digits",
            ["augmentation.name=fixed", "augmentation.p=1.5"],
            "config.augmentation.p=1.5: must be between 0 and 1",
        ),
        (
            "digits",
            ["augmentation.name=fixed"],
            "augmentation fixed needs --config.augmentation.p=",
        ),
        (
            "digits",
            ["augmentation.name=ada", "augmentation.kimg=0"],
            "config.augmentation.kimg=0.0: must be positive",
        ),
        (
            "digits",
            ["augmentation.name=ada", "loss.name=relativistic"],
            "which says nothing in game gan with loss relativistic",
        ),
        (
            "digits",
            ["augmentation.name=adda"],
            "unknown augmentation 'adda'; did you mean 'ada'?",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(gan, tmp_path, experiment, flags, message):
    outcome = gan(
        f"--config=experiments/{experiment}.py",
        f"--workdir={tmp_path}/run",
        *(f"--config.{flag}" for flag in flags),
    )
    refused(outcome, message)
    assert not (tmp_path / "run").exists()


def test_colours_of_other_images_are_refused():
    given = {}, IMAGES[:2, ..., :2], KEY, {}
    with pytest.raises(UsageError, match="1 or 3 channels, not of 2"):
        jax.eval_shape(augmentations.fixed(p=0.5).apply, *given)
    left = augmentations.fixed(p=0.5, pipe=("blit", "geom"))
    assert jax.eval_shape(left.apply, *given).shape == (
        2,
        8,
        12,
        2,
    )
