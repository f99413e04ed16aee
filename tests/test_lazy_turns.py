"""Turns every so many steps, and games in phases: the same however they are run."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import dirac_gan, losses, priors
from gan_jax.build import build, initial_state
from gan_jax.config.files import load_experiment, override
from gan_jax.data import scaling
from gan_jax.data.dataset import make_dataset
from gan_jax.data.feed import make_feed
from gan_jax.data.source import Source
from gan_jax.games import Lazy
from gan_jax.lazy_turns import make_lazy_turns, with_lazy_turns
from gan_jax.loop import costs, parallel, teams, train
from gan_jax.loop.dispatch import make_dispatch
from gan_jax.train_step import make_train_step

TINY = {
    "devices": "1",
    "batch_size": "4",
    "d_steps": "2",
    "d_optimizer.name": "sgd",
    "d_optimizer.learning_rate": "0.05",
    "g_optimizer.name": "sgd",
    "g_optimizer.learning_rate": "0.02",
    "ema_decay": "0.5",
    "log_every": "100",
    "checkpoint_every": "100",
    "steps": "6",
}
STEPS = 6


def experiment(**changes):
    config, _ = load_experiment("experiments/toy2d.py")
    override(config, [(name, str(x)) for name, x in (TINY | changes).items()])
    return config


# the DiracGAN, of one number a player, which compiles soonest
CONFIG, NUMBERS = experiment(), np.random.default_rng(0).normal(size=(24, 1))
DATASET = make_dataset(Source(np.float32(NUMBERS)), scaling.identity())
DIRAC = dirac_gan.game(losses.non_saturating(), theta=0.5)
PRIOR = priors.normal(dim=1)  # for the pictures
DIRAC = DIRAC._replace(latents=lambda key, batch: PRIOR(key, len(batch["x"])))
BUILT = build(CONFIG, DATASET.info, DATASET.mean)._replace(game=DIRAC)
MESH = parallel.data_mesh(CONFIG)


def of_d(params, stats, g, numbers, batch, key):
    """A loss of all that a turn is given."""
    noise, output = jax.random.normal(key, ()), params["psi"] * batch["x"].mean()
    rate = 1 + numbers["step"]
    return rate * noise * output**2, (stats, {"seen": noise})


def of_g(params, stats, d, numbers, batch, key):
    noise, output = jax.random.normal(key, ()), params["theta"] * d.params["psi"]
    return noise * jnp.square(output + batch["x"].mean()), (stats, {})


LAZY = Lazy("d", of_d, 2), Lazy("g", of_g, 3)
WITH_LAZY = BUILT._replace(game=BUILT.game._replace(lazy=LAZY))


def parts(built):
    return built.game, built.d_tx, built.g_tx, built.schedule


def dispatched(config, built, cuts=(STEPS,)):
    """{step: what has been learned} where a dispatch ended, and what each has said.

    They end at the cuts, and wherever else they have to.
    """
    dispatch = make_dispatch(config, built, DATASET, MESH)
    state = parallel.everywhere(initial_state(config, built), MESH)
    feed, step, found, said = make_feed(config, DATASET, MESH), 0, {}, []
    for cut in cuts:
        while step < cut:
            ends = [end for end in dispatch.ends if end > step]
            stop = min([cut, step + dispatch.most, *ends])
            state, metrics = dispatch.run(state, feed, step, stop)
            found[stop], step = learned(state), stop
            said.append(metrics)
    return found, said


def learned(state):
    leaves = jax.tree.leaves((state.step, state.d, state.g, state.g_ema))
    return [np.array(leaf) for leaf in leaves]


def assert_close(a, b):
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def far(a, b):
    return max(np.abs(one - other).max() for one, other in zip(a, b, strict=True))


def minibatches():
    """Those of every step, stacked."""
    arrays, rows = make_feed(CONFIG, DATASET, MESH).fetch(0, STEPS)
    return {"x": jnp.asarray(arrays["x"])[rows.reshape(STEPS, 2, -1)]}


@pytest.fixture(scope="module")
def plain():
    """What the game without lazy turns has learned after all steps."""
    return dispatched(CONFIG, BUILT)[0][STEPS]


@pytest.fixture(scope="module")
def one_by_one():
    """Every step and every lazy turn a program of its own; and what each has said."""
    return dispatched(CONFIG, WITH_LAZY)


@pytest.fixture
def lazy(one_by_one):
    """What it has learned after all steps."""
    return one_by_one[0][STEPS]


# --- lazy turns ----------------------------------------------------------------------


def test_after_every_so_many_steps_a_turn_by_hand(lazy, plain):
    step = jax.jit(make_train_step(*parts(BUILT)))
    gradient = {
        player: jax.jit(jax.grad(loss, has_aux=True))
        for player, loss in (("d", of_d), ("g", of_g))
    }
    state, batches = initial_state(CONFIG, BUILT), minibatches()

    def turn(state, player, opponent, rate, i, key):
        own, other = getattr(state, player), getattr(state, opponent)
        last = {"x": batches["x"][i, -1]}
        grads, _ = gradient[player](own.params, {}, other, {"step": i}, last, key)
        params = jax.tree.map(lambda p, g: p - np.float32(rate) * g, own.params, grads)
        return state.replace(**{player: own.replace(params=params)})

    for i in range(STEPS):
        keys = jax.random.split(jax.random.fold_in(state.key, i), 5)
        state, _ = step(state, {"x": batches["x"][i]})
        if i in (1, 3, 5):
            state = turn(state, "d", "g", 0.05, i, keys[3])
        if i in (2, 5):
            state = turn(state, "g", "d", 0.02, i, keys[4])
    assert_close(learned(state), lazy)
    assert far(plain, lazy) > 1e-3


def test_what_a_lazy_turn_says_is_said_after_its_step(one_by_one):
    for i, metrics in enumerate(one_by_one[1]):
        assert ("d_lazy_loss" in metrics) == (i in (1, 3, 5))
        assert ("d_lazy_seen" in metrics) == (i in (1, 3, 5))
        assert ("g_lazy_loss" in metrics) == (i in (2, 5))
        assert "d_loss" in metrics


def test_in_one_program_under_scan(lazy):
    turns = make_lazy_turns(*parts(WITH_LAZY), taken=3)
    step = with_lazy_turns(make_train_step(*parts(WITH_LAZY)), turns)
    scan = jax.jit(functools.partial(jax.lax.scan, step))
    state, _ = scan(initial_state(CONFIG, WITH_LAZY), minibatches())
    assert_close(learned(state), lazy)


def test_in_a_dispatch_of_many_steps(lazy):
    found, _ = dispatched(experiment(steps_per_dispatch=4), WITH_LAZY, cuts=(3, STEPS))
    assert list(found) == [3, STEPS]
    assert_close(found[STEPS], lazy)


@pytest.mark.parametrize("long", ["()", "5,1,0"])
def test_they_are_among_the_programs_of_a_step(long):
    """Called so often in a step, whose operations they add to."""
    config = experiment(d_steps_long=long)
    plain = costs.programs(config, BUILT, DATASET, MESH)
    lazy = costs.programs(config, WITH_LAZY, DATASET, MESH)
    assert [times for *_, times in lazy[len(plain) :]] == [1 / 2, 1 / 3]
    assert costs.operations(lazy) > costs.operations(plain) > 0


def test_turn_by_turn(one_by_one):
    """In steps of D that are all long, each update is a program of its own."""
    config = experiment(d_steps=1, d_steps_long="2,4,0")
    found, _ = dispatched(config, WITH_LAZY, cuts=(4,))
    assert_close(found[4], one_by_one[0][4])


@pytest.mark.parametrize("most", [0, 4])
def test_in_a_population(lazy, most):
    """Two members side by side; the first is the run of seed 0."""
    configs = [experiment(seed=seed, steps_per_dispatch=most) for seed in (0, 1)]
    team = teams.side_by_side(configs, WITH_LAZY, DATASET)
    states = team.gather([initial_state(config, WITH_LAZY) for config in configs])
    step = 0
    while step < STEPS:
        stop = min(STEPS, step + team.dispatch.most)
        states, _ = team.dispatch.run(states, team.feed, step, stop)
        step = stop
    first, second = (learned(team.state(states, i)) for i in range(2))
    assert_close(first, lazy)
    assert far(first, second) > 1e-3


@pytest.mark.parametrize("most", [1, 4])
def test_a_lazy_loss_that_is_no_number_is_not_passed_over_in_a_population(most):
    def of_nothing(params, stats, g, numbers, batch, key):
        return jnp.nan * params["psi"].sum(), (stats, {})

    lazy = (Lazy("d", of_nothing, 2),)
    built = BUILT._replace(game=BUILT.game._replace(lazy=lazy))
    config = experiment(steps_per_dispatch=most)
    members = teams.side_by_side([config], built, DATASET)
    state = members.gather([initial_state(config, built)])
    found, step = [], 0
    while step < 4:
        stop = min(4, step + members.dispatch.most)
        state, metrics = members.dispatch.run(state, members.feed, step, stop)
        found += [np.ravel(x) for name, x in metrics.items() if "loss" in name]
        step = stop
    assert not np.isfinite(np.concatenate(found)).all()


@pytest.mark.parametrize("long", ["()", "5,1,0"])
def test_no_key_is_used_twice(long):
    """By the updates and the lazy turns of two steps, in the programs that run."""
    keys = []

    def spied(loss):
        def with_spy(params, stats, opponent, numbers, batch, key):
            data = jax.random.key_data(key)
            jax.debug.callback(lambda x: keys.append(tuple(map(int, x))), data)
            return loss(params, stats, opponent, numbers, batch, key)

        return with_spy

    game = BUILT.game
    lazy = tuple(each._replace(loss=spied(each.loss), every=1) for each in LAZY)
    game = game._replace(
        d_loss=spied(game.d_loss), g_loss=spied(game.g_loss), lazy=lazy
    )
    config = experiment(d_steps_long=long)
    dispatched(config, BUILT._replace(game=game), cuts=(2,))
    jax.effects_barrier()
    updates = 3 + 3 if long == "()" else 6 + 3
    assert len(keys) == updates + 2 * 2
    assert len(set(keys)) == len(keys)


def test_a_game_without_lazy_turns_keeps_its_step():
    step = make_train_step(*parts(BUILT))
    assert make_lazy_turns(*parts(BUILT), taken=3) == []
    assert with_lazy_turns(step, []) is step


# --- phases --------------------------------------------------------------------------


def asking(weight):
    """The game whose G has its loss weighed by weight(step)."""

    def g_loss(params, stats, d, numbers, batch, key):
        value, rest = BUILT.game.g_loss(params, stats, d, numbers, batch, key)
        return weight(numbers["step"]) * value, rest

    return BUILT.game._replace(g_loss=g_loss)


BOUNDARY = 3
ASKING = asking(lambda step: jnp.where(step < BOUNDARY, 1.0, 4.0))
PHASES = (0, asking(lambda step: 1.0)), (BOUNDARY, asking(lambda step: 4.0))
IN_PHASES = BUILT._replace(game=ASKING._replace(phases=PHASES))


@pytest.fixture(scope="module")
def asked(plain):
    """What the program that asks for the step has learned after all steps."""
    found, _ = dispatched(CONFIG, BUILT._replace(game=ASKING))
    assert far(found[STEPS], plain) > 1e-3
    return found[STEPS]


def test_each_phase_is_a_program_that_need_not_ask(asked):
    assert_close(dispatched(CONFIG, IN_PHASES)[0][STEPS], asked)


def test_a_run_passes_no_boundary(asked, tmp_path, monkeypatch):
    """Not in a dispatch of many steps either; and it may stop before and after it."""
    monkeypatch.setattr(train, "prepare", lambda config: (DATASET, IN_PHASES))
    for steps in (2, 4, STEPS):
        config = experiment(steps=steps, steps_per_dispatch=5)
        state = train.train(config, tmp_path)
    assert_close(learned(state), asked)


@pytest.mark.parametrize("way", [teams.side_by_side, teams.in_turns])
def test_a_population_passes_no_boundary(asked, way):
    configs = [experiment(seed=seed, steps_per_dispatch=5) for seed in (0, 1)]
    team = way(configs, IN_PHASES, DATASET)
    assert (team.dispatch.most, team.dispatch.ends) == (5, (0, BOUNDARY))
    states = team.gather([initial_state(config, IN_PHASES) for config in configs])
    for start, stop in ((0, BOUNDARY), (BOUNDARY, STEPS)):
        states, _ = team.dispatch.run(states, team.feed, start, stop)
    assert_close(learned(team.state(states, 0)), asked)
