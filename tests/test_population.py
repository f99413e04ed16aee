"""Many runs in one program: each member is as if it had trained alone."""

import errno
import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import some_slow

import gan_jax
from gan_jax import build
from gan_jax.config.files import load_experiment, override
from gan_jax.config.hparams import number_fields
from gan_jax.data import loading
from gan_jax.errors import DivergedError, UsageError
from gan_jax.loop import checkpoint, parallel, population, teams
from gan_jax.loop.checkpoint import saved_steps
from gan_jax.loop.population import structure, train_population
from gan_jax.loop.train import prepare
from gan_jax.metrics import judge
from gan_jax.metrics.case import Result

RATE = "d_optimizer.learning_rate"
SGD = {
    "d_optimizer.name": "sgd",
    RATE: 0.05,
    "g_optimizer.name": "sgd",
    "g_optimizer.learning_rate": 0.05,
}
SHRUNK = {
    "steps": 20,
    "batch_size": 16,
    "generator.widths": 16,
    "discriminator.widths": 16,
    "prior.dim": 8,
    "sample_grid": "2,2",
    "log_every": 5,
    "sample_every": 20,
    "checkpoint_every": 10,
    "devices": 1,
}
CONVOLUTIONAL = {
    "data.name": "arrays",
    "generator.widths": 16,
    "discriminator.name": "dcgan",
    "discriminator.width": 4,
    "batch_size": 8,
    "steps": 20,
    "sample_grid": "2,2",
    "devices": 1,
}


def experiment(changes, **others):
    """A config of the digits with changes."""
    config, _ = load_experiment("experiments/digits.py")
    changes = changes | others
    override(config, [(field, str(value)) for field, value in changes.items()])
    return config


def checkpoints(workdir):
    return saved_steps(workdir / "checkpoints")


def learned(workdir, step=None):
    """Everything of a checkpoint as numpy arrays."""
    state = gan_jax.load(workdir, step).state
    leaves = jax.tree.leaves((state.d, state.g, state.g_ema, state.hparams))
    return [np.asarray(leaf) for leaf in leaves]


def far(one, other):
    pairs = zip(one, other, strict=True)
    return max(np.abs(a.astype(float) - b).max() for a, b in pairs)


# one program less to compile: none that leaves out what is not logged
LOGGED = SHRUNK | SGD | {"log_every": 1}
CASES = {
    "plain": SHRUNK | SGD,
    "average, turns of G": LOGGED | {"ema_decay": 0.9, "g_steps": 2},
    "many steps in one program": SHRUNK | SGD | {"steps_per_dispatch": 4},
    "turn by turn": SHRUNK | SGD | {"d_steps": 9},
    "two devices": LOGGED | {"devices": 2},
    "dropout, noise on the data": {
        **{name: x for name, x in LOGGED.items() if name != "discriminator.widths"},
        "discriminator.name": "maxout",
        "discriminator.units": 16,
        "data.dequantize": "true",
    },
}


@pytest.mark.parametrize(
    "case", some_slow(CASES, quick=["plain", "dropout, noise on the data"])
)
def test_a_member_is_a_run_of_its_own(case, tmp_path):
    """Seeds and rates of three members against runs of each, minibatches included."""
    rates = {0: 0.01, 7: 0.05, 8: 0.2}
    configs = [
        experiment(CASES[case] | {"seed": seed, RATE: rate})
        for seed, rate in rates.items()
    ]
    together = [tmp_path / f"member{seed}" for seed in rates]
    assert train_population(configs, together, "digits") == [None] * 3
    found = [learned(workdir) for workdir in together]
    for config, workdir, member in zip(configs, together, found, strict=True):
        alone = tmp_path / f"{workdir.name}_alone"
        gan_jax.train(config, alone, "digits")
        assert far(member, learned(alone)) < 1e-6
        assert checkpoints(workdir) == saved_steps(alone / "checkpoints")
        logged = [gan_jax.load(path).metrics() for path in (workdir, alone)]
        assert logged[0].keys() == logged[1].keys()
        np.testing.assert_allclose(
            logged[0]["d_loss"], logged[1]["d_loss"], rtol=1e-5, atol=1e-6
        )
        records = [
            json.loads((w / "config.json").read_text()) for w in (workdir, alone)
        ]
        assert records[0] == records[1]
        assert (workdir / "samples" / "00000020.png").is_file()
        assert len(gan_jax.load(workdir).sample(2)) == 2
    assert far(found[0], found[1]) > 1e-3


def test_convolutions_take_turns(tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(256, size=(32, 16, 16, 1))
    np.save(tmp_path / "x.npy", pixels.astype(np.uint8))
    path = {"data.path": tmp_path / "x.npy"}
    configs = [experiment(CONVOLUTIONAL | SGD | path, seed=seed) for seed in (0, 1)]
    workdirs = [tmp_path / "0", tmp_path / "1"]
    assert train_population(configs, workdirs) == [None, None]
    assert "2 members, in turns, start fresh" in capsys.readouterr().err
    gan_jax.train(configs[1], tmp_path / "alone")
    assert far(learned(workdirs[1]), learned(tmp_path / "alone")) == 0


@pytest.mark.parametrize(
    ("width", "backend", "way"),
    [
        (16, "cpu", teams.side_by_side),
        (2048, "cpu", teams.in_turns),
        (2048, "gpu", teams.side_by_side),
    ],
)
def test_a_cpu_trains_large_members_in_turns(width, backend, way, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    config = experiment(SHRUNK | {"generator.widths": width})
    dataset, built = prepare(config)
    assert teams.faster_way(config, built, dataset) is way


@pytest.mark.parametrize("way", ["side by side", "in turns"])
def test_a_member_that_diverges_changes_no_bit_of_the_others(
    way, tmp_path, monkeypatch, capsys
):
    chosen = getattr(teams, way.replace(" ", "_"))
    monkeypatch.setattr(population, "faster_way", lambda *_: chosen)
    outcomes = {}
    for name, rate in (("good", 0.05), ("poisoned", 1e30)):
        rates = 0.01, rate, 0.1
        configs = [
            experiment(SHRUNK | SGD | {"steps": 10, "seed": seed, RATE: rate})
            for seed, rate in enumerate(rates)
        ]
        workdirs = [tmp_path / name / str(seed) for seed in range(3)]
        outcomes[name] = train_population(configs, workdirs)
    assert outcomes["good"] == [None] * 3
    first, poisoned, last = outcomes["poisoned"]
    assert first is None
    assert last is None
    assert isinstance(poisoned, DivergedError)
    assert re.search("became (nan|inf) at step", str(poisoned))
    assert f"{tmp_path}/poisoned/1: diverged" in capsys.readouterr().err
    assert checkpoints(tmp_path / "poisoned" / "1") == []
    for seed in (0, 2):
        pair = [learned(tmp_path / name / str(seed)) for name in outcomes]
        assert far(*pair) == 0


def test_a_population_of_diverged_members_ends(tmp_path):
    config = experiment(SHRUNK | SGD | {RATE: 1e30, "steps": 10_000})
    (outcome,) = train_population([config], [tmp_path / "run"])
    assert isinstance(outcome, DivergedError)


def test_a_frozen_member_is_left_as_it_was():
    """In memory too: the state is that of the last step with a finite loss."""
    configs = [
        experiment(SHRUNK | SGD | {"seed": seed, RATE: rate})
        for seed, rate in enumerate((0.05, 1e20))
    ]
    dataset = loading.load_dataset(configs[0])
    built = build.build(configs[0], dataset.info, dataset.mean)
    states = [build.initial_state(config, built) for config in configs]
    members = teams.side_by_side(configs, built, dataset)
    state, last = members.gather(states), []
    for step in range(4):
        state, metrics = members.dispatch.run(state, members.feed, step, step + 1)
        last.append(int(state.step[1]))
    assert int(state.step[0]) == 4
    assert last[-1] == last[-2] < 4
    losses = np.array([metrics["d_loss"], metrics["g_loss"]])
    assert np.isfinite(losses).all(axis=0).tolist() == [True, False]


def test_a_population_that_was_stopped_goes_on_together(tmp_path, capsys):
    for name, ends in (("stopped", (10, 20)), ("whole", (20,))):
        for steps in ends:
            configs = [experiment(SHRUNK | SGD, seed=s, steps=steps) for s in (0, 1)]
            assert not any(
                train_population(configs, [tmp_path / f"{name}{s}" for s in (0, 1)])
            )
    said = capsys.readouterr().err
    assert "2 members, side by side, resume from step 10" in said
    for seed in (0, 1):
        pair = tmp_path / f"stopped{seed}", tmp_path / f"whole{seed}"
        assert far(*map(learned, pair)) == 0


def test_members_of_different_progress_go_on_from_their_last_common_step(
    tmp_path, capsys
):
    """One was killed before it saved what the other did."""
    configs = [experiment(SHRUNK | SGD, seed=seed, steps=20) for seed in (0, 1)]
    workdirs = [tmp_path / "0", tmp_path / "1"]
    train_population(configs, workdirs)
    expected = list(map(learned, workdirs))
    shutil.rmtree(workdirs[1] / "checkpoints" / "20")
    longer = [experiment(SHRUNK | SGD, seed=seed, steps=30) for seed in (0, 1)]
    capsys.readouterr()
    train_population(longer, workdirs)
    assert "2 members, side by side, resume from step 10" in capsys.readouterr().err
    for workdir, state in zip(workdirs, expected, strict=True):
        assert far(learned(workdir, 20), state) == 0


def test_members_without_a_common_step_go_on_in_groups(tmp_path, capsys):
    train_population([experiment(SHRUNK | SGD, seed=0, steps=10)], [tmp_path / "0"])
    configs = [experiment(SHRUNK | SGD, seed=seed) for seed in (0, 1, 2)]
    capsys.readouterr()
    assert (
        train_population(configs, [tmp_path / str(seed) for seed in (0, 1, 2)])
        == [None] * 3
    )
    said = capsys.readouterr().err
    assert "2 members, side by side, start fresh" in said
    assert "1 members, side by side, resume from step 10" in said
    assert checkpoints(tmp_path / "0")[-1] == 20


def test_members_that_do_not_fit_memory_train_in_groups(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(population, "members_that_fit", lambda *_: 2)
    configs = [experiment(SHRUNK | SGD, seed=seed, steps=2) for seed in range(3)]
    assert (
        train_population(configs, [tmp_path / str(s) for s in range(3)]) == [None] * 3
    )
    said = capsys.readouterr().err
    assert "2 members, side by side" in said
    assert "1 members, side by side" in said


def test_memory_holds_fewer_of_larger_members(monkeypatch):
    monkeypatch.setattr(teams, "_free_memory", lambda: 10**9)
    found = []
    for width in (64, 1024):
        config = experiment(SHRUNK | {"generator.widths": width})
        dataset, built = prepare(config)
        found.append(teams.members_that_fit(config, built, dataset))
    assert found[0] > 5 * found[1] > 5


# What may differ


def test_numbers_are_what_optimizers_constraints_and_the_average_are_given():
    config = experiment(
        {
            "d_optimizer.b2": 0.9,
            "d_constraint.name": "clip",
            "d_constraint.limit": 0.1,
            "ema_decay": 0.99,
        }
    )
    assert number_fields(config) == {
        "ema_decay": 0.99,
        RATE: 5e-4,
        "d_optimizer.b1": 0.5,
        "d_optimizer.b2": 0.9,
        "d_constraint.limit": 0.1,
        "g_optimizer.learning_rate": 5e-4,
        "g_optimizer.b1": 0.5,
    }
    assert "ema_decay" not in number_fields(experiment({"ema_decay": 0}))


@pytest.mark.parametrize(
    ("field", "value", "same"),
    [
        ("seed", 3, True),
        (RATE, 0.1, True),
        ("g_optimizer.b1", 0.9, True),
        ("ema_decay", 0.5, True),
        ("ema_decay", 0, False),
        ("d_optimizer.b2", 0.9, False),  # absent before: another argument
        ("d_optimizer.nesterov", "true", False),
        ("batch_size", 32, False),
        ("loss.name", "least_squares", False),
        ("generator.widths", 16, False),
        ("steps", 3, False),
    ],
)
def test_structure_is_all_but_seed_and_numbers(field, value, same):
    before = {"ema_decay": 0.9}
    one, other = experiment(before), experiment(before | {field: value})
    assert (structure(one) == structure(other)) == same


def test_members_of_another_structure_are_refused(tmp_path):
    configs = [experiment(SHRUNK), experiment(SHRUNK, batch_size=8)]
    with pytest.raises(UsageError, match="batch_size is 16 and 8; they may differ in"):
        train_population(configs, [tmp_path / "0", tmp_path / "1"])
    with pytest.raises(UsageError, match="share a work directory"):
        train_population(configs[:1] * 2, [tmp_path / "0", tmp_path / "0"])
    assert list(tmp_path.iterdir()) == []


def test_members_are_spread_over_the_devices():
    shapes = {
        members: dict(
            parallel.population_mesh(experiment({"devices": 2}), members).shape
        )
        for members in (1, 2, 3, 4)
    }
    assert shapes == {
        1: {"member": 1, "data": 2},
        2: {"member": 2, "data": 1},
        3: {"member": 1, "data": 2},
        4: {"member": 2, "data": 1},
    }


def test_members_on_devices_of_their_own_exchange_nothing():
    configs = [experiment(SHRUNK | {"devices": 2, "seed": seed}) for seed in (0, 1)]
    dataset = loading.load_dataset(configs[0])
    built = build.build(configs[0], dataset.info, dataset.mean)
    states = [build.initial_state(config, built) for config in configs]
    members = teams.side_by_side(configs, built, dataset)
    ((program, arguments, _),) = members.dispatch.programs(
        members.gather(states), members.feed
    )
    with parallel.within(parallel.population_mesh(configs[0], 2)):
        text = program.lower(*arguments).compile().as_text()
    assert members.devices.startswith("2 of 2, 2 groups of members")
    assert "num_partitions=2" in text
    for exchange in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert exchange not in text


def test_a_damaged_checkpoint_of_a_member_sends_all_to_the_one_before(tmp_path, capsys):
    configs = [experiment(SHRUNK | SGD, seed=seed) for seed in (0, 1)]
    workdirs = [tmp_path / "0", tmp_path / "1"]
    train_population(configs, workdirs)
    expected = list(map(learned, workdirs))
    for file in (workdirs[1] / "checkpoints" / "20").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    longer = [experiment(SHRUNK | SGD, seed=seed, steps=30) for seed in (0, 1)]
    capsys.readouterr()
    assert train_population(longer, workdirs) == [None, None]
    said = capsys.readouterr().err
    assert "checkpoint 20 is damaged" in said
    assert "2 members, side by side, resume from step 10" in said
    for workdir, state in zip(workdirs, expected, strict=True):
        assert far(learned(workdir, 20), state) == 0


def test_a_checkpoint_that_cannot_be_read_now_sends_nobody_back(tmp_path, monkeypatch):
    configs = [experiment(SHRUNK | SGD, seed=seed) for seed in (0, 1)]
    workdirs = [tmp_path / "0", tmp_path / "1"]
    train_population(configs, workdirs)
    longer = [experiment(SHRUNK | SGD, seed=seed, steps=30) for seed in (0, 1)]

    def load(path, like):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_load", load)
        with pytest.raises(UsageError, match=r"20 in .* cannot be read now"):
            train_population(longer, workdirs)
    assert [saved_steps(w / "checkpoints") for w in workdirs] == [[10, 20]] * 2


def test_a_member_whose_samples_overflow_diverges_alone(tmp_path):
    """Its losses and parameters are finite still, but not what is to be evaluated."""
    configs = []
    for rate in (0.01, 1e17):
        config, _ = load_experiment("experiments/toy2d.py")
        changes = SGD | {"steps": 4, "evaluate_every": 1, "evaluate_metrics": "modes"}
        changes |= {"devices": 1, "g_optimizer.learning_rate": rate}
        override(config, [(field, str(value)) for field, value in changes.items()])
        configs.append(config)
    told = []
    outcomes = train_population(
        configs,
        [tmp_path / "good", tmp_path / "bad"],
        on_divergence=lambda workdir, error: told.append((workdir.name, error)),
    )
    assert outcomes[0] is None
    assert isinstance(outcomes[1], DivergedError)
    assert told == [("bad", outcomes[1])]
    assert checkpoints(tmp_path / "good") == [4]
    with pytest.raises(DivergedError, match="diverged: "):
        gan_jax.train(configs[1], tmp_path / "alone")


def test_samples_whose_distance_overflows_diverge(tmp_path, monkeypatch):
    """Each of them is a number, and so are losses and parameters."""
    config = experiment(SGD | {"steps": 4, "evaluate_every": 2, "sample_every": 4})
    config.evaluate_metrics = ("sliced_wasserstein",)
    infinite = Result({"sliced_wasserstein": float("inf")}, {})
    monkeypatch.setitem(judge.METRICS, "sliced_wasserstein", lambda case: infinite)
    with pytest.raises(DivergedError, match="diverged: sliced_wasserstein: not finite"):
        gan_jax.train(config, tmp_path / "run")


def test_a_turn_whose_loss_was_not_finite_is_not_forgotten():
    """Of nine turns of D in a step, the third sees a number that is none."""
    config = experiment(SHRUNK | SGD | {"d_steps": 9})
    dataset = loading.load_dataset(config)
    built = build.build(config, dataset.info, dataset.mean)

    def view(arrays, indices, key):
        batch = dataset.view(arrays, indices, key)
        poison = jnp.where((indices == poisoned).any(), jnp.nan, 1.0)
        return batch | {"x": batch["x"] * poison}

    members = teams.side_by_side([config], built, dataset)
    poisoned = int(members.feed.fetch(0, 1)[1][0, 2, 0])
    members = teams.side_by_side([config], built, dataset._replace(view=view))
    state = members.gather([build.initial_state(config, built)])
    _, metrics = members.dispatch.run(state, members.feed, 0, 1)
    assert np.isnan(metrics["d_loss"]).all()
    assert np.isfinite(metrics["g_loss"]).all()
