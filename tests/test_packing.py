"""A D that judges several examples at once is D on what they are together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax import build
from gan_jax.config.files import from_json, load_experiment, override, to_json
from gan_jax.config.validation import validate
from gan_jax.data import loading
from gan_jax.errors import UsageError
from gan_jax.models import dcgan_mnist, maxout, mlp, pacgan
from gan_jax.networks import network, packed

KEY = jax.random.key(0)


def judge(m, shape, n=4):
    """A packed D, its parameters, and examples for n packs of m."""
    D = network(mlp.Discriminator(widths=(8,)))
    x = jax.random.normal(KEY, (n * m, *shape))
    return D, packed(D, m), *packed(D, m).init(KEY, x), x


def size(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(("shape", "m"), [((2,), 2), ((28, 28, 1), 2), ((5, 4, 3), 3)])
def test_a_pack_is_joined_along_the_last_axis(shape, m):
    D, pack, params, stats, x = judge(m, shape)
    scores, after = pack.apply(params, stats, x, train=True)
    assert scores.shape == (4,)
    assert after == stats
    for i, score in enumerate(scores):
        joined = jnp.concatenate(list(x[i * m : (i + 1) * m]), axis=-1)
        assert joined.shape == (*shape[:-1], m * shape[-1])
        expected = D.apply(params, stats, joined[None])[0][0]
        np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-5)


def test_a_pack_of_one_is_the_network_itself():
    D = network(mlp.Discriminator())
    assert packed(D, 1) is D


def test_packs_are_judged_each_for_itself_and_as_a_whole():
    _, pack, params, stats, x = judge(2, (2,))

    def scores(x):
        return np.asarray(pack.apply(params, stats, x)[0])

    in_other_order = scores(x.reshape(4, 4)[jnp.array([2, 0, 3, 1])].reshape(8, 2))
    np.testing.assert_allclose(in_other_order, scores(x)[[2, 0, 3, 1]], rtol=1e-5)
    # no symmetry is built in
    swapped = scores(x.reshape(4, 2, 2)[:, ::-1].reshape(8, 2))
    assert (np.abs(swapped - scores(x)) > 1e-3).all()
    # a change in one example changes the score of its pack alone
    moved = np.abs(scores(x.at[5].add(1.0)) - scores(x))
    assert (moved > 1e-4).tolist() == [False, False, True, False]


def test_examples_that_fill_no_packs_are_refused():
    _, pack, params, stats, x = judge(3, (2,))
    with pytest.raises(UsageError, match="pack=3: 11 examples"):
        pack.apply(params, stats, x[:-1])


@pytest.mark.parametrize(
    ("module", "shape", "first"),
    [
        (mlp.Discriminator(), (2,), 2 * 256),
        (pacgan.Discriminator(), (2,), 2 * 1000),
        (maxout.Discriminator(), (28, 28, 1), 784 * 1200),
        (dcgan_mnist.Discriminator(), (28, 28, 1), 5 * 5 * 32),
    ],
)
def test_only_the_first_layer_grows(module, shape, first):
    sizes = []
    for m in (1, 2, 4):
        init = packed(network(module), m).init
        sizes.append(size(jax.eval_shape(init, KEY, jnp.zeros((2 * m, *shape)))[0]))
    assert np.diff(sizes).tolist() == [first, 2 * first]


def test_keys_and_statistics_reach_the_network():
    module = maxout.Discriminator(units=4, dropout=0.5)
    pack = packed(network(module), 2)
    x = jax.random.normal(KEY, (8, 3))
    params, stats = pack.init(KEY, x)
    one, other = (
        pack.apply(params, stats, x, key=jax.random.key(i), train=True)[0]
        for i in range(2)
    )
    assert (one != other).any()


# In a game


def experiment(*changes):
    config, _ = load_experiment("toy2d.py")
    small = ("generator.widths", "8"), ("discriminator.widths", "8")
    override(config, [*small, ("batch_size", "12"), *changes])
    return config


def built(*changes):
    config = experiment(*changes)
    made = build.build(config, {"shape": (2,), "classes": ()}, mean=None)
    return made, build.initial_state(config, made)


@pytest.mark.parametrize("m", [2, 3])
def test_a_packed_game_has_the_losses_of_packs(m):
    made, state = built(("pack", str(m)))
    game, d, g = made.game, state.d, state.g
    batch = {"x": jax.random.normal(KEY, (12, 2))}
    loss, (_, metrics) = game.d_loss(d.params, d.stats, g, {}, batch, KEY)
    g_loss = game.g_loss(g.params, g.stats, d, {}, batch, KEY)[0]

    # D on packs, written out
    z = game.latents(jax.random.split(KEY, 4)[0], batch)
    fake, _ = game.generate(g.params, g.stats, z)
    D = network(mlp.Discriminator(widths=(8,)))
    d_real, d_fake = (
        D.apply(d.params, d.stats, x.reshape(12 // m, 2 * m))[0]
        for x in (batch["x"], fake)
    )
    assert d_real.shape == (12 // m,)
    np.testing.assert_allclose(loss, made.game.loss.d(d_real, d_fake), rtol=1e-5)
    np.testing.assert_allclose(g_loss, made.game.loss.g(d_real, d_fake), rtol=1e-5)
    np.testing.assert_allclose(
        metrics["real"], jax.nn.sigmoid(d_real).mean(), rtol=1e-5
    )


def test_single_examples_are_scored_as_packs_of_copies_of_themselves():
    made, state = built(("pack", "3"))
    d = state.d
    D = network(mlp.Discriminator(widths=(8,)))
    for n in (1, 2, 5):
        x = jax.random.normal(KEY, (n, 2))
        scores = made.game.score(d, state.g, {"x": x})
        expected = D.apply(d.params, d.stats, jnp.concatenate([x, x, x], axis=1))[0]
        assert scores.shape == (n,)
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_pacgan_s_protocol(name, modes):
    config, _ = load_experiment(f"{name}.py")
    assert (config.steps, config.batch_size, config.turns) == (
        400_000,
        100,
        "simultaneous",
    )
    assert to_json(config)["prior"] == {"name": "normal", "dim": 2}
    adam = {"name": "adam", "learning_rate": 1e-4, "b1": 0.8}
    assert to_json(config)["d_optimizer"] == to_json(config)["g_optimizer"] == adam
    dataset = loading.load_dataset(config)
    assert (dataset.size, len(dataset.info["modes"]["means"])) == (100_000, modes)
    made = build.build(config, dataset.info, dataset.mean)
    state = build.initial_state(config, made)
    # as its code prints them
    assert (size(state.g.params), size(state.d.params)) == (484_802, 405_201)
    params, stats = state.g.params, state.g.stats["batch_stats"]
    kernels = [layer["kernel"] for player in (state.g, state.d)
               for layer in player.params.values() if "kernel" in layer]  # fmt: skip
    assert len(kernels) == 5 + 4
    for kernel in kernels:
        tolerance = 5 * 0.02 / np.sqrt(2 * kernel.size)
        assert abs(float(kernel.std()) - 0.02) < tolerance
    assert [("bias" in params[f"Dense_{i}"]) for i in range(5)] == [False] * 4 + [True]

    # population statistics move by 5 % of the way
    x = jnp.zeros((100, 2))
    z = made.game.latents(KEY, {"x": x})
    G = network(pacgan.Generator(shape=(2,)))
    _, moved = G.apply(params, state.g.stats, z, train=True)
    mean = (z @ params["Dense_0"]["kernel"]).mean(axis=0)
    running = moved["batch_stats"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(running, 0.05 * mean, rtol=1e-3, atol=1e-7)
    assert not stats["BatchNorm_0"]["mean"].any()


# In a run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("pack", "0")], "config.pack=0: must be at least 1"),
        ([("pack", "5")], "batch_size=12 is no multiple of config.pack=5"),
        ([("pack", "24")], "batch_size=12 is no multiple of config.pack=24"),
    ],
)
def test_packs_that_a_batch_does_not_make_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        validate(experiment(*changes))


def test_packed_images_train_are_judged_and_painted(gan, small, tmp_path):
    flags = (
        *("--config.steps=4", "--config.pack=4", "--config.validate_every=2"),
        *("--config.data.split=train[:1000]", "--config.log_every=2"),
    )
    split = "--config.data.validation_split=train["
    workdir = f"--workdir={tmp_path}/run"
    outcome = gan(*small, *flags, f"{split}1000:1003]", workdir)
    assert outcome.status == 2
    assert "pack=4 is larger than the held-out data: 3 examples" in outcome.error
    other = (
        *("--config.game.name=cyclegan", "--config.other.name=digits"),
        *("--config.other.split=train[:100]", "--config.pack=1"),
        *("--config.other.validation_split=train[100:103]", "--config.accumulate=4"),
    )
    outcome = gan(*small, *flags, f"{split}1000:1100]", *other, workdir)
    assert outcome.status == 2
    assert "accumulate=4 is larger than the held-out data: 3 examples" in outcome.error
    assert not (tmp_path / "run").exists()

    # 11 examples are held out: two packs of them are judged
    outcome = gan(*small, *flags, f"{split}1000:1011]", workdir)
    assert outcome.status == 0, outcome.err
    run = gan_jax.load(tmp_path / "run")
    assert np.isfinite(run.metrics()["validation_d_loss"]).all()
    assert run.state.d.params["Dense_0"]["kernel"].shape == (8 * 8 * 4, 16)
    images = run.sample(300)
    scores = run.discriminate(images)
    assert scores.shape == (300,)
    np.testing.assert_allclose(run.discriminate(images[:7]), scores[:7], rtol=1e-4)


def test_runs_of_older_versions_have_no_packs():
    record = to_json(experiment())
    assert record.pop("pack") == 1
    assert from_json(record).pack == 1
