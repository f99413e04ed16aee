"""Metrics of labels: what was asked for, what a player learned, and how it is told."""

import dataclasses
import itertools
import json
import re
import warnings
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax import evaluate
from gan_jax.config.files import from_json, to_json
from gan_jax.data.loading import load_dataset
from gan_jax.errors import UsageError
from gan_jax.metrics import choice, judge
from gan_jax.metrics.case import Case, Learned, Real
from gan_jax.metrics.class_agreement import class_agreement
from gan_jax.metrics.classification import errors
from gan_jax.metrics.clusters import best_agreement
from gan_jax.metrics.features import load_features
from gan_jax.metrics.frechet import frechet_distance, frechet_within, moments
from gan_jax.metrics.neighbours import neighbour_accuracy
from gan_jax.metrics.protocol import Measurement, Protocol, compare, read, table
from gan_jax.watches.evaluation import make_evaluation

# --- functions of arrays -------------------------------------------------------------

MEANS = np.array([[0.0, 0, 0], [5, 0, 0], [0, 7, 0], [0, 0, 9]])


def classes_around(means, n=200, seed=0):
    """(x [k n, d], y [k n]): the same normal draws around each of the means [k, d]."""
    draws = np.random.default_rng(seed).standard_normal((n, means.shape[1]))
    x = (means[:, np.newaxis] + draws).reshape(-1, means.shape[1])
    return x, np.repeat(np.arange(len(means)), n)


def test_classes_that_are_shifted_are_as_far_off_as_the_square_of_the_shift():
    x, y = classes_around(MEANS)
    shift = np.array([3.0, -4.0, 0.0])
    np.testing.assert_allclose(frechet_within(x + shift, y, x, y), 25, rtol=1e-9)
    # each class counts the same, whether many or few of its samples were asked for
    shifts = np.array([1.0, 2, 3, 4])[y, np.newaxis] * [0, 0, 1]
    few = np.concatenate([np.flatnonzero(y > 0), np.arange(0, 200, 2), [1] * 2000])
    within = frechet_within((x + shifts)[few], y[few], x, y)
    alone = [frechet_within((x + shifts)[y == i], y[y == i], x, y) for i in (1, 2, 3)]
    np.testing.assert_allclose(alone, [4, 9, 16], rtol=1e-9)
    first = frechet_within((x + shifts)[few[600:]], y[few[600:]], x, y)
    assert first > 1.5  # of 2,100 samples that are nearly one
    np.testing.assert_allclose(within, (first + 4 + 9 + 16) / 4, rtol=1e-9)


def test_a_right_mixture_of_wrong_classes_is_seen_within_classes_alone():
    x, y = classes_around(MEANS)
    wrong = np.array([1, 2, 3, 0])[y]  # what the samples show is not what was asked for
    all_of_them = frechet_distance(moments(x), moments(x))
    assert all_of_them == pytest.approx(0, abs=1e-9)
    assert frechet_within(x, y, x, y) == pytest.approx(0, abs=1e-9)
    apart = np.square(MEANS - MEANS[[3, 0, 1, 2]]).sum(axis=1).mean()
    np.testing.assert_allclose(frechet_within(x, wrong, x, y), apart, rtol=1e-9)
    order = np.random.default_rng(1).permutation(len(x))
    shuffled = frechet_within(x[order], wrong[order], x, y)
    np.testing.assert_allclose(shuffled, apart, rtol=1e-9)


def test_classes_with_few_samples_are_warned_of_once():
    x, y = classes_around(MEANS)
    few = np.concatenate([np.arange(3), np.arange(200, 202), np.arange(400, 800)])
    with pytest.warns(UserWarning, match="of 2 samples with 3 features") as caught:
        assert frechet_within(x[few], y[few], x, y) > 0
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="of 3 reference examples with 3") as caught:
        assert frechet_within(x[3:], y[3:], x[197:], y[197:]) > 0
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert frechet_within(x[196:], y[196:], x, y) > 0


def test_what_is_asked_for_has_to_be_there():
    x, y = classes_around(MEANS)
    some = y < 2
    assert frechet_within(x[some], y[some], x, y) == pytest.approx(0, abs=1e-9)
    lone = np.flatnonzero(y != 1)[:601]
    for message, arrays in {
        "0 reference examples of class 2 are too few": (x, y, x[some], y[some]),
        "1 samples of class 1 are too few; at least 2": (x[:201], y[:201], x, y),
        "labels asked for have shape": (x, y[:-1], x, y),
        "reference labels have shape": (x, y, x, y[lone]),
        "vectors differ in length: samples 2, reference 3": (x[:, :2], y, x, y),
        "labels asked for of type float64": (x, y * 1.0, x, y),
    }.items():
        with pytest.raises(UsageError, match=message):
            frechet_within(*arrays)


def test_agreement_is_the_share_read_as_asked_for():
    asked = np.repeat(np.arange(4), [1, 2, 3, 4])
    read = asked.copy()
    read[[1, 3]] = 0  # one of two, one of three
    found = class_agreement(np.eye(4)[read], asked)
    assert found == pytest.approx((0.8, 0.5))
    assert class_agreement(np.eye(4)[asked], asked) == (1, 1)
    assert class_agreement(np.eye(4)[(asked + 1) % 4], asked) == (0, 0)
    assert class_agreement(np.eye(9)[asked], asked).share == 1
    with pytest.raises(UsageError, match="asked for are from 0 to 3; accepted: 0 to 2"):
        class_agreement(np.eye(3)[[0] * 10], asked)


def test_errors_are_counted():
    labels = np.array([0, 1, 2, 2, 1])
    logits = np.array([[5.0, 1, 1], [-3, -2, -9], [0, 1, 0], [0, 0, 8], [9, 0, 1]])
    assert errors(logits, labels) == 2
    assert errors(logits - 100, labels) == 2
    assert errors(np.eye(3)[labels], labels) == 0
    with pytest.raises(UsageError, match="labels are from 0 to 2; accepted: 0 to 1"):
        errors(logits[:, :2], labels)
    with pytest.raises(UsageError, match="class probabilities are not finite"):
        errors(logits * np.nan, labels)


def test_categories_agree_whatever_their_order():
    rng = np.random.default_rng(0)
    labels = rng.integers(6, size=3_000)
    clusters = np.where(rng.random(3_000) < 0.7, labels, rng.integers(6, size=3_000))
    share = best_agreement(clusters, labels, 6)
    assert share == np.mean(clusters == labels) < 0.8
    for _ in range(5):
        renamed, relabelled = rng.permutation(6)[clusters], rng.permutation(6)[labels]
        assert best_agreement(renamed, relabelled, 6) == share
        assert best_agreement(relabelled, renamed, 6) == share
    assert best_agreement(rng.permutation(6)[labels], labels, 6) == 1


@pytest.mark.parametrize("k", [2, 5, 10])
def test_one_category_for_all_agrees_with_one_class(k):
    labels = np.tile(np.arange(k), 7)
    assert best_agreement(np.full(7 * k, k - 1), labels, k) == pytest.approx(1 / k)


def test_the_assignment_is_the_best_of_all():
    rng = np.random.default_rng(0)
    for _ in range(20):
        clusters, labels = rng.integers(4, size=(2, 30))
        best = max(
            np.mean(np.array(names)[clusters] == labels)
            for names in itertools.permutations(range(4))
        )
        assert best_agreement(clusters, labels, 4) == pytest.approx(best)


def test_there_may_be_more_categories_than_classes_and_fewer():
    labels = np.tile([0, 1], 50)
    halves = labels + 2 * (np.arange(100) < 50)  # each class in two of four categories
    assert best_agreement(halves, labels, 4) == 0.5
    assert best_agreement(labels, halves, 4) == 0.5
    with pytest.raises(UsageError, match="clusters are from 0 to 3; accepted: 0 to 1"):
        best_agreement(halves, labels, 2)
    with pytest.raises(UsageError, match="examples=0: must be at least 1"):
        best_agreement([], [], 2)


def test_the_nearest_neighbour_says_its_label():
    rng = np.random.default_rng(0)
    train, test = rng.standard_normal((300, 5)), rng.standard_normal((100, 5))
    train_y, test_y = rng.integers(3, size=300), rng.integers(3, size=100)
    distances = np.square(test[:, np.newaxis] - train).sum(axis=-1)
    expected = np.mean(train_y[distances.argmin(axis=1)] == test_y)
    assert neighbour_accuracy(train, train_y, test, test_y) == expected < 0.6
    assert neighbour_accuracy(train, train_y, train, train_y) == 1
    turned = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    rotated = neighbour_accuracy(3 * train @ turned, train_y, 3 * test @ turned, test_y)
    assert rotated == expected
    with pytest.raises(UsageError, match="training labels have shape"):
        neighbour_accuracy(train, train_y[:9], test, test_y)


# --- protocols -----------------------------------------------------------------------

PLAIN = Protocol(metric="frechet_mnist", samples=1000, seed=0, ema=False)


def measured(model, **changes):
    protocol = dataclasses.replace(PLAIN, **changes)
    return Measurement(protocol=protocol, values={"x": 1.0}, model=model)


def test_labels_set_generators_apart_and_real_data_stand_beside_all():
    found = [measured("real", ema=None)]
    ways = None, "data", "uniform", "given 7", "given 8"
    found += [measured(f"asked {way}", labels=way) for way in ways]
    for one, other in itertools.combinations(found[1:], 2):
        with pytest.raises(UsageError, match="not comparable: labels: "):
            compare([one, other])
        compare([found[0], one])
        with pytest.raises(UsageError, match="labels: "):
            compare([one, found[0], other])
    tables = table(found).split("\n\n")
    assert len(tables) == 5
    assert all("real" in each for each in tables)
    assert all(sum(f"asked {way}" in x for x in tables) == 1 for way in ways)
    assert "labels given 7" in tables[3]
    assert "labels" not in tables[0]
    assert len(table([*found[1:2], measured("plain")]).split("\n\n")) == 1


def test_lines_from_before_there_were_labels_are_read(tmp_path):
    fields = json.loads(measured("old").to_json())
    del fields["protocol"]["labels"]
    (tmp_path / "evaluation.jsonl").write_text(json.dumps(fields) + "\n")
    (old,) = read(tmp_path)
    assert old.protocol.labels is None
    compare([old, measured("new")])
    with pytest.raises(UsageError, match="labels: none against data"):
        compare([old, measured("new", labels="data")])


# --- what each metric is given -------------------------------------------------------


@pytest.fixture(scope="module")
def bars():
    """Images of 28 x 28 with a bar, whose ten places are their classes."""
    rng = np.random.default_rng(0)
    y = np.arange(1_500) % 10
    x = rng.integers(64, size=(len(y), 28, 28, 1), dtype=np.uint8)
    x[np.arange(len(y)), 4:24, 2 * y + 4] = 255
    return Real("bars", x, y, tuple("0123456789"))


def columns_of(images):
    """Where the bar is: features, and the class that is surely read."""
    columns = images[:, 4:24, 4:24:2, 0].mean(axis=1) / 255
    sure = np.eye(10, dtype=np.float32)[columns.argmax(axis=1)]
    return columns.astype(np.float32), sure


def judged(real, names, **given):
    network = load_features("mnist")._replace(checksum=None, apply=columns_of)
    case = Case(real.x, network, real, seed=3, **given)
    about = {"batch_norm": "running", "ema": True, "labels": "data"}
    return {m.protocol.metric: m for m, _ in judge.judge(case, names, **about)}


def test_wrong_classes_are_seen_where_classes_are_looked_at(bars):
    names = "frechet_mnist", "frechet_within", "class_agreement"
    asks = {"right": bars.y, "wrong": (bars.y + 1) % 10}
    found = {
        name: judged(bars, ["frechet", *names[1:]], asked=asked)
        for name, asked in asks.items()
    }
    value = {
        case: [measurements[name].values[name] for name in names]
        for case, measurements in found.items()
    }
    assert value["right"] == pytest.approx([0, 0, 1], abs=1e-4)
    assert value["wrong"][0] == pytest.approx(0, abs=1e-4)
    assert value["wrong"][1] > 1  # a bar is missing, and another one is too many
    assert value["wrong"][2] == 0
    within, agreement = (found["right"][name] for name in names[1:])
    assert within.protocol.estimator == "150 samples a class on average"
    assert within.protocol.reference == agreement.protocol.reference == "bars"
    assert within.protocol.features == agreement.protocol.features == "mnist"
    assert within.protocol.labels == agreement.protocol.labels == "data"


def test_agreement_has_its_error_and_its_worst_class(bars):
    asked = bars.y.copy()
    asked[bars.y == 3] = 4  # 150 of 1,500, beside 150 that are fours
    found = judged(bars, ["class_agreement"], asked=asked)["class_agreement"]
    assert found.values == pytest.approx(
        {"class_agreement": 0.9, "worst_class_agreement": 0.5}
    )
    error = np.sqrt(0.9 * 0.1 / 1_500)
    assert found.standard_errors == pytest.approx({"class_agreement": error})


def test_few_samples_of_every_class_are_one_line(bars, capsys):
    few = bars._replace(x=bars.x[:60], y=bars.y[:60])
    assert judged(few, ["frechet_within"], asked=few.y)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "6 samples with 10 features" in line] == lines[:1]
    assert len(lines) == 2  # and one of as many real examples


def test_what_was_learned_is_tested_on_held_out_examples(bars):
    half = bars._replace(name="bars test", x=bars.x[:500], y=bars.y[:500])
    read = columns_of(half.x)[1]
    read[:20] = read[1]  # all of them ones, as two of them are
    clusters = read[:, [*range(3, 10), 0, 1, 2]]
    clusters = np.concatenate([np.zeros((500, 2)), clusters], axis=1)
    learned = Learned(
        classify=lambda x: read if x is half.x else None,
        cluster=lambda x: clusters if x is half.x else None,
        features=lambda x: columns_of(x)[0],
        convergence=lambda x, seed: 2.0 + seed if x is half.x else None,
    )
    given = {"held_out": lambda: half, "learned": learned}
    names = "classification", "clusters", "neighbours"
    found = judged(bars, names, **given)
    error = np.sqrt(0.036 * 0.964 / 500)
    assert found["classification"].values == {"errors": 18, "error_rate": 0.036}
    errors_of = found["classification"].standard_errors
    assert errors_of == pytest.approx({"errors": 500 * error, "error_rate": error})
    assert found["clusters"].values == pytest.approx({"agreement": 0.964})
    assert found["clusters"].standard_errors == pytest.approx({"agreement": error})
    assert found["neighbours"].values == {
        "nearest_neighbour_accuracy": 1,
        "nearest_neighbour_accuracy_in_pixels": 1,
    }
    for name in names:  # no way to sample changes any of that
        protocol = found[name].protocol
        assert (protocol.samples, protocol.seed) == (None, 0)
        assert (protocol.ema, protocol.labels, protocol.batch_norm) == (None,) * 3
        assert "samples" not in str(protocol)
    measured = judged(bars, ["convergence"], **given)["convergence"]
    assert measured.values == {"convergence": 2.0 + measured.protocol.seed}
    assert found["clusters"].protocol.reference == "bars test"
    assert found["neighbours"].protocol.estimator == "tested on bars test"
    assert found["neighbours"].protocol.reference == "bars"


def test_neighbours_of_vectors_have_no_pixels():
    real = Real("points", np.arange(9, dtype=np.float32)[:, np.newaxis], np.arange(9))
    learned = Learned(None, None, features=lambda x: 2 * x, convergence=None)
    case = Case(real.x, None, real, held_out=lambda: real, learned=learned)
    ((found, _),) = judge.judge(case, ["neighbours"])
    assert found.values == {"nearest_neighbour_accuracy": 1}


def test_a_metric_without_labels_is_refused(bars):
    def unlearned(images):
        raise UsageError("no encoder")

    learned = Learned(*[unlearned] * 4)
    bare = bars._replace(y=None)
    given = {"held_out": lambda: bare, "learned": learned}
    asked = {"asked": bars.y}
    for name, real, rest, message in [
        ("frechet_within", bars, {}, "the samples were asked for no classes"),
        ("class_agreement", bars, {}, "the samples were asked for no classes"),
        ("frechet_within", bare, asked, "bars has no labels"),
        ("classification", bars, given, "bars has no labels"),
        ("clusters", bars, given, "bars has no labels"),
        ("neighbours", bars, given, "bars has no labels"),
        ("neighbours", bars, given | {"held_out": lambda: bars}, "no encoder"),
        ("clusters", bars, {"held_out": lambda: bars}, "there are no players"),
        ("clusters", bars, {}, "there are no held-out data"),
    ]:
        with pytest.raises(UsageError, match=f"{name}: {message}"):
            judged(real, [name], **rest)
    other = bars._replace(classes=("odd", "even"))
    with pytest.raises(UsageError, match="do not tell apart the classes of bars"):
        judged(other, ["class_agreement"], asked=bars.y)


# --- which metrics a run is judged by ------------------------------------------------

MNIST = {
    "shape": [28, 28, 1],
    "size": 60_000,
    "classes": list("0123456789"),
    "shares": [0.1] * 10,
}


def game_of(given=(), **functions):
    absent = dict.fromkeys(("classify", "cluster", "features"))
    return SimpleNamespace(given=given, **absent | functions)


def config(**fields):
    values = {"evaluate_metrics": (), "evaluate_samples": 0, "best": "none"}
    data = {"validation_split": fields.pop("validation_split", None)}
    return SimpleNamespace(evaluate_every=5, data=data, **values | fields)


def test_what_suits_a_game_is_added_to_what_suits_the_data():
    plain = choice.suited(None, MNIST, 10_000)
    told = game_of(("y",))

    def added(game, info=MNIST, n=10_000):
        names = choice.suited(None, info, n, game)
        assert names[: len(plain)] == plain or info is not MNIST or n < 10_000
        return [name for name in names if name not in plain]

    assert added(game_of()) == []
    assert added(told) == ["frechet_within", "class_agreement"]
    assert added(told, n=199) == ["class_agreement"]  # 20 of a class are not there
    assert added(told, MNIST | {"shares": None}) == added(told)
    rare = MNIST | {"shares": [0.111] * 9 + [0.001]}
    assert added(told, rare) == ["class_agreement"]
    assert added(told, MNIST | {"classes": list("1234567890")}) == []
    assert added(told, MNIST | {"shape": [8, 8, 1]}) == []
    assert added(game_of(classify=len)) == ["classification"]
    # of large images, covariances of pixels would fill the memory
    for size, distance in ((32, ["frechet"]), (128, [])):
        facades = {"shape": [size, size, 3], "classes": [], "size": 400}
        names = choice.suited(None, facades, 100, game_of(translate=len))
        assert names == ["translation", *distance]
    assert added(game_of(cluster=len)) == ["clusters"]
    assert added(game_of(cluster=len), MNIST | {"classes": []}) == []
    assert added(game_of(features=len)) == []
    assert added(game_of(("y",), classify=len))[-1] == "classification"


def test_while_it_trains_only_what_is_held_out_is_tested():
    game = game_of(("y",), classify=len)
    without = choice.chosen(config(), MNIST, game)
    assert "class_agreement" in without
    assert "classification" not in without
    kept = choice.chosen(config(validation_split="test"), MNIST, game)
    assert kept == [*without, "classification"]
    named = config(evaluate_metrics=("neighbours",))
    assert choice.chosen(named, MNIST, game) == ["neighbours"]


ALL = game_of(("y",), classify=len, cluster=len, features=len)


@pytest.mark.parametrize(
    ("metric", "game", "info", "message"),
    [
        ("frechet_within", game_of(), {}, "a game whose generator is told labels"),
        ("class_agreement", None, {}, "a game whose generator is told labels"),
        ("class_agreement", ALL, {"shape": [8, 8, 1]}, "images that a classifier of"),
        ("class_agreement", ALL, {"classes": ["0"]}, "data of classes that the proj"),
        ("frechet_within", ALL, {"size": 199}, "20 samples and examples of each class"),
        ("classification", game_of(), {}, "a game with a discriminator that learns t"),
        ("clusters", game_of(), {}, "a game with a discriminator that learns categ"),
        ("neighbours", game_of(), {}, "a game with an encoder"),
        ("clusters", ALL, {"classes": []}, "data with labels"),
    ],
)
def test_what_cannot_be_measured_is_refused(metric, game, info, message):
    asked = config(evaluate_metrics=(metric,))
    dataset = SimpleNamespace(info=MNIST | info, arrays={}, validation={})
    with pytest.raises(UsageError, match=f"^metric {metric} needs {message}"):
        choice.refuse(asked, dataset, game)
    whole = SimpleNamespace(info=MNIST, arrays={}, validation={})
    choice.refuse(asked, whole, ALL)
    if metric in choice.OF_HELD_OUT:
        whole.validation = None
        with pytest.raises(UsageError, match=r"needs data\.validation_split"):
            choice.refuse(asked, whole, ALL)


def test_every_metric_has_its_place():
    assert set(choice.BETTER) | set(choice.OF_HELD_OUT) <= set(judge.METRICS)
    assert choice.drawn("clusters", None) == ["agreement"]
    assert choice.drawn("classification", None) == ["error_rate"]
    assert choice.drawn("class_agreement", None) == ["class_agreement"]
    assert choice.drawn("frechet_within", None) == ["frechet_within"]


# --- a run ---------------------------------------------------------------------------


def told_labels(run):
    """The run with labels in its latents, whose sevens are white and fours are black.

    D tells the classes by the brightness of an image, and all are zeros to it.
    """
    base = run.game

    def generate(params, stats, z, key=None, train=False):
        x, stats = base.generate(params, stats, z["z"], key, train)
        y = z["y"].reshape(-1, 1, 1, 1)
        return jnp.where(y == 7, 1.0, jnp.where(y == 4, -1.0, x)), stats

    game = base._replace(
        given=("y",),
        latents=lambda key, batch: {"z": base.latents(key, batch), "y": batch["y"]},
        generate=generate,
        classify=lambda d, x: jnp.eye(10)[jnp.zeros(len(x), int)],
    )
    return dataclasses.replace(run, built=run.built._replace(game=game))


@pytest.fixture
def conditional(digits_run, monkeypatch, tmp_path):
    """Calls of the command for such a run, in a work directory of its own."""
    run = told_labels(gan_jax.load(digits_run))
    shares = load_dataset(run.config).info["shares"]
    run = dataclasses.replace(
        run, built=run.built._replace(info=run.info | {"shares": shares})
    )
    monkeypatch.setattr(evaluate, "load", lambda workdir, step: run)
    return run, (f"--workdir={tmp_path}", "--samples=400")


def test_the_command_asks_for_labels(conditional, judged, tmp_path):
    run, flags = conditional
    flags = *flags, "--metrics=frechet_within"
    for label in ("data", "uniform", "7", "4", "7"):
        outcome = judged(*flags, f"--label={label}")
        assert outcome.status == 0, outcome.err
        few = not label.isdigit()  # 40 of each class, with 64 features
        assert outcome.err.count("strongly biased") == few
    found = read(tmp_path)
    ways = [measurement.protocol.labels for measurement in found]
    assert ways == ["data", "uniform", "given 7", "given 4", "given 7"]
    assert found[2].values == found[4].values != found[3].values
    # the white images are as far from sevens as these are from white
    digits = load_dataset(run.config).arrays
    sevens = digits["x"][digits["y"] == 7].reshape(-1, 64) / 255.0
    spread = sevens.var(axis=0, ddof=1).sum()
    white = np.square(1 - sevens.mean(axis=0)).sum() + spread
    assert found[2].values["frechet_within"] == pytest.approx(white, rel=1e-4)
    assert found[2].protocol.estimator == "400 samples a class on average"
    assert judged(f"--show={tmp_path}").out.count("frechet_within: ") == 4


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--label=ten"], "no class 'ten'.*accepted"),
        (["--label=12"], "no class '12'"),
        (["--label=7", "--real"], "--label=7: --real takes the data's own labels"),
        (["--metrics=class_agreement"], "classes need a feature network that is a cla"),
        (["--metrics=clusters"], "clusters: held-out data: there is no data split"),
    ],
)
def test_bad_requests_are_one_line(conditional, judged, tmp_path, flags, message):
    outcome = judged(*conditional[1], *flags)
    assert outcome.status == 2
    assert re.search(message, outcome.error), outcome.error
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "evaluation.jsonl").exists()


def test_a_run_without_labels_is_asked_for_none(judged, digits_run):
    outcome = judged(f"--workdir={digits_run}", "--label=7", "--samples=50")
    assert outcome.status == 2
    assert re.search("label=7: this run was trained without labels", outcome.error)
    assert judge.about(gan_jax.load(digits_run), "digits")["labels"] is None


def test_what_is_learned_is_tested_by_default_where_it_can_be(
    conditional, judged, tmp_path, monkeypatch
):
    run, flags = conditional
    assert judged(*flags).status == 0  # the digits have one split: nothing is held out
    names = {measurement.protocol.metric for measurement in read(tmp_path)}
    assert "frechet_pixels" in names
    assert "classification" not in names
    config = from_json(to_json(run.config))
    with config.unlocked():
        config.data.split, config.data.validation_split = "train[500:]", "train[:500]"
    apart = dataclasses.replace(run, config=config)
    monkeypatch.setattr(evaluate, "load", lambda workdir, step: apart)
    assert judged(*flags).status == 0
    (found,) = (m for m in read(tmp_path) if m.protocol.metric == "classification")
    zeros = (load_dataset(run.config).arrays["y"][:500] == 0).sum()
    assert found.values["errors"] == 500 - zeros


def test_real_examples_are_asked_for_what_they_are(conditional, judged, tmp_path):
    _, flags = conditional
    flags = *flags, "--metrics=frechet_within", "--samples=1797"  # all, in other order
    assert judged(*flags, "--real", "--held_out=train").status == 0
    assert judged(*flags).status == 0
    real, made = read(tmp_path)
    assert real.protocol.labels is None
    assert real.values["frechet_within"] == pytest.approx(0, abs=1e-6)
    assert made.values["frechet_within"] > 1
    compare([real, made])


def test_labels_are_asked_for_while_a_run_trains(conditional, tmp_path):
    run, _ = conditional
    config = from_json(to_json(run.config))
    config.evaluate_every, config.evaluate_samples = 5, 300
    config.evaluate_metrics = ("frechet_within",)
    config.best = "frechet_within"
    dataset = load_dataset(config)
    watch = make_evaluation(config, run.built, dataset, tmp_path, "digits")
    values = watch.read(watch.compute(jax.tree.map(jnp.copy, run.state)))
    (found,) = read(tmp_path)
    assert found.protocol.labels == "data"
    assert values == found.values
    case = Case(
        run.sample(300),
        load_features("pixels"),
        Real("digits", dataset.arrays["x"], dataset.arrays["y"]),
        asked=run.labels(300),
    )
    ((again, _),) = judge.judge(case, ["frechet_within"])
    assert again.values == pytest.approx(values)
    assert (tmp_path / "best").is_dir()
