"""Labels as they come in files and folders, and what is done with classes."""

import numpy as np
import pytest
from PIL import Image
from sklearn.preprocessing import LabelEncoder

from gan_jax.data import arrays, edges, folder, tfds
from gan_jax.data.labels import describe, find_class, numbered, per_class, shares
from gan_jax.data.source import Source, select
from gan_jax.errors import UsageError

# Numbering


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64, np.float16, float])
@pytest.mark.parametrize("values", [[0, 1, 2], [1, 2, 3], [0, 2, 7, 11], [5]])
def test_numbers_are_compact_in_their_order(dtype, values):
    labels = np.random.default_rng(0).permutation(np.repeat(values, 4)).astype(dtype)
    y, names = numbered(labels)
    np.testing.assert_array_equal(y, LabelEncoder().fit_transform(labels))
    assert (y.dtype, names) == (np.int32, tuple(map(str, values)))
    assert [names[i] for i in y] == [str(int(label)) for label in labels]


def test_texts_that_are_numbers_are_numbered_in_numeric_order():
    y, names = numbered(["10", "9", "0", "2", "10"])
    assert (y.tolist(), names) == ([3, 2, 0, 1, 3], ("0", "2", "9", "10"))
    y, names = numbered(["010", "2", "0001", "02"])
    assert (y.tolist(), names) == ([3, 2, 0, 1], ("0001", "02", "2", "010"))
    y, names = numbered(["10", "9", "b", "Z"])  # one that is no number: as texts
    assert (y.tolist(), names) == ([0, 1, 3, 2], ("10", "9", "Z", "b"))


def test_a_number_as_text_is_numbered_as_the_number():
    labels = np.random.default_rng(1).integers(0, 200, 100)
    as_numbers, as_texts = numbered(labels), numbered([str(i) for i in labels])
    np.testing.assert_array_equal(as_numbers[0], as_texts[0])
    assert as_numbers[1] == as_texts[1]


# Files


def saved(tmp_path, y, n=None):
    """The path of a file with these labels, for x = 0, 1, ... as vectors."""
    y = np.asarray(y)
    x = np.arange(len(y) if n is None else n, dtype=np.float32)[:, None]
    np.savez(tmp_path / "data.npz", x=x, y=y)
    return str(tmp_path / "data.npz")


ONE_HOT = np.eye(4)[[3, 0, 1, 3]]  # no column 2


@pytest.mark.parametrize(
    ("y", "numbers", "classes"),
    [
        (np.array([2, 0, 1, 2], np.uint8), [2, 0, 1, 2], "0 1 2"),
        (np.array([[2], [0], [1], [2]]), [2, 0, 1, 2], "0 1 2"),
        (np.array([3.0, 1.0, 2.0, 3.0]), [2, 0, 1, 2], "1 2 3"),
        (np.array([[7.0], [0.0], [2.0], [7.0]], np.float16), [2, 0, 1, 2], "0 2 7"),
        (np.array([0, 99, 99, 0]), [0, 1, 1, 0], "0 99"),
        (np.array([True, False, True, True]), [1, 0, 1, 1], "False True"),
        (np.array(["dog", "ape", "cat", "dog"]), [2, 0, 1, 2], "ape cat dog"),
        (np.array([["11"], ["2"], ["3"], ["11"]]), [2, 0, 1, 2], "2 3 11"),
        (ONE_HOT, [2, 0, 1, 2], "0 1 3"),
        (ONE_HOT.astype(bool), [2, 0, 1, 2], "0 1 3"),
        (ONE_HOT.astype(np.uint8), [2, 0, 1, 2], "0 1 3"),
    ],
)
def test_labels_of_a_file(tmp_path, y, numbers, classes):
    loaded = arrays.load(path=saved(tmp_path, y))
    assert (loaded.y.tolist(), loaded.y.dtype) == (numbers, np.int32)
    assert loaded.classes == tuple(classes.split())
    part = arrays.load(path=saved(tmp_path, y), split="train[2:3]")
    assert (part.x.tolist(), part.y.tolist()) == ([[2.0]], [1])  # of the whole file
    assert part.classes == loaded.classes


SHAPES = r"4 examples, but labels of shape .*accepted are \[4\], \[4, 1\] or one-hot"
WHOLE = "accepted are whole numbers from 0, booleans or names"
ROWS = "accepted are one-hot rows, of one 1 and else 0"


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(3), SHAPES),
        (np.zeros((3, 4)), SHAPES),
        (np.zeros((4, 1, 1)), SHAPES),
        (np.array(1), SHAPES),
        ([0, 1, np.nan, 1], f"example 2 is nan; {WHOLE}"),
        ([0, 1, 1, np.inf], f"example 3 is inf; {WHOLE}"),
        ([0, 1.5, 2, 0], f"example 1 is 1.5; {WHOLE}"),
        ([[0], [1], [2], [-1]], f"example 3 is -1; {WHOLE}"),
        (["cat", "", "dog", "cat"], f"example 1 is ''; {WHOLE}"),
        (
            np.zeros(4, complex),
            "type complex128 .*accepted are numbers, booleans",
        ),
        (np.zeros(4, "M8[D]"), r"type datetime64\[D\]"),
        (np.array([["a", "b"]] * 4), r"shape \[4, 2\]; accepted.*one-hot rows of num"),
        (np.eye(5)[:4], "one-hot labels of 5 classes; accepted are at most as many"),
        (np.zeros((4, 0)), f"example 0 sum to 0; {ROWS}"),
        ([[0, 1], [1, 0], [1, 1], [0, 1]], f"example 2 sum to 2; {ROWS}"),
        ([[0, 1], [1, 0], [0, 0], [0, 1]], f"example 2 sum to 0; {ROWS}"),
        ([[0, 1], [1, 0], [0.5, 0.5], [0, 1]], f"example 2 hold 0.5; {ROWS}"),
        ([[0, 1], [1, 0], [1, 0], [np.nan, 1]], f"example 3 hold nan; {ROWS}"),
        ([[0, 1], [2, -1], [1, 0], [0, 1]], f"example 1 hold 2; {ROWS}"),
    ],
)
def test_labels_that_are_refused(tmp_path, y, message):
    with pytest.raises(UsageError, match=message) as error:
        arrays.load(path=saved(tmp_path, y, n=4))
    assert "\n" not in str(error.value)


def test_class_folders_with_numbers_are_in_numeric_order(tmp_path):
    def made(names):
        place = tmp_path / names[0]
        for i, name in enumerate(names):
            (place / name).mkdir(parents=True)
            Image.new("L", (2, 2), i).save(place / name / "image.png")
        x, y, classes = folder.load(path=str(place), size=2, channels=1, labels=True)[
            :3
        ]
        assert [names[i] for i in x[:, 0, 0, 0]] == [classes[i] for i in y]
        return classes

    numbers = [str(i) for i in range(12)]
    assert made(numbers) == tuple(numbers)
    padded = ["07", "10", "8", "009"]
    assert made(padded) == ("07", "8", "009", "10")
    mixed = ["Z1", "10", "9", "a"]
    assert made(mixed) == ("10", "9", "Z1", "a")


# Names


ANIMALS = ("ape", "bee", "cat")


@pytest.mark.parametrize(
    ("text", "classes", "number"),
    [
        *(("bee", ANIMALS, 1), ("2", ANIMALS, 2), ("0", ANIMALS, 0)),
        *(("7", tuple("0123456789"), 7), ("07", tuple("0123456789"), 7)),
        *(("7", ("0", "2", "7"), 2), ("7", ("01", "02", "07"), 2)),
        *(("1", ("two", "1"), 1), ("0", ("two", "1"), 0)),  # a name comes first
        ("1", ("False", "True"), 1),
    ],
)
def test_a_class_is_found_by_name_or_number(text, classes, number):
    assert find_class(text, classes) == number


@pytest.mark.parametrize("labels", [["b", "a"], [1, 2, 3], ["010", "2"], [True, False]])
def test_every_class_is_found_by_its_name(labels):
    classes = numbered(labels)[1]
    assert [find_class(name, classes) for name in classes] == [*range(len(classes))]


@pytest.mark.parametrize(
    ("text", "classes", "message"),
    [
        ("cta", ANIMALS, r"'cta'; did you mean 'cat'\? accepted: ape, bee, cat, or a"),
        ("3", ANIMALS, "no class '3'; accepted: ape, .*number from 0 to 2$"),
        ("-1", ANIMALS, "no class '-1'; accepted"),
        ("", ANIMALS, "no class ''; accepted"),
        # neither the number of "2", nor that of "07"
        ("1", ("0", "2", "7"), "no class '1'; accepted: 0, 2, 7$"),
        ("0", ("01", "02", "07"), "no class '0'; .*accepted: 01, 02, 07$"),
        (
            "x",
            tuple(f"c{i}" for i in range(99)),
            r": c0, c1, c2, \.\.\. c98, or a number",
        ),
        ("7", (), "no class '7': the data have no labels"),
    ],
)
def test_a_class_that_is_not_there(text, classes, message):
    with pytest.raises(UsageError, match=message):
        find_class(text, classes)


@pytest.mark.parametrize(
    ("classes", "line"),
    [
        (ANIMALS, "3 classes: 0 ape, 1 bee, 2 cat"),
        (tuple("0123456789"), "10 classes: 0 to 9"),
        (tuple(f"{i:03d}" for i in range(1000)), "1,000 classes: 000 to 999"),
        (("1", "2", "7"), "3 classes: 0 '1', 1 '2', 2 '7'"),
        (("0",), "1 class: 0"),
        (("ape",), "1 class: 0 ape"),
        (tuple("abcdefghijklmnopqrst"), None),  # 20 of them: all
        (tuple("abcdefghijklmnopqrstu"), "21 classes: 0 a, 1 b, 2 c, ... 20 u"),
    ],
)
def test_the_line_that_says_which_number_is_which_class(classes, line):
    whole = ", ".join(f"{i} {name}" for i, name in enumerate(classes))
    assert describe(classes) == (line or f"20 classes: {whole}")


# So many of every class


def test_exactly_so_many_of_every_class_are_chosen():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1, 2, 3], [300, 40, 1000, 55])).astype(np.int32)
    for count in (1, 17, 40):
        rows = per_class(y, count, seed=5)
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()  # in order, none twice
        np.testing.assert_array_equal(np.bincount(y[rows]), [count] * 4)
        np.testing.assert_array_equal(rows, per_class(y, count, seed=5))
        assert set(rows) <= set(per_class(y, 40, seed=5))
    other = per_class(y, 40, seed=6)
    shared = other[np.isin(other, per_class(y, 40, seed=5))]
    assert (y[shared] == 1).sum() == 40  # all there are
    assert (y[shared] == 2).sum() < 10  # 1.6 by chance


def test_the_examples_of_a_class_are_equally_likely():
    y = np.tile([1, 0, 1], 10)
    chosen = np.concatenate([per_class(y, 5, seed) for seed in range(2000)])
    often = np.bincount(chosen, minlength=30) / 2000
    expected = np.where(y == 0, 5 / 10, 5 / 20)
    far = 5 * np.sqrt(expected * (1 - expected) / 2000)
    assert (np.abs(often - expected) < far).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 0, 1, 0, 1, 1, 2], "3 examples of every class .*class 2 has 1; accepted"),
        ([0, 0, 2, 0, 2, 2], "class 1 has 0"),
    ],
)
def test_a_class_of_which_there_are_too_few(y, message):
    with pytest.raises(UsageError, match=message):
        per_class(np.array(y), 3, seed=0)


def test_shares_of_classes():
    assert shares(np.array([2, 0, 2, 2]), 4) == [0.25, 0, 0.75, 0]
    y = np.random.default_rng(0).integers(0, 7, 1000)
    found = shares(y, 7)
    assert sum(found) == pytest.approx(1, abs=1e-12)
    assert found == [np.mean(y == i) for i in range(7)]


# Edges


@pytest.fixture
def images(monkeypatch):
    """images(x, y) puts these examples in the place of a TFDS data set."""

    def put(x, y):
        source = Source(x, y, ("a", "b") if y is not None else ())

        def load(*, builder, split):
            assert builder == "squares"
            return select(source, split)

        monkeypatch.setattr(tfds, "load", load)

    return put


def test_the_outline_of_a_square_is_a_frame(images):
    x = np.zeros((2, 9, 9, 1), np.uint8)
    x[0, 3:6, 2:6] = 200
    x[1, 3:6, 2:6] = 80
    y = np.array([1, 0], np.int32)
    images(x.copy(), y)
    frame = np.zeros((9, 9), np.uint8)
    frame[2:7, 1:7] = 200
    frame[3:6, 2:6] = 0
    found = edges.load(builder="squares")
    assert (found.x.dtype, found.x.shape) == (np.uint8, x.shape)
    np.testing.assert_array_equal(found.x[0, ..., 0], frame)
    np.testing.assert_array_equal(found.x[1, ..., 0], frame * 0.4)
    assert (found.y.tolist(), found.classes) == ([1, 0], ("a", "b"))
    part = edges.load(builder="squares", split="train[1:]")
    np.testing.assert_array_equal(part.x, found.x[1:])
    assert part.y.tolist() == [0]


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_constant_image_has_no_outline(images, level):
    images(np.full((2, 6, 5, 3), level, np.uint8), None)
    found = edges.load(builder="squares")
    np.testing.assert_array_equal(found.x, np.zeros((2, 6, 5, 3)))
    assert (found.y, found.classes) == (None, ())


def test_outlines_are_the_brightest_neighbour_less_the_pixel(images):
    """Of images and channels apart, and with nothing beyond an image's border."""
    x = np.random.default_rng(0).integers(0, 256, (3, 7, 6, 3), np.uint8)
    images(x, None)
    around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    neighbours = [around[:, i : i + 7, j : j + 6] for i in range(3) for j in range(3)]
    found = edges.load(builder="squares").x
    np.testing.assert_array_equal(found, np.max(neighbours, axis=0) - x)
    assert found.max() > 200
