"""The points of a sweep: how they are written, combined, refused and named."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from gan_jax.config.files import fields, load_experiment, to_json
from gan_jax.errors import UsageError
from gan_jax.sweep import (
    choice,
    integers,
    log_uniform,
    plan,
    points,
    product,
    search,
    uniform,
    zipped,
)
from gan_jax.sweep.points import Part, combine, name_of, parse_grid, place, without

DIGITS, _ = load_experiment("experiments/digits.py")


def combined(*parts, changes=()):
    """The points by name, and their configs, of parts that are lists of points."""
    return combine(
        DIGITS, dict(changes), [Part("sweep()", list(part)) for part in parts]
    )


# What generators give


def test_a_product_is_each_with_each_the_last_fastest():
    made = list(product({"a": (1, 2)}, [{"b": 3, "c": 4}, {"b": 5}], {"d": ["xy"]}))
    assert made == [
        {"a": 1, "b": 3, "c": 4, "d": "xy"},
        {"a": 1, "b": 5, "d": "xy"},
        {"a": 2, "b": 3, "c": 4, "d": "xy"},
        {"a": 2, "b": 5, "d": "xy"},
    ]


def test_a_product_s_length_is_the_product_of_lengths():
    for lengths in itertools.product(range(4), repeat=3):
        parts = {name: range(n) for name, n in zip("abc", lengths, strict=True)}
        made = list(product(parts))
        assert len(made) == np.prod(lengths)
        assert len({tuple(point.items()) for point in made}) == len(made)


def test_products_nest():
    a, b, c = {"a": (1, 2)}, {"b": (3, 4)}, {"c": (5, 6)}
    assert list(product(product(a, b), c)) == list(product(a, product(b, c)))
    assert list(product(a, b, c)) == list(product(a | b | c))
    assert list(product()) == [{}]


def test_a_field_is_not_varied_twice():
    with pytest.raises(UsageError, match=r"^a is varied twice$"):
        list(product({"a": (1, 2)}, {"a": (3,)}))


def test_a_text_is_not_taken_for_its_letters():
    for make in (product, zipped):
        with pytest.raises(UsageError, match="several values, not 'hinge'"):
            list(make({"loss.name": "hinge"}))
        with pytest.raises(UsageError, match="several values, not 5"):
            list(make({"d_steps": 5}))


def test_zipped_fields_go_together():
    made = list(zipped({"a": (1, 2, 3), "b": ["x", "y", "z"]}))
    assert made == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "z"}]
    with pytest.raises(UsageError, match=r"\(a: 1, b: 2\)"):
        list(zipped({"a": (1,), "b": (2, 3)}))


RANGES = {
    "a": uniform(-1, 2),
    "b": log_uniform(1e-5, 1e-1),
    "c": integers(1, 3),
    "d": choice("x", "y"),
}


def test_a_search_draws_from_its_ranges():
    drawn = list(search(4_000, RANGES))
    a, b, c = (np.array([point[name] for point in drawn]) for name in "abc")
    assert a.min() >= -1
    assert a.max() <= 2
    np.testing.assert_allclose(a.mean(), 0.5, atol=5 * 3 / np.sqrt(12 * 4_000))
    assert b.min() >= 1e-5
    assert b.max() <= 1e-1
    np.testing.assert_allclose(np.log10(b).mean(), -3, atol=5 * 4 / np.sqrt(12 * 4_000))
    assert np.unique(c).tolist() == [1, 2, 3]
    assert {point["d"] for point in drawn} == {"x", "y"}
    assert {type(value) for point in drawn for value in point.values()} == {
        float, int, str,
    }  # fmt: skip


def test_a_larger_search_begins_with_the_smaller_one():
    few, many = list(search(5, RANGES, seed=3)), list(search(50, RANGES, seed=3))
    assert many[:5] == few
    assert list(search(5, RANGES, seed=4)) != few


def test_a_search_repeats_no_point():
    ranges = {"c": integers(1, 3), "d": choice("x", "y")}
    everything = list(product({"c": (1, 2, 3), "d": ("x", "y")}))
    drawn = list(search(6, ranges))
    assert sorted(map(str, drawn)) == sorted(map(str, everything))
    with pytest.raises(UsageError, match="7 points found only 6"):
        list(search(7, ranges))


def test_drawn_numbers_are_short_and_inside_of_narrow_ranges():
    low, high = 1.00001, 1.00002
    assert {p["a"] for p in search(1, {"a": uniform(low, high)})} <= {low, high}
    for point in search(100, {"b": log_uniform(1e-5, 1)}):
        assert float(f"{point['b']:.4g}") == point["b"]


@pytest.mark.parametrize(
    ("make", "bounds"),
    [
        (uniform, (1, 1)),
        (log_uniform, (0, 1)),
        (log_uniform, (2, 1)),
        (integers, (3, 2)),
    ],
)
def test_empty_ranges_are_refused(make, bounds):
    with pytest.raises(UsageError, match="empty range"):
        make(*bounds)


# What --grid says


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("d_steps=1,5", ["1", "5"]),
        ("d_steps=1", ["1"]),
        ("loss.name=a, b", ["a", "b"]),
        ("generator.widths=[8,16],(32,),4", ["[8,16]", "(32,)", "4"]),
        ("data.split=train[:10],train[10:]", ["train[:10]", "train[10:]"]),
        ("data.split=a=b,c", ["a=b", "c"]),
    ],
)
def test_commas_outside_of_brackets_separate_values(text, values):
    field = text.partition("=")[0]
    assert parse_grid(text) == [{field: value} for value in values]


@pytest.mark.parametrize(
    "text", ["", "d_steps", "d_steps=", "=1", "d_steps=1,,2", "a=1,"]
)
def test_what_is_no_grid_is_refused(text):
    with pytest.raises(UsageError, match=r"expected FIELD=VALUE,VALUE,\.\."):
        parse_grid(text)


# What points become


def test_a_value_is_what_a_flag_would_make_of_it():
    texts = {
        "steps": "1e3",
        "g_optimizer.learning_rate": "1",
        "generator.widths": "[8,16]",
        "data.flip": "1",
        "data.validation_split": "none",
    }
    values = {
        "steps": 1000,
        "g_optimizer.learning_rate": 1.0,
        "generator.widths": (8, 16),
        "data.flip": True,
        "data.validation_split": None,
    }
    (of_texts,), (config,) = (list(x.values()) for x in combined([texts]))
    (of_values,), (same,) = (list(x.values()) for x in combined([values]))
    assert of_texts == of_values == values
    assert list(map(type, of_texts.values())) == list(map(type, values.values()))
    assert to_json(config) == to_json(same)
    assert {field: fields(config)[field] for field in values} == values


def test_a_point_s_config_is_that_of_the_training_command(gan):
    changes = {"d_steps": "2", "loss.name": "least_squares", "steps": "7"}
    changes |= {"devices": "1"}  # as tests run the training command
    point = {"loss.real_target": 0.9, "generator.widths": (8,), "steps": 9}
    _, (config,) = (list(x.values()) for x in combined([point], changes=changes))
    said = gan(
        "--config.d_steps=2",
        "--config.loss.name=least_squares",
        "--config.loss.real_target=0.9",
        "--config.generator.widths=8",
        "--config.steps=9",
        "--print_config",
    )
    assert to_json(config) == json.loads(said.out)


def test_points_survive_their_record():
    point = {"generator.widths": (8, 16), "data.validation_split": None, "seed": 3}
    (made,), (config,) = (list(x.values()) for x in combined([point]))
    read = json.loads(json.dumps(made))
    assert to_json(points.resolve(DIGITS, {}, read)) == to_json(config)


@pytest.mark.parametrize(
    "overrides",
    [
        {"d_step": 1},
        {"d_steps": "five"},
        {"d_steps": True},
        {"d_steps": 1.5},
        {"loss.nam": "x"},
        {"loss.real_target": 0.9},
        {"generator.widths": (8, "x")},
    ],
)
def test_a_wrong_point_is_refused_as_the_flag_would_be(gan, overrides):
    with pytest.raises(UsageError) as refused:
        combined([{"seed": 1}, overrides])
    ((field, value),) = overrides.items()
    flag = f"--config.{field}={points.as_text(value)}"
    outcome = gan(flag, "--print_config")
    assert outcome.status == 2
    assert outcome.error == f"gan_jax: {refused.value}"


def test_a_wrong_combination_names_its_point():
    with pytest.raises(UsageError, match=r"point d_steps=2: config.turns=simultaneous"):
        combined([{"d_steps": 1}, {"d_steps": 2}], changes={"turns": "simultaneous"})


@pytest.mark.parametrize(
    "pair",
    [
        ({"d_steps": 2}, {"d_steps": "2.0"}),
        ({"d_steps": 2, "seed": 1}, {"seed": 1, "d_steps": 2}),
        ({}, {"d_steps": 1}),
    ],
)
def test_two_points_that_are_one_run_are_refused(pair):
    with pytest.raises(UsageError, match="a point is there twice"):
        combined(pair)


def test_a_structural_field_in_a_population_is_refused_with_the_numbers():
    numbers = {"d_optimizer.learning_rate": 1e-3, "seed": 1}
    named, _ = combine(DIGITS, {}, [Part("population()", [numbers])])
    assert list(named.values()) == [numbers]
    part = Part("population()", [numbers | {"generator.widths": (8,)}])
    with pytest.raises(UsageError) as refused:
        combine(DIGITS, {}, [part])
    assert "generator.widths shapes the program" in str(refused.value)
    assert "g_optimizer.learning_rate" in str(refused.value).partition("Numbers")[2]
    assert "d_steps" not in str(refused.value)


# What an experiment's file defines

FILE = """
from gan_jax.sweep import product
from . import digits

def get_config():
    return digits.get_config()

def sweep():
    yield {}
    yield {"d_steps": 2}

def sweep_loss():
    yield from product({"loss.name": ("saturating", "least_squares")})

def sweep_bad():
    yield "d_steps"

def sweep_broken():
    yield 1 / 0

def population():
    return [{"seed": 1}, {"seed": 2}]
"""


@pytest.fixture
def experiment(tmp_path):
    """The path of an experiment with sweeps, and its module."""
    from gan_jax.config.files import load_module

    path = tmp_path / "own.py"
    path.write_text(FILE)
    return str(path), load_module(str(path))


def test_sweeps_are_chosen_and_multiplied(experiment):
    path, module = experiment

    def names(sweeps, grid=()):
        parts = points.chosen(module, path, sweeps, list(grid))
        return list(combine(DIGITS, {}, parts)[0])

    assert names(["loss"]) == ["loss.name=saturating", "loss.name=least_squares"]
    assert names(["sweep"]) == ["unchanged", "d_steps=2"]
    usual = ["seed=1", "seed=2", "d_steps=2,seed=1", "d_steps=2,seed=2"]
    assert names(None) == names(["sweep", "population"]) == usual
    assert names(None, ["g_steps=1,2"]) == ["g_steps=1", "g_steps=2"]
    assert len(names(["loss", "population"], ["g_steps=1,2"])) == 8


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("los", "defines no sweep_los\\(\\); did you mean 'loss'\\?"),
        ("bad", "sweep_bad\\(\\) must yield overrides .* not 'd_steps'"),
        ("broken", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_sweep_that_is_none_is_refused(experiment, name, said):
    path, module = experiment
    with pytest.raises(UsageError, match=said):
        points.chosen(module, path, [name], [])


# What they are called

VALUES = [
    0, 5, 1e-5, 1e10, 0.1, 1 / 3, True, None, "hinge", "../../x", "/etc/passwd", "a/b",
    "..", ".", "~", "$HOME", "a b", "a\nb", "\0", "é", "x" * 300, "y" * 300, "a,b=c",
    "a+b", "a-b", (8, 16), (8,), (), ("a", "b"), ("a+b",), "train[:50%]", "-", "",
]  # fmt: skip


def test_names_are_safe_and_as_different_as_points(tmp_path):
    made = [{"a.b": value} for value in VALUES]
    made += [{"a.b": value, "c": other} for value in VALUES for other in VALUES]
    names = list(map(name_of, made))
    assert len(set(names)) == len(made)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9._=,+-]{1,120}", name)
        assert place(tmp_path, name).resolve().parent == tmp_path.resolve()
        assert not name.startswith((".", "-"))


@pytest.mark.parametrize(
    ("point", "name"),
    [
        ({"loss.name": "hinge", "seed": 0}, "loss.name=hinge,seed=0"),
        ({"d_optimizer.learning_rate": 1e-4}, "d_optimizer.learning_rate=0.0001"),
        ({"generator.widths": (128, 64)}, "generator.widths=128+64"),
        ({"data.flip": True, "data.validation_split": None},
         "data.flip=true,data.validation_split=none"),
        ({}, "unchanged"),
    ],
)  # fmt: skip
def test_plain_points_are_spelt_out(point, name):
    assert name_of(point) == name


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../x", "/etc", "a/../.."])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    with pytest.raises(UsageError, match="is no name of a point"):
        place(tmp_path, name)


def test_a_link_leads_not_out_of_the_folder(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "seed=1").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="is no name of a point"):
        place(tmp_path / "sweep", "seed=1")


# How they are grouped into programs


def test_points_that_differ_in_numbers_and_seeds_share_a_program():
    named, configs = combined(
        product(
            {"loss.name": ("saturating", "least_squares"), "d_steps": (1, 2)},
            {"d_optimizer.learning_rate": (1e-3, 2e-3), "seed": range(3)},
        )
    )
    groups = plan.group(configs, population=True)
    assert sorted(name for names in groups for name in names) == sorted(named)
    assert [len(names) for names in groups] == [6] * 4
    for names in groups:
        shapes = {(named[n]["loss.name"], named[n]["d_steps"]) for n in names}
        assert len(shapes) == 1
    assert plan.group(configs, population=False) == [(name,) for name in named]


@pytest.mark.parametrize("sizes", [(1,), (5,), (3, 1, 4), (16, 16)])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 100])
def test_shards_share_out_all_points_and_none_twice(sizes, n):
    numbers = iter(range(100))
    groups = [tuple(str(next(numbers)) for _ in range(size)) for size in sizes]
    spread = plan.spread(groups, n)
    everyone = sorted(name for names in groups for name in names)
    shards = [spread[i - 1 :: n] for i in range(1, n + 1)]
    assert sorted(x for shard in shards for names in shard for x in names) == everyone
    assert all(shards) == (n <= len(everyone))
    assert all(any(set(part) <= set(whole) for whole in groups) for part in spread)
    if n <= len(groups):
        assert spread == groups


@pytest.mark.parametrize(
    "text", ["0/2", "3/2", "1", "/2", "1/", "a/b", "-1/2", "1/2/3"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match="expected i/n, from 1/n to n/n"):
        plan.parse_shard(text)


def test_shards_count_from_one():
    assert [plan.parse_shard(f"{i}/3") for i in (1, 2, 3)] == [(1, 3), (2, 3), (3, 3)]


def test_a_task_s_command_line_names_its_points(tmp_path):
    task = plan.make_task(tmp_path, ("loss.name=a,seed=1", "seed=1"))
    assert task.argv[-3:] == [
        f"--run={Path(tmp_path)}",
        "--points=loss.name=a,seed=1",
        "--points=seed=1",
    ]


def test_a_part_without_a_field_has_each_of_its_points_once():
    part = Part("population()", list(product({"a": (1, 2), "seed": range(3)})), True)
    assert without(part, "seed") == Part("population()", [{"a": 1}, {"a": 2}], True)
    assert without(part, "b") == part
