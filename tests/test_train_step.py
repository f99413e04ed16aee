"""Algorithm 1: who moves when, on what, against whom."""

import functools
import re
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import losses, priors
from gan_jax.games.gan import game as gan
from gan_jax.models import mlp
from gan_jax.networks import network
from gan_jax.state import Player, init_state
from gan_jax.train_step import make_train_step, turn_keys
from gan_jax.turns import make_turns

N = 16
HPARAMS = {"d": {"learning_rate": 0.05}, "g": {"learning_rate": 0.02}, "ema_decay": 0.9}


class NormalisedG(nn.Module):
    @nn.compact
    def __call__(self, z, *, train=False):
        h = nn.relu(nn.Dense(8)(z))
        h = nn.BatchNorm(use_running_average=not train, momentum=0.9)(h)
        return nn.Dense(2)(h)


class NormalisedD(nn.Module):
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x, *, train=False):
        h = nn.Dropout(self.dropout, deterministic=not train)(nn.Dense(8)(x))
        h = nn.BatchNorm(use_running_average=not train, momentum=0.9)(h)
        return nn.Dense(1)(nn.leaky_relu(h))[:, 0]


def sgd(player):
    return lambda numbers: optax.sgd(numbers[player]["learning_rate"])


def make_game(d=None, loss=None):
    G, D = network(NormalisedG()), network(d or NormalisedD())
    return gan(G, D, loss or losses.non_saturating(), priors.normal(dim=3))


def setting(game=None, k=1, seed=0, ema=False, **keywords):
    """A step, a fresh state and k minibatches."""
    game = game or make_game()
    batch = {"x": 2 + jax.random.normal(jax.random.key(seed + 100), (k, N, 2))}
    state = init_state(
        game,
        sgd("d"),
        sgd("g"),
        HPARAMS,
        jax.random.key(seed),
        {"x": batch["x"][0]},
        ema,
    )
    return make_train_step(game, sgd("d"), sgd("g"), **keywords), state, batch


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def assert_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(leaves(key_data(a)), leaves(key_data(b)), strict=True):
        np.testing.assert_array_equal(x, y)


def assert_close(a, b, rtol=1e-5, atol=1e-6):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


def key_data(tree):
    def plain(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if is_key else leaf

    return jax.tree.map(plain, tree)


def differs(a, b):
    return any((x != y).any() for x, y in zip(leaves(a), leaves(b), strict=True))


# --- turns ---------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "g_steps"), [(1, 1), (3, 1), (2, 2)])
def test_k_updates_of_d_then_g_steps_of_g(k, g_steps):
    """Counted by an optimizer that adds 1 to every parameter at each update."""
    game = make_game()
    add_one = optax.stateless(
        lambda updates, params: jax.tree.map(jnp.ones_like, params)
    )
    count = lambda numbers: add_one  # noqa: E731
    _, state, batch = setting(game, k)
    step = make_train_step(game, count, count, g_steps=g_steps)
    after, _ = step(state, batch)
    for old, new in zip(leaves(state.d.params), leaves(after.d.params), strict=True):
        np.testing.assert_allclose(new - old, k, atol=1e-5)
    for old, new in zip(leaves(state.g.params), leaves(after.g.params), strict=True):
        np.testing.assert_allclose(new - old, g_steps, atol=1e-5)
    assert int(after.step) == 1


def test_each_update_of_d_has_its_own_minibatch():
    step, state, batch = setting(k=2)
    swapped = {"x": batch["x"].at[0].set(batch["x"][1] + 1)}
    assert differs(step(state, batch)[0].d.params, step(state, swapped)[0].d.params)
    _, metrics = step(state, batch)
    changed_last = {"x": batch["x"].at[1].add(1.0)}
    assert metrics["d_real"] != step(state, changed_last)[1]["d_real"]


def test_each_update_has_its_own_latents():
    _, state, _ = setting()
    drawn = [priors.normal(dim=3)(key, 4) for key in turn_keys(state, 3)]
    for i in range(3):
        for j in range(i):
            assert (drawn[i] != drawn[j]).all()


def test_g_plays_against_the_d_that_has_moved():
    """By hand: one update of D, then one of G on the same minibatch, against that D."""
    game = make_game()
    step, state, batch = setting(game)
    d_key, g_key = turn_keys(state, 2)
    x = {"x": batch["x"][0]}
    grads, (d_stats, _) = jax.grad(game.d_loss, has_aux=True)(
        state.d.params, state.d.stats, state.g, HPARAMS, x, d_key
    )
    d_params = jax.tree.map(lambda p, g: p - 0.05 * g, state.d.params, grads)
    d = state.d.replace(params=d_params, stats=d_stats)
    grads, (g_stats, _) = jax.grad(game.g_loss, has_aux=True)(
        state.g.params, state.g.stats, d, HPARAMS, x, g_key
    )
    g_params = jax.tree.map(lambda p, g: p - 0.02 * g, state.g.params, grads)
    after, _ = step(state, batch)
    assert_close(after.d.params, d_params)
    assert_close(after.g.params, g_params)
    assert_close(after.g.stats, g_stats)
    # against the old D it would have been another step
    old, _ = jax.grad(game.g_loss, has_aux=True)(
        state.g.params, state.g.stats, state.d, HPARAMS, x, g_key
    )
    assert not np.allclose(leaves(old)[-1], leaves(grads)[-1], rtol=1e-3)


def test_simultaneous_players_share_scores_and_move_from_the_same_state():
    """Latents and dropout masks agree, so both losses see the same fake scores."""
    seen = {}
    base = losses.non_saturating()

    def spy(name, function):
        def spied(d_real, d_fake):
            seen[name] = d_real, d_fake
            return function(d_real, d_fake)

        return spied

    loss = base._replace(d=spy("d", base.d), g=spy("g", base.g))
    game = make_game(NormalisedD(dropout=0.5), loss)
    step, state, batch = setting(game, update="simultaneous")
    with jax.disable_jit():
        after, _ = step(state, batch)
    for of_d, of_g in zip(seen["d"], seen["g"], strict=True):
        of_d, of_g = getattr(of_d, "primal", of_d), getattr(of_g, "primal", of_g)
        np.testing.assert_array_equal(np.asarray(of_d), np.asarray(of_g))
    (key,) = turn_keys(state, 1)
    grads, _ = jax.grad(game.g_loss, has_aux=True)(
        state.g.params, state.g.stats, state.d, HPARAMS, {"x": batch["x"][0]}, key
    )
    expected = jax.tree.map(lambda p, g: p - 0.02 * g, state.g.params, grads)
    assert_close(after.g.params, expected)


def test_alternating_and_simultaneous_are_different_algorithms():
    alternating, state, batch = setting()
    simultaneous, _, _ = setting(update="simultaneous")
    assert differs(
        alternating(state, batch)[0].g.params, simultaneous(state, batch)[0].g.params
    )


# --- what D sees ---------------------------------------------------------------------


def test_d_normalises_real_and_fake_by_their_own_statistics():
    """Joined in one pass, batch norm would use the mixture's statistics instead."""
    game, D, G = make_game(), network(NormalisedD()), network(NormalisedG())
    _, state, batch = setting(game)
    x, key = batch["x"][0] + 5, turn_keys(state, 1)[0]
    value, (stats, _) = game.d_loss(
        state.d.params, state.d.stats, state.g, HPARAMS, {"x": x}, key
    )
    z = priors.normal(dim=3)(jax.random.split(key, 4)[0], N)
    fake, _ = G.apply(state.g.params, state.g.stats, z, train=True)
    d_real, after_real = D.apply(state.d.params, state.d.stats, x, train=True)
    d_fake, after_both = D.apply(state.d.params, after_real, fake, train=True)
    loss = losses.non_saturating()
    np.testing.assert_allclose(value, loss.d(d_real, d_fake), rtol=1e-6)
    assert_close(stats, after_both)
    joined, _ = D.apply(
        state.d.params, state.d.stats, jnp.concatenate([x, fake]), train=True
    )
    assert not np.allclose(value, loss.d(joined[:N], joined[N:]), rtol=1e-2)


def test_each_loss_moves_only_its_own_statistics():
    step, state, batch = setting()
    after, _ = step(state, batch)
    assert differs(state.d.stats, after.d.stats)
    assert differs(state.g.stats, after.g.stats)


def test_metrics_are_those_of_the_players_last_updates():
    game = make_game()
    step, state, batch = setting(game)
    _, metrics = step(state, batch)
    (d_value, (_, d_metrics)), d_grads = jax.value_and_grad(game.d_loss, has_aux=True)(
        state.d.params,
        state.d.stats,
        state.g,
        HPARAMS,
        {"x": batch["x"][0]},
        turn_keys(state, 2)[0],
    )
    norm = np.sqrt(sum(np.sum(leaf**2) for leaf in leaves(d_grads)))
    np.testing.assert_allclose(metrics["d_loss"], d_value, rtol=1e-5)
    np.testing.assert_allclose(metrics["d_real"], d_metrics["real"], rtol=1e-5)
    np.testing.assert_allclose(metrics["d_grad_norm"], norm, rtol=1e-5)
    np.testing.assert_allclose(metrics["d_update_norm"], 0.05 * norm, rtol=1e-5)
    assert 0 <= metrics["d_fake_accuracy"] <= 1


# --- average, schedule, numbers ------------------------------------------------------


def test_ema_averages_parameters_and_batch_statistics():
    step, state, batch = setting(ema=True)
    after, _ = step(state, batch)
    expected = jax.tree.map(
        lambda old, new: 0.9 * old + 0.1 * new,
        (state.g.params, state.g.stats),
        (after.g.params, after.g.stats),
    )
    assert_close(after.g_ema, expected)
    assert_equal(after.sampler, after.g_ema)


def test_without_ema_there_is_nothing_to_carry():
    step, state, batch = setting()
    after, _ = step(state, batch)
    assert after.g_ema is None
    assert_equal(after.sampler, (after.g.params, after.g.stats))


def test_a_schedule_gives_the_numbers_of_its_step():
    def after_two(hparams, step):
        rate = jnp.where(step < 2, hparams["d"]["learning_rate"], 0.0)
        return hparams | {"d": {"learning_rate": rate}}

    step, state, batch = setting(schedule=after_two)
    states = [state]
    for _ in range(3):
        states.append(step(states[-1], batch)[0])
    assert differs(states[1].d.params, states[2].d.params)
    assert_equal(states[2].d.params, states[3].d.params)
    assert differs(states[2].g.params, states[3].g.params)


# --- transformations from outside ----------------------------------------------------


def many(step, state, batches):
    for i in range(len(batches["x"])):
        state, metrics = step(state, {"x": batches["x"][i]})
    return state, metrics


def test_scan_over_steps_equals_the_loop_bit_for_bit(start, finish):
    """In a process whose programs are compiled as users' are: in a hurry, XLA makes
    kernels that round otherwise in a loop.
    """
    code = "import test_train_step; test_train_step.scan_equals_the_loop()"
    as_users = {"XLA_FLAGS": "", "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
    outcome = finish(start("-c", code, cwd=Path(__file__).parent, **as_users))
    assert outcome.status == 0, outcome.err


def scan_equals_the_loop():
    step, state, _ = setting()
    batches = {"x": 2 + jax.random.normal(jax.random.key(5), (4, 1, N, 2))}
    looped, _ = many(jax.jit(step), state, batches)
    scanned, _ = jax.jit(functools.partial(jax.lax.scan, step))(state, batches)
    assert_equal(scanned, looped)


def test_turns_as_programs_of_their_own_equal_the_whole_step():
    step, state, batch = setting(k=3)
    turns = make_turns(make_game(), sgd("d"), sgd("g"), lambda h, s: h)
    d_turn, g_turn = jax.jit(turns["d"]), jax.jit(turns["g"])
    turned = state
    keys = turn_keys(state, 4)
    for j in range(3):
        turned, _ = d_turn(turned, {"x": batch["x"][j]}, keys[j])
    turned, _ = g_turn(turned, {"x": batch["x"][-1]}, keys[3])
    whole, _ = jax.jit(step)(state, batch)
    assert_close(turned.d.params, whole.d.params)
    assert_close(turned.g.params, whole.g.params)


def test_a_member_of_a_vmapped_population_equals_its_single_run():
    """Members differ in seed and in the learning rate, a number of the state."""
    game = make_game()
    rates = jnp.array([0.01, 0.05, 0.2])
    batches = {"x": 2 + jax.random.normal(jax.random.key(6), (5, 1, N, 2))}

    def member(key, rate):
        hparams = HPARAMS | {"d": {"learning_rate": rate}}
        return init_state(
            game, sgd("d"), sgd("g"), hparams, key, {"x": batches["x"][0, 0]}
        )

    keys = jax.random.split(jax.random.key(7), 3)
    step, _, _ = setting(game)
    population, _ = many(
        jax.jit(jax.vmap(step, in_axes=(0, None))),
        jax.vmap(member)(keys, rates),
        batches,
    )
    for i in range(3):
        single, _ = many(jax.jit(step), member(keys[i], rates[i]), batches)
        row = jax.tree.map(lambda leaf: leaf[i], population)  # noqa: B023
        assert_close(row.d.params, single.d.params)
        assert_close(row.g.params, single.g.params)


def test_the_result_does_not_depend_on_the_number_of_devices():
    devices = jax.devices()
    if len(devices) < 2:
        pytest.skip("one device; XLA_FLAGS=--xla_force_host_platform_device_count=2")
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, "data"))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    step, state, batch = setting(k=2)
    one, many_ = state, jax.device_put(state, everywhere)
    for _ in range(5):
        one, _ = jax.jit(step)(one, batch)
        many_, _ = jax.jit(step)(many_, jax.device_put(batch, spread))
    assert_close(many_.d.params, one.d.params, rtol=1e-5)
    assert_close(many_.g.params, one.g.params, rtol=1e-5)


def test_the_state_may_be_donated():
    """No buffer is shared with the caller, nor by two leaves of the state."""
    key, hparams = jax.random.key(0), jax.tree.map(jnp.float32, HPARAMS)
    game = make_game()
    batch = {"x": jnp.ones((1, N, 2))}
    state = init_state(
        game, sgd("d"), sgd("g"), hparams, key, {"x": batch["x"][0]}, True
    )
    step = jax.jit(make_train_step(game, sgd("d"), sgd("g")), donate_argnums=0)
    after, _ = step(state, batch)
    assert int(after.step) == 1
    assert float(hparams["ema_decay"]) == pytest.approx(0.9)
    assert jax.random.key_data(key).shape == (2,)


def test_the_key_of_a_run_is_never_replaced():
    step, state, batch = setting()
    after, _ = step(state, batch)
    np.testing.assert_array_equal(
        jax.random.key_data(after.key), jax.random.key_data(state.key)
    )
    first, second = turn_keys(state, 2), turn_keys(after, 2)
    assert differs(jax.random.key_data(first), jax.random.key_data(second))


# --- it learns -----------------------------------------------------------------------


def test_g_finds_the_mean_of_a_gaussian():
    """Data at (3, 3) with standard deviation 0.1: samples end where the data is."""
    G = network(mlp.Generator(shape=(2,), widths=(16,), output="linear"))
    D = network(mlp.Discriminator(widths=(16,)))
    game = gan(G, D, losses.non_saturating(), priors.normal(dim=2))
    adam = {p: lambda n, p=p: optax.adam(n[p]["learning_rate"], b1=0.5) for p in "dg"}
    hparams = {"d": {"learning_rate": 2e-3}, "g": {"learning_rate": 2e-3}}
    x = 3 + 0.1 * jax.random.normal(jax.random.key(1), (600, 1, 64, 2))
    state = init_state(
        game, adam["d"], adam["g"], hparams, jax.random.key(0), {"x": x[0, 0]}
    )
    step = make_train_step(game, adam["d"], adam["g"])
    z = game.latents(jax.random.key(2), {"x": np.empty((500, 0))})
    before = game.generate(*state.sampler, z)[0].mean(axis=0)
    state, _ = jax.jit(functools.partial(jax.lax.scan, step))(state, {"x": x})
    after = game.generate(*state.sampler, z)[0].mean(axis=0)
    assert np.abs(before - 3).max() > 1
    np.testing.assert_allclose(after, 3, atol=0.3)


# --- D outside of training -----------------------------------------------------------


def test_d_with_batch_norm_scores_images_by_their_own_statistics():
    """As in training, and unlike by running statistics of real and fake ones mixed."""
    game, D = make_game(), network(NormalisedD())
    _, state, _ = setting(game)
    x = 5 + jax.random.normal(jax.random.key(3), (N, 2))
    d = state.d
    expected, _ = D.apply(d.params, d.stats, x, train=True)
    by_running, _ = D.apply(d.params, d.stats, x)
    scores = game.score(d, state.g, {"x": x})
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    assert not np.allclose(scores, by_running, rtol=1e-2)


def test_d_with_dropout_alone_scores_without_it():
    D = network(Dropped())
    game = gan(network(NormalisedG()), D, losses.non_saturating(), priors.normal(dim=3))
    params, stats = D.init(jax.random.key(0), jnp.ones((2, 2)))
    x = jax.random.normal(jax.random.key(1), (N, 2))
    np.testing.assert_array_equal(
        game.score(Player(params, stats), None, {"x": x}),
        D.apply(params, stats, x)[0],
    )


class Dropped(nn.Module):
    @nn.compact
    def __call__(self, x, *, train=False):
        return nn.Dense(1)(nn.Dropout(0.5, deterministic=not train)(x))[:, 0]


def test_what_no_step_could_do_is_refused():
    with pytest.raises(ValueError, match="simultanous"):
        setting(update="simultanous")
    with pytest.raises(ValueError, match="g_steps=2"):
        setting(update="simultaneous", g_steps=2)
    step, state, batch = setting(k=2, update="simultaneous")
    with pytest.raises(ValueError, match="one minibatch"):
        step(state, batch)


def test_an_update_writes_over_the_parameters_without_a_copy():
    """The compiled step of a CPU; XLA copies what is read after it was written over."""
    game = gan(
        network(mlp.Generator((5,), widths=(61, 62))),
        network(mlp.Discriminator(widths=(67, 68))),
        losses.non_saturating(),
        priors.normal(dim=3),
    )
    batch = {"x": jnp.zeros((1, N, 5))}
    first = {"x": batch["x"][0]}
    state = init_state(game, sgd("d"), sgd("g"), HPARAMS, jax.random.key(0), first)
    step = make_train_step(game, sgd("d"), sgd("g"))
    text = jax.jit(step, donate_argnums=0).lower(state, batch).compile().as_text()
    shapes = {x.shape for player in (state.d, state.g) for x in leaves(player.params)}
    matrices = [shape for shape in shapes if len(shape) == 2 and 1 not in shape]
    assert len(matrices) > 2
    for rows, columns in matrices:
        assert f"f32[{rows},{columns}]" in text
        assert not re.search(rf"= f32\[{rows},{columns}\]\S* copy\(", text)
