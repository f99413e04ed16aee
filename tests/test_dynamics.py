"""Players that look ahead: each dynamics against its formula, written out by hand.

On the DiracGAN with `non_saturating`, where D(x) = psi x, the data are 0 and G makes
theta: with s = psi theta the losses are softplus(s) + log 2 and softplus(-s).
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_main import refused

from gan_jax import dirac_gan, dynamics, losses
from gan_jax.state import init_state
from gan_jax.train_step import make_train_step

RATE = 0.2
START = np.array([0.8, 0.5])  # theta, psi
BASE = dirac_gan.game(losses.non_saturating(), theta=START[0], psi=START[1])
BATCH = {"x": jnp.zeros((1, 2, 1))}


def sgd(numbers):
    return optax.sgd(RATE)


def adam(numbers):
    return optax.adam(RATE, b1=0.5, b2=0.9)


def played(make, tx=sgd, update="alternating", steps=1, **numbers):
    """The state of the DiracGAN after these steps, and the metrics of each."""
    game = BASE if make is None else make(BASE, tx)
    first = {"x": BATCH["x"][0]}
    numbers = {"dynamics": numbers} if numbers else {}
    state = init_state(game, tx, tx, numbers, jax.random.key(0), first)
    step = make_train_step(game, tx, tx, update=update)

    def body(state, _):
        return step(state, BATCH)

    return jax.jit(lambda state: jax.lax.scan(body, state, length=steps))(state)


def point(state):
    return jnp.stack([state.g.params["theta"], state.d.params["psi"]])


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def v(p):
    """The gradients of both players' losses, each by its own number."""
    theta, psi = p
    s = theta * psi
    return np.array([-psi * sigmoid(-s), theta * sigmoid(s)])


def jacobian(p):
    theta, psi = p
    s = theta * psi
    slope = sigmoid(s) * sigmoid(-s)
    return np.array([
        [psi**2 * slope, s * slope - sigmoid(-s)],
        [s * slope + sigmoid(s), theta**2 * slope],
    ])  # fmt: skip


class Sgd:
    """v -> the update."""

    def __call__(self, v):
        return -RATE * v


class Adam:
    """The same, as `optax.adam(RATE, b1=0.5, b2=0.9)`."""

    def __init__(self, count=0, m=0.0, w=0.0):
        self.count, self.m, self.w = count, m, w

    def __call__(self, v):
        self.count += 1
        self.m = 0.5 * self.m + 0.5 * v
        self.w = 0.9 * self.w + 0.1 * v**2
        m, w = self.m / (1 - 0.5**self.count), self.w / (1 - 0.9**self.count)
        return -RATE * m / (np.sqrt(w) + 1e-8)

    def copy(self):
        return Adam(self.count, self.m, self.w)


def assert_at(state, expected):
    np.testing.assert_allclose(point(state), expected, rtol=2e-5)
    assert np.abs(expected - START).max() > 1e-2  # it has moved, and visibly


# --- one update ----------------------------------------------------------------------


def test_the_gradients_of_the_plain_game_are_v():
    state, _ = played(None, update="simultaneous")
    assert_at(state, START - RATE * v(START))
    for i, small in enumerate(np.eye(2) * 1e-6):
        difference = (v(START + small) - v(START - small)) / 2e-6
        np.testing.assert_allclose(jacobian(START)[:, i], difference, rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.7, 10.0])
def test_consensus_adds_gamma_jacobian_transposed_v(gamma):
    state, _ = played(dynamics.consensus(), update="simultaneous", gamma=gamma)
    field = v(START) + gamma * jacobian(START).T @ v(START)
    assert_at(state, START - RATE * field)


@pytest.mark.parametrize("weight", [0.0, 1.0, 4.0])
def test_symplectic_adds_the_antisymmetric_part(weight):
    state, _ = played(dynamics.symplectic(), update="simultaneous", weight=weight)
    antisymmetric = (jacobian(START) - jacobian(START).T) / 2
    field = v(START) + weight * antisymmetric.T @ v(START)
    assert_at(state, START - RATE * field)


def test_numbers_that_the_state_lacks_are_those_of_the_keywords():
    for make, number in (
        (dynamics.consensus, {"gamma": 0.7}),
        (dynamics.symplectic, {"weight": 0.7}),
    ):
        one, _ = played(make(**number), update="simultaneous")
        other, _ = played(make(), update="simultaneous", **number)
        np.testing.assert_allclose(point(one), point(other), rtol=1e-6)


@pytest.mark.parametrize(("tx", "rule"), [(sgd, Sgd), (adam, Adam)])
def test_extragradient_moves_by_the_gradient_of_where_it_would_be(tx, rule):
    """Moments of Adam see both gradients; the way to the first is taken back."""
    state, _ = played(None, tx, update="extragradient")
    update = rule()
    ahead = START + update(v(START))
    assert_at(state, START + update(v(ahead)))
    plain, _ = played(None, tx, update="simultaneous")
    assert np.abs(point(plain) - point(state)).max() > 5e-3


# --- unrolled ------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("tx", "rule"), [(sgd, Sgd), (adam, Adam)])
def test_unrolled_differentiates_through_d_s_own_updates(k, tx, rule):
    """D moves by one update; G's loss is that against the D of k updates later.

    Its gradient is that of finite differences of the loss.
    """
    state, _ = played(dynamics.unrolled(k=k), tx)
    of_d = rule()
    theta, psi = START
    psi += of_d(v(START)[1])

    def loss(theta):
        update, ahead = of_d.copy() if rule is Adam else of_d, psi
        for _ in range(k):
            ahead += update(v((theta, ahead))[1])
        return np.log1p(np.exp(-theta * ahead))

    slope = (loss(theta + 1e-5) - loss(theta - 1e-5)) / 2e-5
    assert_at(state, [theta + rule()(slope), psi])
    if rule is Adam:
        counts = [leaf.count for leaf in (state.d.opt_state[0], state.g.opt_state[0])]
        assert counts == [1, 1]
        np.testing.assert_allclose(state.d.opt_state[0].mu["psi"], of_d.m, rtol=1e-5)


def relativistic():
    """The DiracGAN, data 1 and not 0, by differences of scores: a bias cancels out."""
    loss = losses.relativistic()

    def scores(d, g):
        return (jnp.stack([d["bias"] + d["psi"] * x]) for x in (1.0, g["theta"]))

    def init(key, batch):
        (d, d_stats), of_g = BASE.init(key, batch)
        return (d | {"bias": jnp.zeros(())}, d_stats), of_g

    def d_loss(params, stats, g, *rest):
        return loss.d(*scores(params, g.params)), (stats, {})

    def g_loss(params, stats, d, *rest):
        return loss.g(*scores(d.params, params)), (stats, {})

    return BASE._replace(init=init, d_loss=d_loss, g_loss=g_loss)


def test_unrolled_leaves_d_s_turn_as_it_is_and_has_a_gradient_where_d_has_none():
    """D's bias has none where the loss sees differences of scores alone, and Adam's
    update is no smooth function of a gradient there.
    """

    def ahead(base, tx):
        return dynamics.unrolled(k=3)(relativistic(), tx)

    plain, of_plain = played(lambda base, tx: relativistic(), adam)
    state, metrics = played(ahead, adam)
    pairs = zip(jax.tree.leaves(plain.d), jax.tree.leaves(state.d), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-6)  # in another program
    assert state.d.params["bias"] == 0
    (gradient,), (plain_gradient,) = metrics["g_grad_norm"], of_plain["g_grad_norm"]
    assert np.isfinite(gradient)
    assert abs(gradient - plain_gradient) > 1e-2


# --- many updates --------------------------------------------------------------------


RADII = {
    "simultaneous": (None, "simultaneous", 0.60, 0.66),
    "alternating": (None, "alternating", 0.29, 0.33),
    "extragradient": (None, "extragradient", 0.07, 0.09),
    "consensus": (dynamics.consensus(gamma=1.0), "simultaneous", 0, 2e-8),
    "symplectic": (dynamics.symplectic(weight=1.0), "simultaneous", 0, 2e-8),
    "unrolled": (dynamics.unrolled(k=5), "alternating", 0, 2e-8),
}


@pytest.mark.parametrize("name", RADII)
def test_the_distance_to_the_equilibrium_after_400_steps(name, monkeypatch):
    """From (1, 1): what plain gradients take ages for is soon done by looking ahead."""
    make, update, low, high = RADII[name]
    start = dirac_gan.game(losses.non_saturating(), theta=1.0, psi=1.0)
    monkeypatch.setitem(globals(), "BASE", start)
    state, _ = played(make, update=update, steps=400)
    assert low <= np.linalg.norm(point(state)) < high


@pytest.mark.parametrize(
    ("make", "name"), [(dynamics.consensus, "gamma"), (dynamics.symplectic, "weight")]
)
def test_numbers_are_data_many_of_them_train_in_one_program(make, name):
    def after(number):
        return point(
            played(make(), update="simultaneous", steps=9, **{name: number})[0]
        )

    numbers = jnp.array([0.1, 0.5, 1.0])
    rows = jax.vmap(after)(numbers)
    for number, row in zip(numbers, rows, strict=True):
        np.testing.assert_allclose(row, after(float(number)), rtol=1e-5, atol=1e-7)
    assert np.abs(np.diff(rows, axis=0)).max(axis=1).min() > 1e-2


# --- what is said of it --------------------------------------------------------------


def test_the_loss_and_what_is_minimised_besides_are_told_apart():
    s = START.prod()
    bare = {"d_loss": np.log1p(np.exp(s)) + np.log(2), "g_loss": np.log1p(np.exp(-s))}
    energy = 0.7 / 2 * (v(START) ** 2).sum()
    _, metrics = played(dynamics.consensus(), update="simultaneous", gamma=0.7)
    for name, value in bare.items():
        np.testing.assert_allclose(metrics[name], [value], rtol=1e-6)
    for name in ("d_penalty", "g_penalty"):
        np.testing.assert_allclose(metrics[name], [energy], rtol=1e-5)
    _, metrics = played(dynamics.symplectic(), update="simultaneous", weight=0.7)
    for name, value in bare.items():
        np.testing.assert_allclose(metrics[name], [value], rtol=1e-6)
    _, plain = played(None)
    assert not {"d_penalty", "g_penalty"} & set(plain)


def test_a_penalty_of_the_game_is_a_part_of_what_is_minimised_besides():
    def d_loss(params, *rest):
        value, (stats, _) = BASE.d_loss(params, *rest)
        penalty = 3 * params["psi"] ** 2
        return value + penalty, (stats, {"loss": value, "penalty": penalty})

    def of(base, tx):
        return dynamics.consensus(gamma=0.7)(base._replace(d_loss=d_loss), tx)

    _, metrics = played(of, update="simultaneous")
    field = v(START) + np.array([0, 6 * START[1]])
    extra = 3 * START[1] ** 2 + 0.7 / 2 * (field**2).sum()
    np.testing.assert_allclose(metrics["d_penalty"], [extra], rtol=1e-5)
    bare = np.log1p(np.exp(START.prod())) + np.log(2)
    np.testing.assert_allclose(metrics["d_loss"], [bare], rtol=1e-6)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["unrolled", "k=0"], r"dynamics\.k=0: must be between 1 and 20"),
        (["unrolled", "k=21"], r"dynamics\.k=21: must be between 1 and 20"),
        (["unrolled", "k=1.5"], "expected an integer"),
        (["consensus", "gamma=-1"], r"gamma=-1\.0: must not be negative"),
        (["symplectic", "weight=-0.1"], "must not be negative"),
        (["symplectic", "gamma=1"], "no keyword 'gamma'"),
        (["consenus", "gamma=1"], "did you mean 'consensus'"),
    ],
)
def test_what_cannot_be_is_refused(gan, tmp_path, flags, message):
    name, number = flags
    flags = f"--config.dynamics.name={name}", f"--config.dynamics.{number}"
    refused(gan(*flags, f"--workdir={tmp_path}/run"), message)
    assert list(tmp_path.iterdir()) == []
