"""Long turns of D: how many updates each step has, and on which minibatches."""

import itertools

import jax
import numpy as np
import pytest
from test_lazy_turns import BUILT, DATASET, experiment
from test_main import refused

from gan_jax.build import initial_state
from gan_jax.data import loading
from gan_jax.data.order import Order
from gan_jax.data.stream import Records
from gan_jax.errors import UsageError
from gan_jax.loop import train
from gan_jax.pace import Pace


def paced(**changes):
    return experiment(**{"seed": 3, "d_steps_long": "7,2,5", "steps": 10} | changes)


def run(workdir, **changes):
    """The state after training the DiracGAN."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "prepare", lambda config: (DATASET, BUILT))
        return train.train(paced(**changes), workdir)


def leaves(state):
    return jax.tree.leaves((state.step, state.d, state.g))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The state after the ten steps."""
    return run(tmp_path_factory.mktemp("pace"))


def is_long(step, first, every):
    return step < first or (every > 0 and step % every == 0)


def test_the_updates_of_every_step_and_before_it():
    """Against a plain count, for every small case; and the pace of WGAN's code."""
    for first, every in itertools.product(range(5), range(5)):
        pace, before = Pace(2, 9, first, every), 0
        for step in range(20):
            now = 9 if is_long(step, first, every) else 2
            assert (pace.at(step), pace.before(step)) == (now, before), (first, every)
            before += now
    wgan = Pace(5, 100, 25, 500)
    longs = [step for step in range(1600) if wgan.at(step) == 100]
    assert longs == [*range(25), 500, 1000, 1500]
    assert {wgan.at(step) for step in range(1600)} == {5, 100}
    assert wgan.before(1600) == 28 * 100 + 1572 * 5


def test_without_long_steps_all_are_alike():
    steady = Pace.of(paced(d_steps_long="()"))
    assert steady.steady
    assert [steady.before(step) for step in range(4)] == [0, 2, 4, 6]
    assert steady.at(10**6) == 2
    assert not Pace.of(paced()).steady


def test_a_run_is_algorithm_1_with_its_minibatches(trained):
    """Ten steps by hand: gradients, plain descent, the order of data, and the keys."""
    state, game, x = initial_state(paced(), BUILT), BUILT.game, DATASET.arrays["x"]
    d_gradient = jax.jit(jax.grad(game.d_loss, has_aux=True))
    g_gradient = jax.jit(jax.grad(game.g_loss, has_aux=True))

    def moved(player, opponent, gradient, rate, rows, key):
        grads, _ = gradient(player.params, {}, opponent, {}, {"x": x[rows]}, key)
        descend = lambda p, g: p - np.float32(rate) * g  # noqa: E731
        return player.replace(params=jax.tree.map(descend, player.params, grads))

    order, seen, d, g = Order(3, 4, 24), 0, state.d, state.g
    for step in range(10):
        k = 7 if is_long(step, first=2, every=5) else 2
        rows = order(seen, k)
        seen += k
        keys = jax.random.split(jax.random.fold_in(state.key, step), k + 1)
        for j in range(k):
            d = moved(d, g, d_gradient, 0.05, rows[j], keys[j])
        g = moved(g, d, g_gradient, 0.02, rows[-1], keys[k])
    assert seen == 3 * 7 + 7 * 2
    pairs = zip(*map(jax.tree.leaves, ((d, g), (trained.d, trained.g))), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_run_that_is_resumed_changes_no_bit(trained, tmp_path):
    run(tmp_path, steps=4)  # then comes a long step
    resumed = run(tmp_path)
    for one, other in zip(leaves(resumed), leaves(trained), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["turns=simultaneous"], r"d_steps_long needs turns=alternating"),
        (["turns=extragradient"], r"d_steps_long needs turns=alternating"),
        (["d_steps=7"], r"long=\(7, 2, 5\): its first .* to be more than d_steps=7"),
        (["d_steps=8"], "to be more than d_steps=8"),
        (["d_steps_long=7"], "must be empty or three numbers"),
        (["d_steps_long=7,-1,0"], "must be empty or three numbers"),
        (["d_steps_long=7,2.5,0"], "expected integers"),
    ],
)
def test_what_cannot_be_is_refused(gan, tmp_path, flags, message):
    flags = [f"--config.{flag}" for flag in ("d_steps_long=7,2,5", *flags)]
    refused(gan(*flags, f"--workdir={tmp_path}/run"), message)
    assert list(tmp_path.iterdir()) == []


def test_data_that_stream_come_in_steps_of_one_length(monkeypatch):
    """Which is said before anything is made of them."""
    records = Records(lambda rows, names: {}, np.arange(24), {"x": ((1,), np.float32)})
    streamed = DATASET._replace(arrays=records)
    monkeypatch.setattr(loading, "load_dataset", lambda config: streamed)
    with pytest.raises(UsageError, match=r"d_steps_long=\(7, 2, 5\), but data that"):
        loading.load_training_data(paced())
