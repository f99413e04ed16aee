"""A minibatch in parts: the gradients of the whole, in the memory of a part."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_main import refused

from gan_jax import games, layers, losses, penalties, priors
from gan_jax.accumulation import accumulated
from gan_jax.config.files import from_json, load_experiment, to_json
from gan_jax.games.adversarial import adversarial
from gan_jax.games.cyclegan import game as cyclegan
from gan_jax.games.gan import game as gan
from gan_jax.models import mlp
from gan_jax.networks import network, packed
from gan_jax.state import Player, init_state
from gan_jax.train_step import make_train_step

N, PARTS, CLASSES = 12, 3, 3
NUMBERS = {"ema_decay": 0.9, "game": {"cycle": 10.0, "identity": 5.0}}


class G(nn.Module):
    @nn.compact
    def __call__(self, z, y=None, *, train=False):
        h = z if y is None else layers.join(z, y, CLASSES)
        return layers.Dense(4)(nn.tanh(layers.Dense(6)(h)))


class D(nn.Module):
    """With a power iteration, of which there is one in an update."""

    @nn.compact
    def __call__(self, x, y=None, *, train=False):
        h = x if y is None else layers.join(x, y, CLASSES)
        h = nn.leaky_relu(layers.Dense(6, weight=layers.spectral)(h))
        return layers.Dense(1)(h)[:, 0]


class NormalisedG(nn.Module):
    @nn.compact
    def __call__(self, z, *, train=False):
        return layers.Dense(4)(layers.BatchNorm()(layers.Dense(6)(z), train))


class NoisyD(nn.Module):
    @nn.compact
    def __call__(self, x, *, train=False):
        h = layers.BatchNorm()(layers.Dense(6)(x), train)
        return layers.Dense(1)(nn.Dropout(0.3, deterministic=not train)(h))[:, 0]


def given(**fields):
    """A game whose latents come with the batch, the same however it is cut."""
    penalty = penalties.r1_r2(gamma=0.5).of
    judge = packed(network(D()), fields.pop("pack", 1))
    fields = {"latents": lambda key, batch: batch["z"]} | fields
    loss = losses.hinge()
    return adversarial(
        network(G()), judge, loss, penalty=lambda numbers: penalty, **fields
    )


LABELS = {
    "latents": lambda key, batch: {"z": batch["z"], "y": batch["y"]},
    "inputs": lambda z: (z["z"], z["y"]),
    "told": lambda batch: (batch["y"],),
}
CASES = {
    "labels": (given(**LABELS), 1, "alternating"),
    "packs": (given(pack=2), 2, "simultaneous"),
    "another set": (
        cyclegan(network(G()), network(D()), losses.least_squares(), pool=0),
        *(1, "alternating"),
    ),
}


def minibatch(k=1):
    draw = np.random.default_rng(0)
    x, z, other = draw.normal(size=(3, k, N, 4)).astype(np.float32)
    y = draw.integers(CLASSES, size=(k, N)).astype(np.int32)
    return {"x": 1 + x, "z": z, "y": y, "other": {"x": other}}


def sgd(numbers):
    return optax.sgd(0.1)


def trained(game, turns):
    """Two steps, with an average of G: the first state, the last, what was said."""
    batch = minibatch()
    example = jax.tree.map(lambda leaf: leaf[0], batch)
    key = jax.random.key(0)
    state = first = init_state(game, sgd, sgd, NUMBERS, key, example, ema=True)
    step = jax.jit(make_train_step(game, sgd, sgd, update=turns))
    for _ in range(2):
        state, metrics = step(state, batch)
    return first, state, metrics


def learned(state):
    return jax.device_get(jax.tree.leaves((state.d, state.g, state.g_ema)))


@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_the_whole_minibatch(case):
    """Parameters, power iterations, averages and metrics, under SGD."""
    game, together, turns = CASES[case]
    first, whole, said = trained(game, turns)
    _, parts, also_said = trained(accumulated(game, PARTS, together), turns)
    for a, b in zip(learned(whole), learned(parts), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6)
    moved = zip(learned(whole), learned(first), strict=True)
    assert max(np.abs(a - b).max() for a, b in moved) > 1e-2
    assert said.keys() == also_said.keys()
    for name in said:
        np.testing.assert_allclose(said[name], also_said[name], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def normalised():
    """A game with batch norm and dropout, and the arguments of D's loss."""
    parts = network(NormalisedG()), network(NoisyD())
    game = gan(*parts, losses.non_saturating(), priors.normal(dim=3))
    batch = {"x": minibatch()["x"][0]}
    (d_params, d_stats), (g_params, g_stats) = game.init(jax.random.key(1), batch)
    return game, (d_params, d_stats, Player(g_params, g_stats), {}, batch)


AXES = (None,) * 5 + (0,)  # of members that differ in their keys


def differentiated(loss):
    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def assert_close(a, b):
    for one, other in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        # batch norm of few examples makes rounding large
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_parts_one_after_the_other_by_hand(normalised):
    """Each with latents and dropout of its own; statistics go on from part to part."""
    game, (params, stats, g, numbers, batch) = normalised
    gradient, seen = differentiated(game.d_loss), []
    moved, key = stats, jax.random.key(2)
    for i, part_key in enumerate(jax.random.split(key, PARTS)):
        part = {"x": batch["x"][i::PARTS]}
        found, grads = gradient(params, moved, g, numbers, part, part_key)
        value, (moved, metrics) = found
        seen.append((value, metrics, grads))
    value, metrics, grads = jax.tree.map(lambda *x: sum(x) / PARTS, *seen)
    loss = accumulated(game, PARTS).d_loss
    arguments = params, stats, g, numbers, batch
    alone = differentiated(loss)(*arguments, key)
    assert_close(alone, ((value, (moved, metrics)), grads))

    # many side by side, as in a population; here the first of two
    keys = jnp.stack([key, jax.random.key(3)])
    beside = jax.jit(jax.vmap(jax.value_and_grad(loss, has_aux=True), AXES))
    found = beside(*arguments, keys)
    assert_close(jax.tree.map(lambda x: x[0], found), alone)
    assert not np.allclose(*jax.tree.leaves(found[1])[-1])


def test_lazy_turns_are_in_parts_as_well():
    def square(params, stats, opponent, numbers, batch, key):
        n = jnp.float32(len(batch["x"]))
        return jnp.mean(jnp.square(params - batch["x"])), (stats, {"n": n})

    game = games.Game(
        None, square, square, *[None] * 4, lazy=(games.Lazy("g", square, 4),)
    )
    whole = accumulated(game, PARTS)
    batch = {"x": jnp.arange(12.0)}
    key = jax.random.key(0)
    for loss in (whole.d_loss, whole.g_loss, whole.lazy[0].loss):
        found = jax.value_and_grad(loss, has_aux=True)
        (value, (_, said)), grad = found(jnp.float32(2.0), {}, None, {}, batch, key)
        assert value == pytest.approx(np.mean((2 - np.arange(12)) ** 2))
        assert grad == pytest.approx(2 * (2 - 5.5))
        assert said["n"] == 4
    assert whole.lazy[0].every == 4


def test_memory_is_that_of_a_part():
    """As XLA plans with it; parts that did not wait for each other would add up."""
    made_of = mlp.Generator(shape=(8,), widths=(64, 64)), mlp.Discriminator((64, 64))
    game = gan(*map(network, made_of), losses.hinge(), priors.normal(dim=8))

    def temporary(game, n):
        batch = {"x": jax.ShapeDtypeStruct((n, 8), jnp.float32)}
        key = jax.eval_shape(lambda: jax.random.key(0))
        (params, stats), g = jax.eval_shape(game.init, key, batch)
        lowered = differentiated(game.d_loss).lower(
            params, stats, Player(*g), {}, batch, key
        )
        return lowered.compile().memory_analysis().temp_size_in_bytes

    whole, part = temporary(game, 2048), temporary(game, 512)
    parts = temporary(accumulated(game, 4), 2048)
    assert part < 0.3 * whole
    assert parts < 1.5 * part


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["batch_size=10", "accumulate=4"], "into config.accumulate=4 parts"),
        (["batch_size=12", "pack=2", "accumulate=4"], "4 parts of packs of 2"),
        (["accumulate=0"], "config.accumulate=0: must be at least 1"),
        (["accumulate=2", "dynamics.name=consensus"], "dynamics consensus depend"),
        (
            ["batch_size=9", "accumulate=3", "devices=2"],
            "cannot be divided among 2 devices; nearest sizes: 6 or 12",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused_in_one_line(gan, tmp_path, flags, message):
    given = [f"--config.{flag}" for flag in flags]
    refused(gan(*given, f"--workdir={tmp_path}/run"), message)
    assert not (tmp_path / "run").exists()


def test_a_run_in_parts_on_two_devices(gan, small, tmp_path):
    flags = (
        *(*small, "--config.accumulate=2", "--config.devices=2", "--config.steps=1"),
        "--config.data.split=train[:64]",
        "--config.data.validation_split=train[64:71]",  # less than a minibatch, and odd
        "--config.validate_every=1",
    )
    outcome = gan(*flags, f"--workdir={tmp_path}/run")
    assert outcome.status == 0, outcome.err
    assert "minibatches: in 2 parts, of 8 examples each" in outcome.err
    assert "devices: 2 of 2, 2 for a minibatch" in outcome.err


def test_configs_of_before_have_whole_minibatches():
    config, _ = load_experiment("experiments/digits.py")
    older = to_json(config)
    assert older.pop("accumulate") == 1
    assert from_json(older).accumulate == 1
