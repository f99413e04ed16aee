"""The command that judges a run: what is measured, and how it is written down."""

import dataclasses
import json
import multiprocessing
import re
import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import evaluate, pictures
from gan_jax.data import loading
from gan_jax.errors import UsageError
from gan_jax.loop.checkpoint import saved_steps
from gan_jax.metrics import choice, judge
from gan_jax.metrics.case import Case, Real
from gan_jax.metrics.features import load_features
from gan_jax.metrics.protocol import Measurement, Protocol, append
from gan_jax.metrics.reference import reference_features
from gan_jax.watches import evaluation

SAMPLES = "--samples=300"


@pytest.fixture
def workdir(digits_run, tmp_path):
    """A run of the digits that may be changed."""
    shutil.copytree(digits_run, tmp_path / "digits")
    return tmp_path / "digits"


def rows(workdir):
    lines = (workdir / "evaluation.jsonl").read_text().splitlines()
    return [Measurement.from_json(line) for line in lines]


def case(samples, real, **rest):
    return Case(samples, load_features("pixels"), real, **rest)


@pytest.fixture(scope="module")
def digits():
    from gan_jax.data.digits import load

    source = load()
    return Real("digits train", source.x, source.y)


def values(case, *names):
    found = {}
    for measurement, _ in judge.judge(case, names):
        found |= measurement.values
    return found


def test_the_data_itself_is_judged_perfect(digits):
    part = digits._replace(x=digits.x[:500], y=digits.y[:500])
    names = "frechet", "precision_recall", "density_coverage", "sliced_wasserstein"
    found = values(case(part.x, part), *names)
    # of so many zeros, the pixels at the edge, eigenvalues are known to 1e-8 or so
    assert found["frechet_pixels"] == pytest.approx(0, abs=1e-6)
    assert found["sliced_wasserstein"] == pytest.approx(0, abs=1e-6)
    assert found["precision"] == found["recall"] == found["coverage"] == 1


def test_noise_is_judged_worse_than_held_out_digits(digits):
    part = digits._replace(x=digits.x[:800], y=digits.y[:800])
    fresh = digits.x[800:1600]
    noise = np.random.default_rng(0).integers(256, size=fresh.shape, dtype=np.uint8)
    names = "frechet", "precision_recall", "sliced_wasserstein"
    good, bad = (values(case(x, part), *names) for x in (fresh, noise))
    assert good["frechet_pixels"] < 0.2 * bad["frechet_pixels"]
    assert good["sliced_wasserstein"] < 0.2 * bad["sliced_wasserstein"]
    assert good["precision"] > 0.7
    assert bad["precision"] == 0


def test_copies_of_the_training_set_are_told_from_fresh_digits(digits):
    train = digits._replace(x=digits.x[:900])
    held_out = digits._replace(x=digits.x[1350:])
    given = {"held_out": lambda: held_out}
    copied = values(case(digits.x[:400], train, **given), "copying")["copying"]
    fresh = values(case(digits.x[900:1350], train, **given), "copying")["copying"]
    assert copied == 1
    assert 0.4 < fresh < 0.6


def test_a_run_is_measured_and_every_number_has_its_protocol(judged, workdir):
    outcome = judged(f"--workdir={workdir}", SAMPLES, "--metrics=frechet,copying")
    assert outcome.status == 2  # the digits have one split
    assert "copying: held-out data: there is no data split 'test'" in outcome.error
    assert "--held_out" in outcome.error
    (frechet,) = rows(workdir)  # what could be measured is not lost
    protocol = frechet.protocol
    assert protocol.metric == "frechet_pixels"
    assert (protocol.samples, protocol.seed) == (300, 0)
    assert (protocol.features, protocol.checksum) == ("pixels", None)
    assert re.fullmatch(r"digits train [0-9a-f]{8}", protocol.reference)
    assert protocol.reference_size == 1797
    assert protocol.ema is True
    assert protocol.batch_norm is None  # an MLP has none
    assert frechet.model.startswith("digits batch_size=16 ")
    assert "ema_decay=0.9" in frechet.model
    assert "steps" not in frechet.model
    assert frechet.step == 60
    assert f"{frechet.values['frechet_pixels']:.4g}" in outcome.out


def test_the_default_metrics_are_those_that_suit_the_data(judged, workdir):
    run = gan_jax.load(workdir)
    # 1,797 digits are too few for subsets of 1,000
    few = ["frechet", "precision_recall", "density_coverage"]
    assert choice.suited(run.config, run.info, 10_000) == few
    outcome = judged(f"--workdir={workdir}", SAMPLES)
    assert outcome.status == 0
    assert [m.protocol.metric for m in rows(workdir)] == ["frechet_pixels", *few[1:]]
    mnist = {"shape": [28, 28, 1], "size": 60_000, "classes": list("0123456789")}
    many = choice.suited(run.config, mnist, 10_000)
    assert "kernel" in many
    assert many[-2:] == ["class_score", "classes"]
    assert choice.suited(run.config, mnist, 1_999) == [x for x in many if x != "kernel"]
    animals = {"shape": [32, 32, 3], "size": 20_000, "classes": ["bird", "cat"]}
    assert "class_score" in choice.suited(run.config, animals, 10_000)
    clothes = mnist | {"classes": ["coat", "boot"]}
    for other in (clothes, animals | {"classes": ["rose"]}, animals | {"classes": []}):
        assert "class_score" not in choice.suited(run.config, other, 10_000)
    large = {"shape": [64, 64, 3], "size": 60_000, "classes": []}
    assert "frechet" not in choice.suited(run.config, large, 10_000)
    assert choice.sample_size(run.config, run.info) == 10_000
    assert choice.features_for((28, 28, 1)) == "mnist"
    assert choice.features_for((32, 32, 3)) == "cifar10"
    assert choice.features_for((8, 8, 1)) == "pixels"
    points = {"shape": [2], "modes": {"means": [[0, 0]], "std": 1, "weights": [1]}}
    assert choice.suited(run.config, points, 2_500) == ["modes"]
    assert choice.suited(run.config, {"shape": [7]}, 9) == ["sliced_wasserstein"]


def test_numbers_of_two_protocols_never_stand_in_one_column(judged, workdir):
    flags = f"--workdir={workdir}", "--metrics=sliced_wasserstein"
    of_bound = ["--truncation=0.5"]
    for extra in (["--seed=1"], ["--seed=2"], ["--noema"], ["--samples=200"], of_bound):
        assert judged(*flags, SAMPLES, *extra).status == 0
    outcome = judged(f"--show={workdir}")
    assert outcome.status == 0
    tables = outcome.out.strip().split("\n\n")
    assert len(tables) == 4
    assert "2 seeds" in tables[0]
    assert "±" in tables[0]
    assert "samples 200" in tables[2]
    assert ["truncation 0.5" in each for each in tables] == [False] * 3 + [True]


def test_a_run_that_was_moved_since_is_one_run(tmp_path):
    about = {"model": "digits", "step": 20, "values": {"modes": 7.0}}
    protocol = Protocol(metric="modes", samples=9, seed=0, reference="r", ema=False)
    for place in ("/elsewhere/run", str(tmp_path)):
        append(tmp_path, Measurement(protocol=protocol, run=place, **about))
    said = evaluate.show([tmp_path])
    assert "modes" in said
    assert "runs" not in said


def test_a_checkpoint_and_a_generator_are_chosen(judged, workdir):
    flags = f"--workdir={workdir}", SAMPLES, "--metrics=frechet"
    for extra in ([], ["--step=20"], ["--noema"]):
        assert judged(*flags, *extra).status == 0
    now, early, plain = rows(workdir)
    assert (now.step, early.step) == (60, 20)
    assert early.values != now.values != plain.values
    assert plain.protocol.ema is False


def test_pictures_of_the_closest_pairs(judged, workdir):
    outcome = judged(f"--workdir={workdir}", SAMPLES, "--metrics=closest_pairs")
    assert outcome.status == 0
    with Image.open(workdir / "closest_pairs.png") as picture:
        assert picture.size == (10 * 58 + 2, 2 * 58 + 2)
    (measurement,) = rows(workdir)
    values = measurement.values
    assert values["closest_samples"] < values["closest_real"]
    # an untrained G repeats itself
    assert values["closer_pairs"] > 10
    assert values["support"] == pytest.approx(300 * 299 / 2 / values["closer_pairs"])


def test_points_with_modes_are_judged_by_them(gan, judged, tmp_path):
    flags = (
        "--config=experiments/toy2d.py",
        "--config.steps=20",
        "--config.data.size=1000",
        f"--workdir={tmp_path}",
    )
    assert gan(*flags).status == 0
    outcome = judged(f"--workdir={tmp_path}", "--metrics=modes,sliced_wasserstein")
    assert outcome.status == 0, outcome.err
    modes, distance = rows(tmp_path)
    assert set(modes.values) >= {"modes", "high_quality"}
    assert 0 <= modes.values["modes"] <= 8
    assert distance.values["sliced_wasserstein"] > 0
    assert modes.protocol.samples == 2_500


def test_features_of_real_data_are_computed_once(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    calls = []

    def apply(images):
        calls.append(len(images))
        return images.reshape(len(images), -1).astype(np.float32), np.ones((3, 1))

    network = load_features("pixels")._replace(checksum="1" * 64, apply=apply)
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    first, _ = reference_features(network, images)
    second, _ = reference_features(network, images)
    np.testing.assert_array_equal(first, second)
    assert calls == [3]
    reference_features(network, images + np.uint8(1))  # other images
    reference_features(network._replace(checksum="2" * 64), images)  # other weights
    assert calls == [3, 3, 3]
    for entry in (tmp_path / "features").iterdir():
        entry.write_bytes(entry.read_bytes()[:-30])
    repaired, _ = reference_features(network, images)
    np.testing.assert_array_equal(first, repaired)
    assert calls == [3] * 4


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--metrics=fid"], r"unknown metric 'fid'; .*accepted: .*frechet"),
        (["--metrics=kernel", "--samples=100"], "100 samples are too few"),
        (["--metrics=class_score"], "feature network that is a classifier"),
        (["--features=mnist"], "'mnist' take images of 28 x 28 x 1, not .* 8 x 8 x 1"),
        (["--features=inception"], "take images of any size with 3 channels"),
        (["--features=mnits"], "'mnits'.*mnist"),
        (["--batch_norm=batch"], "no batch norm"),
        (["--batch_norm=none"], "batch_norm='none'"),
        (["--truncation=0"], "truncation=0.0: must be positive and finite"),
        (["--truncation=1", "--real"], "--truncation=1.0: --real takes no latents"),
        (["--step=last"], "--step=last: expected a step or best"),
        (["--step=best"], "no best checkpoint"),
        (["--step=7"], "no checkpoint of step 7"),
        (["--samples=1"], "--samples=1"),
        (["--metrics=modes"], "modes of these data are not known"),
        (["--metrics=parzen"], "parzen: there are no validation data"),
        (["--reference=tset"], "no data split 'tset'"),
        (["--show=nowhere"], "nothing was measured in nowhere"),
    ],
)
def test_bad_requests_are_one_line(judged, workdir, monkeypatch, flags, message):
    monkeypatch.chdir(workdir.parent)
    outcome = judged(f"--workdir={workdir}", *flags)
    assert outcome.status == 2, outcome
    assert re.search(message, outcome.error), outcome.error
    assert outcome.err.count("\n") == 1
    assert not (workdir / "evaluation.jsonl").exists()


def test_help_lists_the_metrics(judged):
    outcome = judged("--help")
    assert outcome.status == 0
    for name in judge.METRICS:
        assert name in outcome.out


def test_a_metric_without_its_data_is_refused():
    real = Real("x", np.zeros((3, 2), np.float32))
    with pytest.raises(UsageError, match="copying: there are no held-out data"):
        next(judge.judge(Case(real.x, None, real), ["copying"]))


def test_a_measurement_is_one_line_of_json(judged, workdir):
    assert judged(f"--workdir={workdir}", SAMPLES, "--metrics=frechet").status == 0
    (line,) = (workdir / "evaluation.jsonl").read_text().splitlines()
    assert json.loads(line)["protocol"]["metric"] == "frechet_pixels"


# while a run trains

TRAINING = (
    "--config.steps=30",
    "--config.log_every=10",
    "--config.checkpoint_every=30",
    "--config.sample_every=30",
    "--config.evaluate_every=10",
    "--config.evaluate_metrics=sliced_wasserstein,precision_recall",
    "--config.evaluate_samples=200",
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A run that was judged at steps 10, 20 and 30, the best state kept."""
    from conftest import SMALL

    from gan_jax import cli, main

    workdir = tmp_path_factory.mktemp("watched") / "digits"
    flags = *SMALL, *TRAINING, "--config.best=sliced_wasserstein"
    assert cli.run(main.main, [*flags, f"--workdir={workdir}"]) == 0
    return workdir


def test_a_run_is_judged_while_it_trains(judged, watched, tmp_path):
    found = gan_jax.load(watched).metrics()
    known = ~np.isnan(found["sliced_wasserstein"])
    assert found["step"][known].tolist() == [10, 20, 30]
    assert (found["recall"][known] <= 1).all()
    written = [m for m in rows(watched) if "sliced_wasserstein" in m.values]
    assert [m.step for m in written] == [10, 20, 30]
    values = [m.values["sliced_wasserstein"] for m in written]
    np.testing.assert_allclose(found["sliced_wasserstein"][known], values)
    assert (watched / "quality.png").is_file()
    # the command measures the same
    shutil.copytree(watched, tmp_path / "copy")
    flags = "--metrics=sliced_wasserstein", "--samples=200"
    assert judged(f"--workdir={tmp_path}/copy", *flags).status == 0
    again = rows(tmp_path / "copy")[-1]
    assert again.values["sliced_wasserstein"] == pytest.approx(values[-1])
    assert again.protocol == written[-1].protocol


def test_the_best_state_is_kept_and_loaded(draw, watched, tmp_path):
    written = [m for m in rows(watched) if "sliced_wasserstein" in m.values]
    best = min(written, key=lambda m: m.values["sliced_wasserstein"]).step
    run = gan_jax.load(watched, "best")
    assert int(run.state.step) == best
    assert [path.name for path in (watched / "best").iterdir()] == [str(best)]
    out = tmp_path / "best.npz"
    flags = f"--workdir={watched}", "--step=best", "--num=3", f"--out={out}"
    assert draw(*flags).status == 0
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays["x"], run.sample(3))


def test_evaluation_changes_no_bit_of_a_run_and_resumes(gan, small, watched, tmp_path):
    plain = "--config.evaluate_every=0", f"--workdir={tmp_path}/plain"
    assert gan(*small, *TRAINING, *plain).status == 0
    flags = *small, *TRAINING, "--config.best=sliced_wasserstein"
    for steps in (15, 30):
        to = f"--config.steps={steps}", f"--workdir={tmp_path}/cut"
        assert gan(*flags, *to).status == 0
    state = gan_jax.load(watched).state
    for other in ("plain", "cut"):
        pairs = zip(
            jax.tree.leaves(state.g.params),
            jax.tree.leaves(gan_jax.load(tmp_path / other).state.g.params),
            strict=True,
        )
        for one, same in pairs:
            np.testing.assert_array_equal(one, same)
    best = int(gan_jax.load(watched, "best").state.step)
    assert int(gan_jax.load(tmp_path / "cut", "best").state.step) == best


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.evaluate_metrics=fid"], "unknown metric 'fid'"),
        (["--config.best=frechet_pixels"], "config.best=frechet_pixels; .*sliced"),
        (["--config.best=frechet", "--config.evaluate_every=0"], "evaluate_every"),
        (["--config.best=frechet"], "config.best=frechet; .*sliced_wasserstein"),
        (["--config.evaluate_metrics=kernel"], "kernel needs 2,000"),
        (["--config.evaluate_metrics=copying"], "copying needs data.validation_split"),
        (["--config.evaluate_metrics=modes"], "modes needs data whose modes"),
        (["--config.evaluate_metrics=class_score"], "classifier"),
        (["--config.evaluate_every=-1"], "must not be negative"),
        (
            ["--config.evaluate_every=0", "--config.evaluate_metrics=fid"],
            "metric 'fid'",
        ),
        (["--config.evaluate_samples=3"], "precision_recall needs 4 samples"),
        (["--config.evaluate_metrics=covariate_shift"], "needs images that a classifi"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(
    gan, small, tmp_path, flags, message
):
    outcome = gan(*small, *TRAINING, *flags, f"--workdir={tmp_path}/run")
    assert outcome.status == 2
    assert re.search(message, outcome.error), outcome.error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("metric", ["class_score", "covariate_shift", "kernel"])
def test_points_have_no_classes_to_be_judged_by(gan, tmp_path, metric):
    flags = (
        "--config=experiments/toy2d.py",
        "--config.data.size=1000",
        "--config.evaluate_every=10",
        f"--config.evaluate_metrics={metric}",
        f"--workdir={tmp_path}/run",
    )
    outcome = gan(*flags)
    assert outcome.status == 2
    assert f"metric {metric} needs " in outcome.error
    assert not (tmp_path / "run").exists()


def test_classes_of_other_data_are_refused_before_training(gan, tmp_path):
    """Two classes are no ten: the classifier's numbers are not those of the labels."""
    x = np.zeros((64, 28, 28, 1), np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(64) % 2)
    flags = (
        "--config.data.name=arrays",
        f"--config.data.path={tmp_path}/x.npz",
        "--config.data.split=train[:32]",
        "--config.data.validation_split=train[32:]",
        "--config.evaluate_every=10",
        "--config.batch_size=16",
        f"--workdir={tmp_path}/run",
    )
    outcome = gan(*flags, "--config.evaluate_metrics=covariate_shift")
    assert outcome.status == 2
    assert "covariate_shift needs data of classes that" in outcome.error


def test_the_digits_among_samples_are_logged_on_mnist(gan, tmp_path):
    x = np.zeros((64, 28, 28, 1), np.uint8)
    x[:, 4:24, 12:15] = 255  # a one
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(64) % 10)
    flags = (
        "--config.data.name=arrays",
        f"--config.data.path={tmp_path}/x.npz",
        "--config.generator.widths=16",
        "--config.discriminator.widths=16",
        "--config.batch_size=16",
        "--config.steps=4",
        "--config.validate_every=2",
        f"--workdir={tmp_path}/run",
    )
    assert gan(*flags).status == 0
    metrics = gan_jax.load(tmp_path / "run").metrics()
    shares = np.stack([metrics[f"class_{i}"] for i in range(10)], axis=1)
    shares = shares[~np.isnan(shares[:, 0])]
    assert len(shares) == 2
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    entropy = metrics["class_entropy"][~np.isnan(metrics["class_entropy"])]
    logs = np.log(np.where(shares > 0, shares, 1))
    np.testing.assert_allclose(entropy, -(shares * logs).sum(axis=1), rtol=1e-6)


def test_pictures_of_a_scaling_without_inverse_are_judged_as_pictures(gan, tmp_path):
    from gan_jax.config.files import load_experiment, override
    from gan_jax.data import scaling

    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.integers(256, size=(40, 8, 8, 3), dtype=np.uint8))
    config, _ = load_experiment("experiments/digits.py")
    changes = ("data.name", "arrays"), ("data.path", f"{tmp_path}/x.npy")
    override(config, [*changes, ("scaling.name", "gcn")])
    dataset = loading.load_dataset(config)
    real = Real.of(config, scaling.gcn(), "train", dataset.info, dataset.arrays)
    assert real.name.startswith("arrays train by gcn ")
    seen = dataset.view(dataset.arrays, np.arange(40), jax.random.key(0))["x"]
    np.testing.assert_array_equal(real.x, dataset.to_uint8(seen))
    assert (real.x != dataset.arrays["x"]).mean() > 0.5


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A run on digits 900 to 1,796, which leaves others to be held out."""
    from conftest import SMALL

    from gan_jax import cli, main

    workdir = tmp_path_factory.mktemp("apart") / "digits"
    flags = *SMALL, "--config.steps=2", "--config.data.split=train[900:]"
    assert cli.run(main.main, [*flags, f"--workdir={workdir}"]) == 0
    return workdir


def test_the_parzen_estimate_takes_its_width_and_its_test_from_splits(judged, apart):
    flags = "--metrics=parzen", "--validation=train[:500]", "--held_out=train[500:900]"
    assert judged(f"--workdir={apart}", SAMPLES, *flags).status == 0
    found = rows(apart)[-1]
    assert found.protocol.estimator.startswith("sigma by digits train[:500] ")
    assert found.protocol.reference.startswith("digits train[500:900] ")
    assert found.protocol.reference_size == 400
    assert 0.1 <= found.values["sigma"] <= 1
    assert np.isfinite(found.values["log_likelihood"])


@pytest.mark.parametrize("split", ["train[:1000]", "all"])
def test_what_a_run_was_trained_on_is_not_held_out(judged, apart, split):
    flags = f"--workdir={apart}", SAMPLES, "--metrics=copying", f"--held_out={split}"
    before = rows(apart) if (apart / "evaluation.jsonl").exists() else []
    outcome = judged(*flags)
    assert outcome.status == 2
    said = f"{split} shares examples with config.data.split=train[900:]"
    assert said in outcome.error
    assert judged(*flags[:-1], "--held_out=train[:900]").status == 0
    assert len(rows(apart)) == len(before) + 1
    assert 0 <= rows(apart)[-1].values["copying"] <= 1


def test_real_examples_are_judged_in_place_of_samples(judged, apart):
    """Examples of two splits are two models, not repeats of one."""
    flags = f"--workdir={apart}", SAMPLES, "--metrics=frechet", "--real"
    for split in ("train[:400]", "train[500:900]"):
        assert judged(*flags, f"--held_out={split}").status == 0
    one, two = rows(apart)[-2:]
    assert one.protocol == two.protocol
    assert one.protocol.ema is None
    assert re.fullmatch(r"real digits train\[:400\] [0-9a-f]{8}", one.model)
    assert re.fullmatch(r"real digits train\[500:900\] [0-9a-f]{8}", two.model)
    outcome = judged(f"--show={apart}")
    assert outcome.status == 0
    assert one.model in outcome.out
    assert two.model in outcome.out
    assert judged(f"--workdir={apart}", SAMPLES, "--metrics=frechet").status == 0
    samples = rows(apart)[-1]
    assert samples.values["frechet_pixels"] > 2 * one.values["frechet_pixels"]
    outcome = judged(*flags, "--held_out=train[:100]")
    assert "--samples=300: there are 100 held-out examples" in outcome.error


def test_runs_of_other_settings_and_other_data_never_share_a_row(
    gan, judged, small, tmp_path
):
    runs = {
        "plain": ("--config.seed=1",),
        "again": ("--config.seed=2",),
        "faster": ("--config.g_optimizer.learning_rate=1e-3",),
        "fewer": ("--config.data.split=train[:1000]",),
    }
    for name, flags in runs.items():
        to = f"--workdir={tmp_path}/{name}", "--config.steps=2"
        assert gan(*small, *flags, *to).status == 0
        flags = f"--workdir={tmp_path}/{name}", "--metrics=sliced_wasserstein"
        assert judged(*flags, SAMPLES).status == 0
    outcome = judged("--show=" + ",".join(f"{tmp_path}/{name}" for name in runs))
    same, other = outcome.out.strip().split("\n\n")
    assert len(same.splitlines()) == 3 + 2
    assert "2 runs" in same
    assert "g_optimizer.learning_rate=0.001" in same
    assert "train[:1000]" in other


def test_what_is_sampled_from_is_told(digits_run):
    run = gan_jax.load(digits_run)
    assert judge.about(run, "digits")["ema"] is True
    assert judge.about(run.sampled_by(ema=False), "digits")["ema"] is False


def test_a_fresh_start_forgets_what_a_former_one_measured(gan, small, tmp_path):
    flags = *small, *TRAINING, "--config.best=sliced_wasserstein"
    to = f"--workdir={tmp_path}/run"
    assert gan(*flags, to).status == 0
    before = rows(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert gan(*flags, "--config.steps=10", to).status == 0
    assert {m.step for m in rows(tmp_path / "run")} == {10}
    assert [m.values for m in rows(tmp_path / "run")] == [m.values for m in before[:2]]
    assert int(gan_jax.load(tmp_path / "run", "best").state.step) == 10
    assert len(list((tmp_path / "run" / "best").iterdir())) == 1


def test_a_damaged_record_of_measurements_is_named(judged, workdir):
    flags = f"--workdir={workdir}", SAMPLES, "--metrics=sliced_wasserstein"
    assert judged(*flags).status == 0
    with (workdir / "evaluation.jsonl").open("a") as file:
        file.write('{"protocol"\n{"protocol"')  # the last line alone may be torn
    for command in ((*flags,), (f"--show={workdir}",)):
        outcome = judged(*command)
        assert outcome.status == 2
        assert "evaluation.jsonl, line 2: not a measurement" in outcome.error


def test_a_perfect_copy_shows_in_the_pairs_that_are_close():
    from gan_jax.metrics.support import close_pairs

    x = np.random.default_rng(0).normal(size=(50, 4))
    doubled = np.concatenate([x, x])
    distances = np.linalg.norm(x[:, None] - x, axis=-1)[np.triu_indices(50, 1)]
    threshold = np.median(distances)
    assert close_pairs(x, threshold) == (distances < threshold).sum()
    assert close_pairs(doubled, 1e-4) == 50
    assert close_pairs(doubled, 1e-9) == 50  # far below what rounding makes of 0
    assert close_pairs(x, 0.0) == close_pairs(doubled, 0.0) == 0


# on features that are classes


@pytest.fixture(scope="module")
def bars():
    """Images of 28 x 28 with a bar, whose ten places the classifier tells apart."""
    rng = np.random.default_rng(0)
    y = np.arange(3_000) % 10
    x = rng.integers(64, size=(len(y), 28, 28, 1), dtype=np.uint8)
    x[np.arange(len(y)), 4:24, 2 * y + 4] = 255
    return Real("bars", x, y, tuple("0123456789"))


def bar_case(real, x, held_out=None):
    def read(images):  # where the bar is, and nothing but that
        columns = images[:, 4:24, 4:24:2, 0].mean(axis=1) / 255
        sure = np.eye(10, dtype=np.float32)[columns.argmax(axis=1)]
        return columns.astype(np.float32), sure

    network = load_features("mnist")._replace(checksum=None, apply=read)
    return Case(x, network, real, None if held_out is None else lambda: held_out)


def test_classes_and_kernels_and_what_their_protocols_say(bars):
    case = bar_case(bars, bars.x[::-1])
    kernel, score, classes = (
        m for m, _ in judge.judge(case, ["kernel", "class_score", "classes"])
    )
    assert kernel.values["kernel_mnist"] == pytest.approx(0, abs=0.5)
    assert kernel.protocol.estimator == "3 disjoint subsets of 1,000"
    assert kernel.standard_errors["kernel_mnist"] > 0
    assert score.values["class_score"] == pytest.approx(10, rel=1e-3)
    assert classes.values["class_3"] == pytest.approx(0.1)
    assert classes.values["class_entropy"] == pytest.approx(np.log(10))
    for measurement in (kernel, score, classes):
        protocol = measurement.protocol
        assert (protocol.samples, protocol.reference) == (3_000, "bars")
        assert protocol.features == "mnist"


def test_covariate_shift_needs_the_classes_of_its_features(bars):
    train, test = (
        bars._replace(x=bars.x[rows], y=bars.y[rows])
        for rows in (slice(2_000), slice(2_000, 3_000))
    )
    case = bar_case(train, train.x[::-1], test)
    ((found, _),) = judge.judge(case, ["covariate_shift"])
    assert found.values["from_samples"] == pytest.approx(1, abs=0.02)
    assert found.values["from_real"] == pytest.approx(1, abs=0.02)
    assert found.protocol.estimator == "tested on bars"
    for classes in (("3", "5"), tuple("1234567890"), ()):
        other = bar_case(train._replace(classes=classes), train.x, test)
        with pytest.raises(UsageError, match="'mnist' do not tell apart the classes"):
            next(judge.judge(other, ["covariate_shift"]))


def test_equal_examples_are_no_measure_of_close_pairs(bars):
    twice = bars._replace(x=np.concatenate([bars.x[:50], bars.x[:1]]))
    with pytest.raises(UsageError, match="two of the real examples are the same"):
        next(judge.judge(bar_case(twice, bars.x[:51]), ["closest_pairs"]))


def test_the_better_value_of_each_metric(watched, monkeypatch):
    """Whichever end it counts from, the better one is kept and the worse one is not."""
    (kept,) = saved_steps(watched / "best")
    (first,) = (
        m for m in rows(watched) if "sliced_wasserstein" in m.values and m.step == kept
    )
    ((name, value),) = first.values.items()
    # of better ones that are not kept any more nothing remains but a number
    lost = dataclasses.replace(first, step=5, values={name: value - 10})
    found = dataclasses.replace(first, step=6, values={name: value + 10})
    monkeypatch.setattr(evaluation, "read", lambda workdir: [lost, first, found])
    up = {"class_score", "parzen", "modes", "stacked_modes"}
    up |= {"class_agreement", "clusters"}
    down = {"frechet", "kernel", "sliced_wasserstein", "ngrams"}
    down |= {"frechet_within", "classification", "convergence", "translation"}
    assert set(choice.BETTER) == up | down
    for metric in choice.BETTER:
        config = SimpleNamespace(best=metric, evaluate_every=10)
        for change, better in ((1, metric in up), (-1, metric not in up)):
            later = dataclasses.replace(first, step=40, values={name: value + change})
            assert evaluation._improves(later, watched, config) is better
    # of another metric nothing was measured of the state that is kept
    protocol = dataclasses.replace(first.protocol, metric="another")
    other = dataclasses.replace(first, step=40, protocol=protocol)
    assert evaluation._improves(other, watched, config)


def test_two_processes_that_judge_one_run_lose_nothing(tmp_path):
    processes = [
        multiprocessing.get_context("spawn").Process(target=_append, args=(tmp_path, i))
        for i in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(rows(tmp_path)) == 2 * 40


def _append(workdir, run):
    protocol = Protocol(metric="x", samples=1, seed=0)
    for i in range(40):
        append(workdir, Measurement(protocol=protocol, values={"x": i}, run=str(run)))


def test_values_below_nought_are_drawn(monkeypatch, tmp_path):
    limits = []
    monkeypatch.setattr(
        pictures,
        "render",
        lambda figure: limits.extend(axes.get_ylim() for axes in figure.axes),
    )
    monkeypatch.setattr(pictures, "write_image", lambda path, image: None)
    steps = np.arange(3)
    metrics = {"step": steps, "a": np.array([-9.0, -5.0, -1.0]), "b": steps + 1.0}
    pictures.write_quality(tmp_path / "x.png", metrics, {"a": None, "b": 4.0})
    (low, high), (zero, top) = limits
    assert low < -9 < -1 < high
    assert zero == 0
    assert top > 4
