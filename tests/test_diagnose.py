"""The diagnosis of a run: what it finds in bad runs, and that it leaves good ones."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from gan_jax import cli, diagnose, dirac_gan, pictures
from gan_jax.config.files import fields, from_json, load_experiment, override, to_json
from gan_jax.config.validation import validate
from gan_jax.diagnosis import diagnose as diagnosis_of
from gan_jax.diagnosis import in_a_line, offers
from gan_jax.diagnosis.evidence import gather
from gan_jax.diagnosis.period import period
from gan_jax.metrics.protocol import Measurement, Protocol, append

KEPT = json.loads((Path(__file__).parent / "data" / "logs.json").read_text())
DIGITS = {"shape": [8, 8, 1], "size": 1797, "classes": list("0123456789")}
MNIST = DIGITS | {"shape": [28, 28, 1], "size": 50_000, "shares": [0.1] * 10}
CIFAR = DIGITS | {"shape": [32, 32, 3]}
RING = {"shape": [2], "size": 100_000, "classes": [], "modes": {"means": [[0, 0]] * 8}}
STEPS = np.arange(50, 2_001, 50)  # of the rows of a log
NOISE = np.random.default_rng(0).normal(size=(8, len(STEPS)))


@pytest.fixture
def logged(tmp_path):
    """Writes the log of a run: (columns, experiment, changes, data) -> its diagnosis.

    columns: of metrics.jsonl, None where there is nothing; those shorter than the steps
             are spread over them
    """

    def logged(columns, experiment="digits", data=DIGITS, steps=STEPS, **changes):
        config, _ = load_experiment(f"experiments/{experiment}.py")
        override(config, [(name.replace("__", "."), x) for name, x in changes.items()])
        about = {"fitted": {"low": 0.0, "high": 1.0}, "modes": None} | data
        record = {"experiment": experiment, "config": to_json(config), "data": about}
        (tmp_path / "config.json").write_text(json.dumps(record))
        rows = [{"step": int(step)} for step in steps]
        for name, values in columns.items():
            places = np.linspace(0, len(rows), len(values) + 1).astype(int)[1:] - 1
            for place, value in zip(places, values, strict=True):
                rows[place] |= {} if value is None else {name: float(value)}
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "metrics.jsonl").write_text(text)
        return diagnosis_of(tmp_path)

    return logged


def players(real, made, real_accuracy, fake_accuracy):
    """Columns of D's outputs and accuracies around these values, with noise."""
    given = real, made, real_accuracy, fake_accuracy
    pairs = zip(given, NOISE[:4], strict=True)
    values = [np.broadcast_to(x, len(STEPS)) + 0.01 * noise for x, noise in pairs]
    names = "d_real", "d_fake", "d_real_accuracy", "d_fake_accuracy"
    columns = dict(zip(names, values, strict=True))
    return columns | {x: np.clip(columns[x], 0, 1) for x in names[2:]}


def verdicts(found):
    return {x.name: x.verdict for x in found.findings}


def alarms(found):
    return [x.name for x in found.alarms]


def finding(found, name):
    (one,) = [x for x in found.findings if x.name == name]
    return one


# --- who has won ------------------------------------------------------------------


def test_a_d_that_tells_all_apart_to_the_end_has_won(logged):
    late = np.where(STEPS > 1_000, 0.5, 0.0)
    columns = players(0.45 + late, 0.5 - late, 0.6 + late, 0.6 + late)
    found = logged(columns | {"g_loss": 0.7 + 7 * late})
    assert alarms(found) == ["D has won"]
    said = finding(found, "D has won")
    assert "since step 1,050 D tells nearly all" in said.seen
    assert "D(x) 0.951 and D(G(z)) 0.00249, 0.5 at equilibrium" in said.seen
    assert "G's loss 4.2, there 0.693" in said.seen
    assert "may" in said.meaning


def test_a_d_that_won_for_a_while_is_worth_a_look(logged):
    while_ = np.where((STEPS > 500) & (STEPS <= 1_200), 0.5, 0.0)
    found = logged(players(0.45 + while_, 0.5 - while_, 0.6 + while_, 0.6 + while_))
    assert alarms(found) == []
    said = finding(found, "D has won")
    assert said.verdict == "note"
    assert "from step 550 to 1,200" in said.seen


def test_a_d_that_is_right_and_not_sure_is_worth_a_look(logged):
    found = logged(players(0.7, 0.4, 1.0, 1.0))
    assert alarms(found) == []
    assert verdicts(found)["D has won"] == "note"


def test_a_d_that_is_good_has_not_won(logged):
    found = logged(players(0.85, 0.12, 0.95, 0.93))
    assert alarms(found) == []
    assert verdicts(found)["D has won"] == "fine"


def test_of_a_critic_it_is_not_said_who_has_won(logged):
    columns = players(5.0, -5.0, 1.0, 1.0)
    for loss in ("wasserstein", "relativistic"):
        found = logged(columns, loss__name=loss)
        assert verdicts(found)["D has won"] == verdicts(found)["D is at chance"]
        assert verdicts(found)["D has won"] == "unknown"
    found = logged(columns, loss__name="hinge")  # whose scores have a line between
    assert alarms(found) == ["D has won"]


def test_a_saturating_loss_is_named(logged):
    found = logged(players(1.0, 0.0, 1.0, 1.0), loss__name="saturating")
    said = finding(found, "D has won")
    assert "G's gradient vanishes" in said.meaning
    assert "--config.loss.name=non_saturating" in [
        x.changes for x in found.offers(said)
    ]


def test_a_d_that_never_learned_is_told_from_one_at_equilibrium(logged):
    chance = players(0.5, 0.5, 0.5, 0.5)
    never = logged(chance)
    assert alarms(never) == ["D is at chance"]
    told = np.where(STEPS < 800, 0.3, 0)
    learned = players(0.5 + told, 0.5 - told, 0.5 + told, 0.5 + told)
    assert verdicts(logged(learned))["D is at chance"] == "note"
    assert alarms(logged(learned)) == []
    lost = {"modes": [5, 5, 4, 4], "high_quality": [0.1] * 4}
    found = logged(learned | lost, "toy2d", RING)
    assert alarms(found) == ["modes are missing", "D is at chance"]
    one_sided = players(0.5, 0.5, 1.0, 0.0)  # D says the same of everything
    assert alarms(logged(one_sided)) == ["D is at chance"]


# --- oscillation ------------------------------------------------------------------


@pytest.mark.parametrize(("gamma", "goes_round"), [(0.0, True), (1.0, False)])
def test_a_dirac_gan_goes_round_unless_it_is_penalised(logged, gamma, goes_round):
    path = dirac_gan.trajectory("wasserstein", (1.0, 1.0), 0.1, 400, gamma)
    theta, psi = np.asarray(path[5::5]).T
    found = logged(
        {"d_real": np.zeros(len(psi)), "d_fake": psi * theta},
        "gaussian_1d",
        {"shape": [1], "size": 100, "classes": []},
        steps=5 * np.arange(1, len(psi) + 1),
        loss__name="wasserstein",
    )
    assert alarms(found) == (["oscillation"] if goes_round else [])
    if goes_round:  # theta psi has half of the period 2 pi / 0.1 of the two
        said = finding(found, "oscillation")
        assert "about every 30 steps" in said.seen or "about every 31" in said.seen
        offered = [x.changes for x in found.offers(said)]
        assert "--config.penalty.name=wgan_gp" in offered
        assert "--config.ema_decay=0.999" not in offered  # it has an average


@pytest.mark.parametrize(("swing", "verdict"), [(0.2, "alarm"), (0.04, "fine")])
def test_probabilities_that_swing_far_oscillate(logged, swing, verdict):
    wave = swing * np.sin(2 * np.pi * STEPS / 400)
    found = logged(players(0.6 + wave, 0.4, 0.7, 0.7))
    assert verdicts(found)["oscillation"] == verdict
    if verdict == "alarm":
        assert (
            "swings by 0.2 to both sides of 0.19" in finding(found, "oscillation").seen
        )


def test_a_period_is_that_of_the_course():
    at = np.arange(120)
    wave = 3 * np.sin(2 * np.pi * at / 15) + 0.1 * at
    found = period(wave)
    assert found.rows == 15
    assert found.swing == pytest.approx(3, rel=0.05)
    assert found.correlation == pytest.approx(1, abs=0.05)


def test_noise_and_trends_have_no_period():
    noise = np.random.default_rng(1).normal(size=(1_000, 60))
    assert sum(period(x) is not None for x in noise) <= 10
    walks = np.cumsum(noise[:200], axis=1)
    assert sum(period(x) is not None for x in walks) <= 20
    for flat in (np.ones(60), np.arange(60.0), np.zeros(60)):
        assert period(flat) is None


def test_samples_that_are_of_other_classes_at_every_look(logged):
    def shares(order):
        looks = np.full((10, len(order)), 0.01)
        looks[order, np.arange(len(order))] = 0.91
        return {f"class_{i}": x for i, x in enumerate(looks)}

    found = logged(shares([1, 8, 1, 3, 8]), "mnist_lsgan", MNIST)
    assert alarms(found) == ["what G makes keeps changing", "modes are missing"][::-1]
    stays = logged(shares([1, 1, 1, 1, 1]), "mnist_lsgan", MNIST)
    assert alarms(stays) == ["modes are missing"]
    said = finding(stays, "modes are missing").seen
    assert said.startswith("samples show 1 of 10 classes (hardly any 0, 2, 3, 4")


def test_classes_are_those_of_the_data_by_the_numbers_of_the_classifier(logged):
    pets = CIFAR | {"classes": ["cat", "dog"], "shares": [0.5, 0.5]}
    seen = {f"class_{i}": [0.5 * (i in (3, 5))] * 6 for i in range(10)}
    found = finding(logged(seen, "cifar_dcgan", pets), "modes are missing")
    assert found.verdict == "fine"
    assert found.seen.startswith("samples show 2 of 2 classes")
    seen = {name: [1.0 * (name == "class_3")] * 6 for name in seen}
    found = finding(logged(seen, "cifar_dcgan", pets), "modes are missing")
    assert found.verdict == "alarm"
    assert found.seen.startswith("samples show 1 of 2 classes (hardly any dog)")


# --- samples ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modes", "verdict", "said"),
    [
        ([3, 7, 8, 8], "fine", "8 of 8"),
        ([8, 7, 8, 7], "fine", "7 of 8"),  # one look is a moment of the game
        ([8, 8, 5, 6, 5], "alarm", "5 of 8 modes, and 90% of them are near one at "
         "step 2,000, 8 of them at step 800"),
        ([2, 4, 5, 6], "note", "6 of 8"),
        ([3], "note", "3 of 8"),
        ([1, 0, 0, 0], "alarm", "0 of 8"),
    ],
)  # fmt: skip
def test_modes_are_missing_where_no_look_of_late_has_them(logged, modes, verdict, said):
    found = logged({"modes": modes, "high_quality": [0.9]}, "toy2d", RING)
    one = finding(found, "modes are missing")
    assert one.verdict == verdict
    assert said in one.seen


def test_what_was_evaluated_counts_as_well(logged, tmp_path):
    assert verdicts(logged({}, "toy2d", RING))["modes are missing"] == "unknown"
    protocol = Protocol(metric="modes", samples=2_500, seed=0)
    for step, modes in ((500, 6), (1_000, 5)):
        append(
            tmp_path, Measurement(protocol=protocol, values={"modes": modes}, step=step)
        )
    assert verdicts(diagnosis_of(tmp_path))["modes are missing"] == "alarm"


def test_what_was_evaluated_of_other_samples_does_not_count(logged, tmp_path):
    """Truncated ones, those of a class, another number than the newest."""
    logged({}, "toy2d", RING)
    protocol = Protocol(metric="modes", samples=2_500, seed=0)
    few = dataclasses.replace(protocol, samples=9)
    for how, step, modes in (
        (few, 500, 1),
        (protocol, 500, 8),
        (protocol, 1_000, 8),
        (dataclasses.replace(protocol, truncation=0.2), 1_000, 2),
        (dataclasses.replace(protocol, labels="given 3"), 1_000, 1),
    ):
        values = {"modes": modes}
        append(tmp_path, Measurement(protocol=how, values=values, step=step))
    steps, modes = gather(tmp_path).series["modes"]
    assert (steps.tolist(), modes.tolist()) == ([500, 1_000], [8, 8])
    assert verdicts(diagnosis_of(tmp_path))["modes are missing"] == "fine"


def album(folder, varieties):
    """Pictures of grids at steps 0, 100, ...: of samples that differ by so much."""
    random = np.random.default_rng(0)
    common = random.normal(size=(8, 8, 1))
    (folder / "samples").mkdir()
    for i, variety in enumerate(varieties):
        own = random.normal(size=(25, 8, 8, 1))
        images = np.sqrt(1 - variety) * common + np.sqrt(variety) * own
        images = np.clip(40 * images + 128, 0, 255).astype(np.uint8)
        picture = pictures.grid(images, 5, 5)
        pictures.write_image(folder / "samples" / f"{100 * i:08d}.png", picture)


@pytest.mark.parametrize(
    ("varieties", "name", "verdict"),
    [
        ([1, *[0.02] * 5], "samples are alike", "alarm"),  # from the start to the end
        ([1, 0.5, *[0.02] * 5], "samples are alike", "alarm"),
        ([1, 0.5, *[0.02] * 5, 0.5], "samples were alike", "alarm"),
        ([1, *[0.02] * 3, *[0.5] * 3], "samples are alike", "fine"),  # it began so
        ([1, *[0.5] * 4, 0.02], "samples are alike", "note"),
        ([1, *[0.2] * 6], "samples are alike", "fine"),
        ([1, 0.02, 0.02], "samples are alike", "unknown"),  # who knows
    ],
)
def test_samples_that_are_alike_are_told_by_their_pictures(
    logged, tmp_path, varieties, name, verdict
):
    album(tmp_path, varieties)
    found = logged(players(0.8, 0.2, 0.9, 0.9))
    assert verdicts(found)[name] == verdict
    if name == "samples were alike":
        said = finding(found, name).seen
        assert said.startswith("from step 200 to step 600 samples are nearly alike")
        assert "meanwhile D is right about 90% of real" in said


def test_a_picture_of_one_sample_tells_of_no_other(logged, tmp_path):
    album(tmp_path, [0.02] * 6)
    found = logged({}, sample_grid="1,1")
    assert verdicts(found)["samples are alike"] == "unknown"


def test_a_torn_picture_is_passed_over(logged, tmp_path):
    album(tmp_path, [1, *[0.5] * 5])
    (tmp_path / "samples" / "00000600.png").write_bytes(b"\x89PNG")
    said = finding(logged({}), "samples are alike")
    assert (said.verdict, said.seen.endswith("at step 500")) == ("fine", True)


def test_cells_are_the_images_of_a_grid():
    images = np.random.default_rng(0).integers(0, 255, (6, 60, 70, 3), np.uint8)
    np.testing.assert_array_equal(
        pictures.cells(pictures.grid(images, 2, 3), 2, 3), images
    )
    small = images[:, :8, :7]
    shown = pictures.cells(pictures.grid(small, 3, 2), 3, 2)
    np.testing.assert_array_equal(shown[:, ::7, ::7], small)


# --- over-fitted, diverging -------------------------------------------------------


@pytest.mark.parametrize(
    ("held_out", "verdict"), [(0.75, "fine"), (0.3, "alarm"), (None, "unknown")]
)
def test_d_is_over_fitted_where_held_out_examples_look_made(logged, held_out, verdict):
    columns = players(0.8, 0.2, 0.9, 0.9)
    if held_out is not None:
        columns |= {"validation_d_real": [held_out] * 4, "validation_d_fake": [0.2] * 4}
    for loss in ("non_saturating", "wasserstein"):
        found = logged(columns, loss__name=loss)
        assert verdicts(found)["D is over-fitted"] == verdict
    if verdict == "alarm":
        said = finding(found, "D is over-fitted").seen
        assert "0.595 of training examples, 0.1 of held-out ones" in said


def test_a_d_that_hardly_tells_anything_is_not_over_fitted(logged):
    noise = 0.2 * NOISE[6]
    columns = players(0.54 + noise, 0.5 - noise, 0.55, 0.55)
    columns |= {"validation_d_real": [0.5] * 4, "validation_d_fake": [0.5] * 4}
    assert verdicts(logged(columns))["D is over-fitted"] == "fine"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (np.exp(0.01 * STEPS), "alarm"),
        (1 + 0.5 * NOISE[0], "fine"),
        (np.linspace(0.001, 60, len(STEPS)), "fine"),  # a critic that learns
        (np.where(STEPS == 2_000, 1e9, 1.0), "fine"),  # a moment is no course
    ],
)
def test_losses_that_explode_are_divergence(logged, values, verdict):
    found = logged({"d_loss": values}, loss__name="wasserstein")
    assert verdicts(found)["divergence"] == verdict


def test_a_loss_that_was_zero_and_is_not_any_more_has_not_exploded(logged):
    """As D's hinge loss where it has won, until G comes back."""
    values = np.where(np.arange(len(STEPS)) < len(STEPS) - 3, 0.0, 0.01)
    found = logged({"d_loss": values}, loss__name="hinge")
    assert verdicts(found)["divergence"] == "fine"


def test_a_loss_far_from_its_equilibrium_all_through_is_divergence(logged):
    found = logged({"d_loss": 5_000 + 100 * NOISE[0]})
    assert "where equilibrium has 1.39" in finding(found, "divergence").seen


def test_what_a_run_or_its_sweep_has_recorded_is_said(logged, tmp_path):
    logged({"d_loss": 1 + 0.1 * NOISE[0]})
    record = json.loads((tmp_path / "config.json").read_text())
    back = {"divergences": [{"what": "d_loss became nan at step 7", "back_to": 5}]}
    (tmp_path / "config.json").write_text(json.dumps(record | back))
    said = finding(diagnosis_of(tmp_path), "divergence")
    assert said.seen == "d_loss became nan at step 7, went back to step 5"
    (tmp_path / "config.json").write_text(json.dumps(record))
    status = {"status": "diverged", "error": "diverged: x", "step": 5, "seconds": 1.0}
    (tmp_path / "status.json").write_text(json.dumps(status))
    found = diagnosis_of(tmp_path)
    assert (alarms(found), found.alarms[0].seen) == (["divergence"], "diverged: x")


# --- runs -------------------------------------------------------------------------

RATES = "d_optimizer.learning_rate", "g_optimizer.learning_rate"


def rates(d, g):
    return [f"{name}={x}" for name, x in zip(RATES, (d, g), strict=True)]


BAD = {
    "D has won": [*rates(1e-2, 1e-6), "steps=200"],
    "G has won": [*rates(1e-7, 5e-3), "steps=200"],
    "samples are alike": [
        *("prior.name=uniform", "prior.dim=8", "prior.low=-1e-6", "prior.high=1e-6"),
        *("steps=150", "sample_every=25", "sample_grid=3,3"),
    ],
    "divergence": [
        *("loss.name=wasserstein", "d_optimizer.name=sgd", RATES[0] + "=0.3"),
        *("steps=100", "log_every=1"),
    ],
    "D is over-fitted": [
        *("data.split=train[:64]", "data.validation_split=train[1500:]"),
        *("discriminator.widths=128", "generator.widths=64", "batch_size=32"),
        *("validate_every=50", "steps=600", "log_every=10", *rates(1e-3, 5e-4)),
    ],
}


@pytest.mark.parametrize("name", BAD)
def test_a_run_made_to_fail_is_told_how_it_fails(gan, small, tmp_path, name):
    changes = ["log_every=5", "sample_every=1000", "checkpoint_every=1000", *BAD[name]]
    flags = [f"--config.{change}" for change in changes]
    outcome = gan(*small, *flags, f"--workdir={tmp_path}")
    assert outcome.status == (3 if name == "divergence" else 0)
    assert name in alarms(diagnosis_of(tmp_path))
    if name != "divergence":
        *_, line, done = outcome.err.splitlines()
        assert done.startswith("done: ")
        assert line.startswith("diagnosis: ")
        assert line.endswith(
            f"; more by python -m gan_jax.diagnose --workdir={tmp_path}"
        )
        assert name in line


@pytest.mark.parametrize("name", KEPT)
def test_kept_logs_of_runs_are_read_as_they_went(logged, name):
    """Thinned logs of short runs, all good ones but the last.

    mnist_stylegan2 drew one image until step 2,400, which was another one at each look.
    """
    kept = KEPT[name]
    changes = {field.replace(".", "__"): x for field, x in kept["changes"].items()}
    columns = dict(kept["columns"])
    steps = columns.pop("step")
    found = logged(columns, kept["experiment"], kept["data"], steps, **changes)
    assert alarms(found) == kept["alarms"]
    assert sum(x.verdict != "unknown" for x in found.findings) >= 2


def test_nothing_alarming_is_said_where_too_little_was_logged(digits_run):
    found = diagnosis_of(digits_run)
    assert alarms(found) == []
    assert {x.verdict for x in found.findings} == {"unknown"}
    assert in_a_line(digits_run).startswith("diagnosis: too little was logged")


def test_a_line_never_ends_a_run(tmp_path):
    assert in_a_line(tmp_path).startswith(f"diagnosis: none, no run in {tmp_path}")


# --- what is offered --------------------------------------------------------------

OFFERS = [
    offers.against_strong_d,
    offers.against_weak_d,
    offers.against_missing_modes,
    offers.against_oscillation,
    offers.against_overfitting,
    offers.against_divergence,
]


@pytest.mark.parametrize(
    ("experiment", "data", "never"),
    [
        ("digits", DIGITS, "dtype"),
        ("toy2d", RING, "augmentation"),  # of images
        ("mnist_wgan_gp", MNIST, "penalty.name=r1 "),
        ("cifar_dcgan", CIFAR, "penalty.name=r1 "),  # D has batch norm
    ],
)
def test_whatever_is_offered_is_a_run_that_can_be_had(logged, experiment, data, never):
    evidence = logged({}, experiment, data).evidence
    for against in OFFERS:
        found = against(evidence)
        assert found, against
        for offer in found:
            rest, changes = cli.split_off_changes(offer.changes.split())
            assert rest == []
            changed = from_json(to_json(evidence.config))
            override(changed, changes)
            validate(changed)
            assert fields(changed) != fields(evidence.config)
            assert never not in f"{offer.changes} "
            assert offer.why


# --- the command ------------------------------------------------------------------


def run(capsys, *arguments):
    status = cli.run(diagnose.main, list(map(str, arguments)))
    return status, *capsys.readouterr()


def test_the_command_says_what_was_seen_what_it_may_mean_and_what_to_type(
    logged, tmp_path, capsys
):
    logged(players(0.99, 0.01, 1.0, 1.0))
    status, out, err = run(capsys, f"--workdir={tmp_path}")
    assert (status, err) == (0, "")
    assert out.startswith(f"{tmp_path}: digits, logged to step 2,000 of 12,000\n")
    parts = out.split("\n\n")
    assert [part.splitlines()[0] for part in parts[1:]] == [
        "What stands out", "Not seen", "The logs do not say",
    ]  # fmt: skip
    assert "D has won: since step 50" in parts[1]
    assert "\n      --config.penalty.name=r1\n" in parts[1]
    assert max(map(len, out.splitlines()[1:])) <= 88


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (None, None, "no run in"),
        ("config.json", "{", "is not the record of a run"),
        ("metrics.jsonl", '{"loss": 3}\n', "is not the log of a run"),
        ("metrics.jsonl", "[1]\n", "is not the log of a run"),
        ("sweep.json", "{}", "is a sweep"),
    ],
)
def test_what_is_no_run_is_one_line(logged, tmp_path, capsys, name, content, said):
    if name is not None:
        logged({})
        (tmp_path / name).write_text(content)
    status, out, err = run(capsys, f"--workdir={tmp_path}")
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
