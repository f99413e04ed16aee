"""The PyTorch twins are our GANs, so that the benchmark compares nothing but speed."""

import functools
import importlib
import json
import math
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

from gan_jax import build
from gan_jax.config import resolve
from gan_jax.config.files import load_experiment, override, to_json
from gan_jax.config.hparams import hparams
from gan_jax.config.types import keyword_kinds
from gan_jax.config.validation import FIELDS
from gan_jax.games.styles import mix
from gan_jax.lazy_turns import make_lazy_turns, with_lazy_turns
from gan_jax.networks import network
from gan_jax.state import Player, TrainState
from gan_jax.train_step import make_train_step, turn_keys

torch = pytest.importorskip("torch", reason="pip install -e '.[peers]'")

from peers import stylegan2, twin  # noqa: E402

SERVE = Path(__file__).parent / "peers" / "serve.py"
MNIST, CIFAR, PHOTO = (28, 28, 1), (32, 32, 3), (24, 24, 2)
N = 8

# What the twins follow, with values that shrink the networks and by which three steps
# change them much.
COMMON = {
    "batch_size": N,
    "d_optimizer.learning_rate": 0.003,
    "g_optimizer.learning_rate": 0.005,
}
# With a small epsilon, the rounding error of a gradient of zero is a step of Adam's.
EPS = {"d_optimizer.eps": 1e-3, "g_optimizer.eps": 1e-3}
LARGE_EPS = {"d_optimizer.eps": 1e-2, "g_optimizer.eps": 1e-2}
NO_DROPOUT = {"discriminator.input_dropout": 0.0, "discriminator.dropout": 0.0}
MLP = {"generator.widths": "16,12", "discriminator.widths": "12,16"}
MAXOUT = {"generator.widths": "16,12", "discriminator.units": 4} | NO_DROPOUT
CONV_2014 = {
    "generator.width": 200,
    "discriminator.channels": "2,3,4",
    "discriminator.units": 4,
} | NO_DROPOUT
DCGAN = {"generator.width": 4, "discriminator.width": 6}
SGD = {
    "d_optimizer.learning_rate": 0.2,
    "g_optimizer.learning_rate": 0.3,
    "schedule.decay": 1.5,
    "schedule.saturate_epoch": 3,
    "schedule.steps_per_epoch": 1,
}
PIX2PIX = {
    "game.l1": 3.0,
    "generator.width": 2,
    "generator.depth": 3,
    "generator.dropout": 0.0,
    "discriminator.width": 2,
    "discriminator.layers": 2,
}
CYCLEGAN = {
    "game.cycle": 2.0,
    "game.identity": 3.0,
    "game.pool": 3 * N,  # until it is full no chance is in it
    "generator.width": 2,
    "generator.blocks": 1,
    "discriminator.width": 2,
    "discriminator.layers": 1,
    "schedule.start": 1,
    "schedule.steps": 3,
}
STYLEGAN2 = {
    "game.mixing": 0.5,
    "game.penalty_every": 3,
    "game.path": 3.0,
    "game.path_every": 2,
    "game.path_decay": 0.3,
    "game.path_shrink": 4,
    "penalty.gamma": 2.0,
    "generator.dim": 5,
    "generator.depth": 3,
    "generator.channel_base": 112,
    "generator.channel_max": 6,  # channels: 6, 6, 4
    "discriminator.group": 2,
    "discriminator.channel_base": 140,
    "discriminator.channel_max": 8,  # 8, 8, 5
    "ema_decay": 0.5,
    "schedule.share": 0.5,  # decays: 0, 0.25, 0.5
}
TWINS = {
    "toy2d": ((2,), MLP | EPS),
    "digits": ((8, 8, 1), MLP | EPS | {"ema_decay": 0.5}),
    "mnist_mlp": (MNIST, MAXOUT | EPS),
    "mnist_mlp_2014": (MNIST, MAXOUT | SGD),
    "mnist_lsgan": (MNIST, DCGAN | EPS),
    "mnist_dcgan": (MNIST, DCGAN | EPS),
    "mnist_r3gan": (MNIST, DCGAN | EPS | {"penalty.gamma": 0.7}),
    "mnist_stylegan2": (MNIST, STYLEGAN2 | LARGE_EPS),
    "mnist_wgan_gp": (MNIST, DCGAN | EPS | {"penalty.weight": 3.0}),
    "cifar_mlp": (CIFAR, MAXOUT | EPS),
    "cifar_conv": (CIFAR, CONV_2014 | EPS),
    "cifar_dcgan": (CIFAR, DCGAN | EPS),
    "cifar_sngan": (CIFAR, DCGAN | LARGE_EPS | {"schedule.steps": 3}),
    "facades": (PHOTO, PIX2PIX | LARGE_EPS),
    "facades_cyclegan": (PHOTO, CYCLEGAN | LARGE_EPS),
}
TRANSLATORS = {"facades": "input", "facades_cyclegan": "other"}  # what is translated


def changes_of(name):
    """What shrinks an experiment."""
    latents = {} if name in TRANSLATORS else {"prior.dim": 6}
    return COMMON | latents | TWINS[name][1]


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    """As JAX is in the tests."""
    monkeypatch.setattr(twin, "DEVICE", torch.device("cpu"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def same_noise(monkeypatch):
    """In images the same normal numbers for ours and theirs, wherever some are drawn.

    Latents, of fewer axes, are what the key of their turn makes them.
    """
    normal = jax.random.normal

    def fixed(n, height, width, channels=1):
        rng = np.random.default_rng([n, height, width])
        return rng.standard_normal((n, height, width, channels), np.float32)

    def ours(key, shape=(), *dtype):
        if len(shape) < 3:
            return normal(key, shape, *dtype)
        return jax.numpy.asarray(fixed(*shape).reshape(shape))

    def theirs(x, channels):
        drawn = fixed(len(x), *x.shape[2:], channels)
        return torch.tensor(np.moveaxis(drawn, -1, 1))

    monkeypatch.setattr(jax.random, "normal", ours)
    monkeypatch.setattr(stylegan2, "normal", theirs)


class Pair(NamedTuple):
    """An experiment of ours, its twin, and what belongs to both."""

    config: object
    shape: tuple
    built: build.Built
    twin: twin.Twin


def pair(name, changes=()):
    shape, _ = TWINS[name]
    config, _ = load_experiment(f"{name}.py")
    override(config, [(field, str(value)) for field, value in dict(changes).items()])
    info = {"shape": shape, "classes": ()}
    if translated := TRANSLATORS.get(name):
        info |= {translated: {"input": shape, "other": dict(info)}[translated]}
    built = build.build(config, info, lambda: np.full(shape, 0.1))
    return Pair(config, shape, built, module(name).make(to_json(config), shape))


def shrunk(name, **changes):
    """A small pair of the same weights, and our state with them."""
    both = pair(name, changes_of(name) | changes)
    state = initial_state(name)
    load(both.twin, state)
    return both, state


def load(twin, state):
    d, g = state.d, state.g
    twin.load(*jax.device_get((d.params, g.params, d.stats, g.stats)))


@functools.cache
def initial_state(name):
    """Of a shrunk experiment; all parameters are random, since zeros would not count.

    Initialising the networks would take longer than all that is done with them.
    """
    config, _, built, _ = pair(name, changes_of(name))
    shapes = jax.eval_shape(lambda: build.initial_state(config, built))
    rng, numbers = np.random.default_rng(1), hparams(config)

    def player(shapes, tx):
        params, stats = jax.tree_util.tree_map_with_path(
            lambda path, leaf: rng.normal(0, spread(name, path), leaf.shape).astype(
                leaf.dtype
            ),
            (shapes.params, shapes.stats),
        )
        return Player(params, stats, tx(numbers).init(params))

    d, g = player(shapes.d, built.d_tx), player(shapes.g, built.g_tx)
    return TrainState(
        step=np.int32(0),
        key=jax.random.key(0),
        d=d,
        g=g,
        g_ema=(g.params, g.stats) if config.ema_decay else None,
        hparams=jax.tree.map(np.float32, numbers),
    )


def spread(name, path):
    """How large a random number at this place of a player is: as usual there."""
    if name != "mnist_stylegan2":
        return 0.3
    return 100.0 if "mapping_network" in jax.tree_util.keystr(path) else 1.0


def module(name):
    return importlib.import_module(f"peers.{name}")


def examples(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def theirs(x):
    """An array in PyTorch's layout: the channels of images before their pixels."""
    x = np.asarray(x)
    return torch.tensor(np.moveaxis(x, -1, -3) if x.ndim > 3 else x)


def ours(x):
    x = x.detach().numpy()
    return np.moveaxis(x, -3, -1) if x.ndim > 3 else x


# The same networks, the same training


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_our_numbers_of_parameters(name):
    both = pair(name)
    state = jax.eval_shape(lambda: build.initial_state(both.config, both.built))
    counts = {
        "d": sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.d.params)),
        "g": sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.g.params)),
    }
    assert both.twin.parameter_counts() == counts


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.usefixtures("same_noise")
def test_networks_of_the_same_weights_agree(name):
    """In training, where batch norm uses the minibatch's own statistics."""
    both, state = shrunk(name)
    config, key = both.config, jax.random.key(0)
    x, z = examples(3, N, *both.shape), examples(4, N, *both.shape)
    if name not in TRANSLATORS:
        z = 5 * examples(4, N, config.prior.dim)
    seen = (x, z) if TRANSLATORS.get(name) == "input" else (x,)
    for entry, facts, player, net, inputs in (
        ("generator", {"shape": both.shape}, state.g, both.twin.generator, (z,)),
        ("discriminator", {}, state.d, both.twin.discriminator, seen),
    ):
        made_by = network(resolve.bind(entry, config[entry], **facts)()).apply
        apply = jax.jit(functools.partial(made_by, key=key, train=True))
        joined = torch.cat([theirs(each) for each in reversed(inputs)], 1)
        for params, stats, part in networks_of(player, net):
            made = apply(params, stats, *inputs)[0]
            close(ours(part(joined)), made)
            assert made.std(axis=0).mean() > 1e-3


def networks_of(player, net):
    """Of one network, or of each of a player's: parameters, statistics, the twin."""
    if not isinstance(net, torch.nn.ModuleDict):
        return [(player.params, player.stats.get("network", player.stats), net)]
    return [
        (player.params[name], player.stats[name], part) for name, part in net.items()
    ]


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


# k where the twin has turns of its own
K = {"facades": 2, "mnist_stylegan2": 2}
STEPS = [*((name, K.get(name, 1)) for name in TWINS), ("toy2d", 3)]


@pytest.mark.parametrize(("name", "k"), STEPS)
@pytest.mark.usefixtures("same_noise")
def test_three_steps_agree(name, k):
    """The losses, the optimizers, the schedule, and who moves when and how often."""
    both, state = shrunk(name, d_steps=k)
    config, built = both.config, both.built
    parts = built.game, built.d_tx, built.g_tx, built.schedule
    lazy_turns = make_lazy_turns(*parts, taken=k + 1)
    step = jax.jit(with_lazy_turns(make_train_step(*parts, config.turns), lazy_turns))
    for x, y in zip(*examples(3, 2, 3, k, N, *both.shape), strict=True):
        batch, z_d, z_g = step_inputs(name, config, state, x, y)
        both.twin.places = places(state, k)
        if lazy_turns:
            both.twin.latents, both.twin.crossovers = mixed(state, k, config)
        state, metrics = step(state, batch)
        losses = both.twin.step(theirs(x), theirs(z_d), theirs(z_g))
        close(losses, minimised(metrics, config))
    # the last update of G shows in no loss
    moved = module(name).make(to_json(config), both.shape)
    load(moved, state)
    assert_same(both.twin.generator, moved.generator)
    assert_same(both.twin.discriminator, moved.discriminator)
    if lazy_turns:
        close(both.twin.path_mean, moved.path_mean)
        close(both.twin.mapping.w_mean, moved.mapping.w_mean)
    if config.ema_decay:
        average, stats = state.g_ema
        load(moved, state.replace(g=Player(average, stats)))
        assert_same(both.twin.average, moved.generator)
        if lazy_turns:
            close(both.twin.average[0].w_mean, moved.mapping.w_mean)


def step_inputs(name, config, state, x, y):
    """The minibatches of a step of ours, and the latents of a step of the twin's.

    In place of latents are images y, where these are translated.
    """
    k = len(x)
    if translated := TRANSLATORS.get(name):
        beside = {"input": y, "other": {"x": y}}
        return {"x": x, translated: beside[translated]}, y, y[-1]
    prior = resolve.bind("prior", config.prior)()
    turns = turn_keys(state, 1 if config.turns == "simultaneous" else k + 1)
    latents = [prior(jax.random.split(key, 4)[0], N) for key in turns]
    return {"x": x}, np.stack(latents[:k]), latents[-1]


def places(state, k):
    """Where penalties look between two examples, for the updates of D in turn."""
    keys = [jax.random.split(key, 7)[4] for key in turn_keys(state, k + 1)]
    return in_turn([jax.random.uniform(key, (N, 1, 1, 1)) for key in keys])


def mixed(state, k, config):
    """What a StyleGAN2 draws in a step but its turns' first latents: as two functions.

    Latents for the styles of later layers, with those of the turn about path lengths,
    and from which layer on they are.
    """
    prior, game = resolve.bind("prior", config.prior)(), config.game
    *turns, _, lazy = turn_keys(state, k + 3)
    z_key, w_key = jax.random.split(lazy, 4)[:2]
    w_keys = [jax.random.split(jax.random.split(key, 7)[1])[0] for key in turns]
    latents = [prior(jax.random.split(key)[0], N) for key in w_keys]
    latents += [prior(z_key, N), prior(jax.random.split(w_key)[0], N)]
    own, other = np.zeros((N, 6, 1)), np.ones((N, 6, 1))
    later = [
        mix(own, other, jax.random.split(key)[1], game.mixing)
        for key in (*w_keys, w_key)
    ]
    crossovers = [6 - mask.sum(1, keepdims=True) for mask in later]
    return in_turn(latents), in_turn(crossovers)


def in_turn(arrays):
    """n -> the next of them."""
    left = iter(arrays)
    return lambda n: torch.tensor(np.asarray(next(left)))


def minimised(metrics, config):
    """The losses of D and of G, with the penalty and the weighted terms of the game."""
    others = (metrics.get(f"d_{name}", 0.0) for name in ("other_loss", "penalty"))
    d_loss = metrics["d_loss"] + sum(others)
    terms = {name: metrics.get(f"g_{name}") for name in ("l1", "cycle", "identity")}
    extra = (config.game[name] * x for name, x in terms.items() if x is not None)
    return d_loss, metrics["g_loss"] + sum(extra)


def assert_same(a, b):
    """Parameters up to a fraction of what three updates of 0.003 can do."""
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_allclose(p.detach(), q.detach(), atol=1e-4)


@pytest.mark.parametrize("name", TWINS)
def test_what_a_twin_follows_are_fields_that_these_tests_change(name):
    config, _ = load_experiment(f"{name}.py")
    for field in module(name).FOLLOWS:
        entry, _, key = field.partition(".")
        known = keyword_kinds(entry, config[entry].name) if key else FIELDS
        assert (key or field) in known
    turns = {"d_steps": 3} if config.turns == "alternating" else {}
    changed = changes_of(name) | turns
    assert set(module(name).FOLLOWS) == set(changed)


RATES = {"discriminator.input_dropout": 0.1, "discriminator.dropout": 0.3}


@pytest.mark.parametrize(
    ("name", "rates", "expected"),
    [
        ("mnist_mlp_2014", {}, [0.2, 0.5, 0.5]),
        ("mnist_mlp_2014", RATES, [0.1, 0.3, 0.3]),
        ("mnist_mlp", {}, [0, 0, 0]),
        ("mnist_mlp", RATES, [0.1, 0.3, 0.3]),
        ("cifar_mlp", TWINS["cifar_mlp"][1] | RATES, [0.1, 0.3, 0.3]),
        ("cifar_conv", TWINS["cifar_conv"][1] | RATES, [0.1, 0.3, 0.3, 0.3, 0.3]),
        ("facades", {}, [0.5, 0.5]),
        ("facades", {"generator.dropout": 0.2}, [0.2, 0.2]),
    ],
)
def test_dropout_has_the_rates_of_the_config(name, rates, expected):
    made = pair(name, rates).twin
    networks = torch.nn.ModuleList([made.generator, made.discriminator])
    layers = [x for x in networks.modules() if isinstance(x, torch.nn.Dropout)]
    assert [layer.p for layer in layers] == expected
    assert all(layer.training for layer in layers)


@pytest.mark.parametrize("name", sorted(TWINS.keys() - TRANSLATORS))
def test_latents_are_those_of_the_prior(name):
    both = pair(name, changes_of(name))
    prior = resolve.bind("prior", both.config.prior)()
    drawn = both.twin.latents(20_000).numpy()
    expected = np.asarray(prior(jax.random.key(0), 20_000))
    assert drawn.shape == expected.shape
    ranks = np.linspace(0, 1, 11)[1:-1]
    deciles = np.quantile(drawn, ranks, axis=0), np.quantile(expected, ranks, axis=0)
    np.testing.assert_allclose(*deciles, atol=0.06)


# The process that the benchmark talks to


@pytest.fixture
def serve(tmp_path):
    """serve.py with these arguments; killed should it keep silent."""
    processes = []

    def serve(*arguments):
        process = subprocess.Popen(
            [sys.executable, SERVE, *arguments],
            cwd=tmp_path,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append((process, threading.Timer(120, process.kill)))
        processes[-1][1].start()
        return process

    yield serve
    for process, timer in processes:
        timer.cancel()
        process.kill()
        process.communicate()


def task(folder, examples_, **changes):
    """What serve.py is told first, of the experiment `digits`."""
    config, _ = load_experiment("digits.py")
    small = changes_of("digits") | changes
    override(config, [(field, str(value)) for field, value in small.items()])
    np.save(folder / "x.npy", examples(0, examples_, 8, 8, 1))
    data = [str(folder / "x.npy")]
    return {"config": to_json(config), "shape": [8, 8, 1], "data": data}


def test_steps_are_taken_at_command(serve, tmp_path):
    process = serve("digits")

    def ask(**request):
        print(json.dumps(request), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    ready = ask(**task(tmp_path, 50, d_steps=2))
    first_step_s, threads = ready.pop("first_step_s"), ready.pop("threads")
    assert ready == {
        "ready": True,
        "torch": torch.__version__,
        "device": "cpu",
        "parameters": pair("digits", changes_of("digits")).twin.parameter_counts(),
    }
    assert 0 < first_step_s < 120
    assert threads > 0
    few, many = ask(steps=2), ask(steps=200)
    for taken in (few, many):
        assert taken.keys() == {"seconds", "d_loss", "g_loss"}
        assert all(map(math.isfinite, taken.values()))
    assert few["seconds"] < many["seconds"]
    assert few["d_loss"] != many["d_loss"]
    rest, _ = process.communicate()
    assert (process.returncode, rest) == (0, "")


def refusal(process, request=""):
    """The one line of a process that ends with status 2."""
    out, err = process.communicate(request)
    assert (process.returncode, out) == (2, "")
    (line,) = err.splitlines()
    return line


def test_an_experiment_without_a_twin_is_refused(serve):
    line = refusal(serve("digist"))
    assert "'digist'" in line
    assert all(name in line for name in TWINS)
    assert "twin," not in line


def test_every_twin_can_be_served(serve):
    listed = refusal(serve("")).partition("there are ")[2]
    assert set(listed.split(", ")) == set(TWINS)


def test_too_few_examples_for_a_step_are_refused(serve, tmp_path):
    request = json.dumps(task(tmp_path, 3 * N - 1, d_steps=3))
    assert "3 x 8 examples" in refusal(serve("digits"), request)


def test_without_a_compiler_compile_is_refused(serve, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler" in refusal(serve("digits", "--compile"))


def test_without_pytorch_the_line_says_how_to_install_it(serve, tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "pip install -e '.[peers]'" in refusal(serve("digits"))
