"""The smallest GAN: its closed forms against what the training step does."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import dirac_gan, losses, penalties
from gan_jax.state import init_state
from gan_jax.train_step import make_train_step


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


LOSSES = {
    "saturating": losses.saturating(),
    "non_saturating": losses.non_saturating(),
    "least_squares": losses.least_squares(),
    "relativistic": losses.relativistic(),
    "jensen_shannon": losses.f_gan(divergence="jensen_shannon"),
    # twice the pull at the equilibrium
    "relativistic_average": losses.relativistic_average(),
    "wasserstein": losses.wasserstein(),
    "hinge": losses.hinge(),
    "kl": losses.f_gan(divergence="kl"),
    "reverse_kl": losses.f_gan(divergence="reverse_kl"),
    "squared_hellinger": losses.f_gan(divergence="squared_hellinger"),
    "pearson": losses.f_gan(divergence="pearson"),
}
HALF = list(LOSSES)[:5]
CASES = [(name, 0.3) for name in LOSSES] + [
    (name, gamma)
    for name in ("saturating", "non_saturating", "least_squares", "wasserstein")
    for gamma in (0.0, 2.5)
]
every_case = pytest.mark.parametrize(("name", "gamma"), CASES)
every_turns = pytest.mark.parametrize("turns", ["alternating", "simultaneous"])
STEP = 0.2


def player_map(game, turns):
    """(theta, psi) -> (theta, psi) after a train_step of SGD."""
    sgd = lambda numbers: optax.sgd(numbers["learning_rate"])  # noqa: E731
    batch = {"x": jnp.zeros((1, 4, 1))}
    numbers = {"learning_rate": STEP}
    first = jax.tree.map(lambda leaf: leaf[0], batch)
    start = init_state(game, sgd, sgd, numbers, jax.random.key(0), first)
    # the state's numbers are float32
    start = start.replace(hparams={"learning_rate": jnp.asarray(STEP, float)})
    train_step = make_train_step(game, sgd, sgd, update=turns)

    def update(point):
        theta, psi = point
        state = start.replace(
            d=start.d.replace(params={"psi": psi}),
            g=start.g.replace(params={"theta": theta}),
        )
        state, _ = train_step(state, batch)
        return jnp.stack([state.g.params["theta"], state.d.params["psi"]])

    return update


@every_case
@every_turns
def test_trajectories_are_what_train_step_does(name, gamma, turns):
    update = jax.jit(player_map(dirac_gan.game(LOSSES[name], gamma), turns))
    point = jnp.array([1.0, 0.7])
    path = dirac_gan.trajectory(name, point, STEP, 10, gamma, turns)
    assert path.shape == (11, 2)
    for expected in path:
        np.testing.assert_allclose(point, expected, rtol=1e-9)
        point = update(point)
    assert np.ptp(path, axis=0).min() > 0.1


@every_case
@every_turns
def test_eigenvalues_of_train_step_at_the_equilibrium(name, gamma, turns):
    update = player_map(dirac_gan.game(LOSSES[name], gamma), turns)
    rest = jnp.zeros(2)
    np.testing.assert_array_equal(update(rest), rest)
    found = np.linalg.eigvals(jax.jacobian(update)(rest))
    closed = dirac_gan.update_eigenvalues(name, STEP, gamma, turns)
    np.testing.assert_allclose(ordered(found), ordered(closed), atol=1e-7)
    length = np.abs(closed)
    if gamma:
        assert (length < 1).all()
    elif turns == "alternating":
        np.testing.assert_allclose(length, 1, rtol=1e-12)
    else:
        assert (length > 1).all()


def ordered(eigenvalues):
    """By imaginary, then by real part, whatever their rounding."""
    return sorted(np.asarray(eigenvalues), key=lambda e: (np.round(e.imag, 6), e.real))


@every_case
def test_the_field_has_its_jacobian_and_that_its_eigenvalues(name, gamma):
    def field(point):
        return jnp.stack(dirac_gan.field(name, *point, gamma))

    jacobian = dirac_gan.jacobian(name, gamma)
    np.testing.assert_allclose(jax.jacobian(field)(jnp.zeros(2)), jacobian, atol=1e-12)
    found = np.linalg.eigvals(jacobian)
    closed = dirac_gan.eigenvalues(name, gamma)
    np.testing.assert_allclose(ordered(found), ordered(closed), atol=1e-7)
    pull = 1 / 2 if name in HALF else 1
    np.testing.assert_allclose(np.prod(closed), pull**2, rtol=1e-12)
    np.testing.assert_allclose(np.sum(closed), -gamma, atol=1e-12)
    assert (np.real(closed) < 0).all() if gamma else (np.real(closed) == 0).all()


def distances(loss="saturating", **settings):
    path = dirac_gan.trajectory(loss, (1.0, 0.0), **settings)
    return np.linalg.norm(path, axis=1)


def test_without_r1_the_players_go_round_and_with_it_they_meet():
    there = distances(step=0.1, steps=2000)
    assert 0.9 < there.min() < there.max() < 1.1
    assert (np.diff(distances(step=0.1, steps=500, turns="simultaneous")) > 0).all()
    assert distances(step=0.1, steps=2000, gamma=0.5)[-1] < 1e-6


def test_the_non_saturating_players_meet_ever_more_slowly():
    """No eigenvalue draws them in: (r^2)' = -s tanh(s / 2) 2 with s = psi theta, about
    -s^2, on average over a round -r^4 / 8, so that 1 / r^2 grows by t / 8.
    """
    there = distances("non_saturating", step=0.1, steps=4000)
    np.testing.assert_allclose(1 / there[[2000, 4000]] ** 2, [26, 51], rtol=0.1)


def under_wgan_gp(game, weight):
    """The game with this penalty of the critic x -> psi x."""
    penalty = penalties.wgan_gp(weight=weight)

    def d_loss(params, stats, g, numbers, batch, key):
        loss, seen = game.d_loss(params, stats, g, numbers, batch, key)
        fake, _ = game.generate(g.params, g.stats, game.latents(key, batch))
        critic = lambda x: params["psi"] * x[:, 0]  # noqa: E731
        return loss + penalty.of(critic, batch["x"], fake, key), seen

    return game._replace(d_loss=d_loss)


@every_turns
def test_wgan_gp_is_what_train_step_does_and_keeps_the_players_apart(turns):
    """It has no rest at (0, 0) at a fixed rate (Mescheder et al. 2018, section 3)."""
    game = under_wgan_gp(dirac_gan.game(LOSSES["wasserstein"]), 0.4)
    update = jax.jit(player_map(game, turns))
    settings = {"step": STEP, "turns": turns, "weight": 0.4}
    path = dirac_gan.trajectory("wasserstein", (1.0, 0.7), steps=10, **settings)
    for point, moved in itertools.pairwise(path):
        np.testing.assert_allclose(update(point), moved, rtol=1e-6)
    assert np.ptp(path, axis=0).min() > 0.1
    there = distances("wasserstein", steps=2000, **settings)
    assert 1 < there[-500:].min() < there[-500:].max() < 2
    with_r1 = distances("wasserstein", steps=2000, step=STEP, gamma=0.4)
    assert with_r1[-500:].max() < 1e-9


def test_alternating_updates_lose_their_hold_at_a_step_of_two_over_the_pull():
    for step, longest in ((1.99, 1), (2.01, 1.1)):
        eigenvalues = dirac_gan.update_eigenvalues("wasserstein", step)
        length = np.abs(eigenvalues).max()
        assert length == pytest.approx(1, rel=1e-9) if step < 2 else length > longest
