"""Feature networks: what the shipped weights are worth, and what is refused."""

import re

import jax
import numpy as np
import pytest

from gan_jax import cli
from gan_jax.data import tfds
from gan_jax.errors import UsageError
from gan_jax.metrics import classifier, features, train_classifier, weights_file
from gan_jax.metrics.choice import features_for
from gan_jax.metrics.features import ACCEPTS, load_features

SHIPPED = {
    "mnist": ("test[:2000]", 0.992, 128),
    "cifar10": ("test[:1000]", 0.85, 128),
}


def images(n, shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def held_out(name):
    try:
        return tfds.load(builder=name, split=SHIPPED[name][0])
    except UsageError as error:
        pytest.skip(str(error))


# the shipped weights


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_weights_are_those_of_the_stated_checksum(name):
    network = load_features(name)
    variables, about = weights_file.read(classifier.WEIGHTS / f"{name}.npz")
    assert network.checksum == about["checksum"] == weights_file.checksum(variables)
    assert about["data"] == name
    assert tuple(about["shape"]) == network.accepts == ACCEPTS[name]
    assert (classifier.WEIGHTS / f"{name}.npz").stat().st_size < 1e6


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_classifier_is_as_accurate_as_stated(name):
    _, _, dim = SHIPPED[name]
    source = held_out(name)
    stated = classifier.load(name)[2]["accuracy"]
    assert stated >= SHIPPED[name][1]
    vectors, probabilities = load_features(name).apply(source.x)
    assert vectors.shape == (len(source.x), dim)
    assert vectors.dtype == probabilities.dtype == np.float32
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    right = np.mean(probabilities.argmax(1) == source.y)
    error = np.sqrt(stated * (1 - stated) / len(source.x))
    np.testing.assert_allclose(right, stated, atol=3 * error)


# laws of `apply`


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_features_do_not_depend_on_the_batches(name):
    x = images(21, ACCEPTS[name])
    few, many = (load_features(name, batch_size=size).apply(x) for size in (4, 64))
    single = load_features(name, batch_size=1).apply(x[7:8])
    for a, b, c in zip(few, many, single, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a[7:8], c, rtol=1e-4, atol=1e-5)


def test_batches_of_every_length_run_the_one_compiled_program(monkeypatch):
    compiled = []
    listener = jax.jit

    def counted(function):
        def traced(*arguments):
            compiled.append(arguments[-1].shape)
            return function(*arguments)

        return listener(traced)

    monkeypatch.setattr(features.jax, "jit", counted)
    network = load_features("mnist", batch_size=4)
    for n in (1, 4, 6):
        assert network.apply(images(n, ACCEPTS["mnist"]))[0].shape == (n, 128)
    assert compiled == [(4, 28, 28, 1)]


def test_pixels_are_the_images_in_the_unit_interval():
    x = images(3, (5, 4, 3))
    network = load_features("pixels")
    vectors, probabilities = network.apply(x)
    assert probabilities is None
    assert (vectors.dtype, vectors.shape) == (np.float32, (3, 60))
    np.testing.assert_allclose(vectors[2].reshape(5, 4, 3), x[2] / 255, rtol=1e-6)
    assert (network.checksum, network.resizing) == (None, None)


def test_framed_digits_are_seen_without_their_frame():
    framed = images(5, ACCEPTS["mnist_framed"])
    network, plain = load_features("mnist_framed"), load_features("mnist")
    bare = np.ascontiguousarray(framed[:, 2:30, 2:30])
    for found, expected in zip(network.apply(framed), plain.apply(bare), strict=True):
        np.testing.assert_array_equal(found, expected)
    named = "checksum", "frechet_name", "kernel_name", "classes"
    for field in named:
        assert getattr(network, field) == getattr(plain, field)
    assert (network.resizing, plain.resizing) == ("the 28 x 28 in the middle", None)
    assert features_for((32, 32, 1)) == "mnist_framed"


@pytest.mark.parametrize("name", ["pixels", "mnist", "cifar10"])
def test_distances_in_own_features_are_not_called_fid_and_kid(name):
    network = load_features(name)
    assert network.frechet_name == f"frechet_{name}"
    assert network.kernel_name == f"kernel_{name}"


# refusals


@pytest.mark.parametrize(
    ("name", "shape", "accepted"),
    [
        ("mnist", (32, 32, 3), "pixels, cifar10, inception"),
        ("cifar10", (28, 28, 1), "pixels, mnist"),
        ("cifar10", (32, 32, 1), "pixels, mnist_framed"),
        ("inception", (64, 64, 1), "pixels"),
    ],
)
def test_images_that_do_not_fit_are_refused(name, shape, accepted):
    said = f"{name!r} take images of .*{' x '.join(map(str, shape))}; .*: {accepted}$"
    with pytest.raises(UsageError, match=said):
        features.require_fit(name, shape)
    if name != "inception":
        with pytest.raises(UsageError, match=said):
            load_features(name).apply(images(2, shape))


@pytest.mark.parametrize("name", ["pixels", "mnist"])
def test_points_and_scaled_images_are_refused(name):
    network = load_features(name)
    with pytest.raises(UsageError, match="not examples of 2"):
        network.apply(np.zeros((9, 2), np.float32))
    with pytest.raises(UsageError, match="uint8, 0 to 255, not float32"):
        network.apply(np.zeros((9, 28, 28, 1), np.float32))


def test_unknown_names_and_missing_weights_are_refused(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'cifar10'"):
        load_features("cifar")
    with pytest.raises(UsageError, match="convert_inception"):
        load_features("inception")
    with pytest.raises(UsageError, match="there is no such file"):
        load_features("inception", tmp_path / "inception.npz")
    with pytest.raises(UsageError, match="only 'inception'"):
        load_features("mnist", tmp_path / "mnist.npz")
    with pytest.raises(UsageError, match="not of 'inception'"):
        load_features("inception", classifier.WEIGHTS / "mnist.npz")


def test_a_wrong_checksum_is_refused():
    right = load_features("mnist").checksum
    assert load_features("mnist", checksum=right).checksum == right
    with pytest.raises(UsageError, match=f"{right}, not 0123"):
        load_features("mnist", checksum="0123")


# files of weights


def tree():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 2, 4)).astype(np.float16)
    bias = rng.normal(size=4).astype(np.float32)
    mean = np.array([1e-9, 3.0], np.float32)
    layer = {"Conv_0": {"kernel": kernel, "bias": bias}}
    return {"params": layer, "batch_stats": {"BatchNorm_0": {"mean": mean}}}


@pytest.mark.parametrize("suffix", weights_file.FORMATS)
def test_weights_return_from_a_file_as_they_were(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    weights_file.write(path, tree(), {"data": "nothing"})
    variables, about = weights_file.read(path)
    expected = jax.tree.map(lambda array: array.astype(np.float32), tree())
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(variables))
    assert about == {"data": "nothing", "checksum": weights_file.checksum(tree())}


@pytest.mark.parametrize("suffix", weights_file.FORMATS)
def test_weights_that_cannot_be_written_are_a_line(tmp_path, suffix):
    with pytest.raises(UsageError, match="cannot be written"):
        weights_file.write(tmp_path / "missing" / f"weights{suffix}", tree(), {})


@pytest.mark.parametrize("suffix", weights_file.FORMATS)
def test_damaged_weights_are_refused(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    weights_file.write(path, tree(), {})
    whole = path.read_bytes()
    value = tree()["params"]["Conv_0"]["kernel"].tobytes()
    flipped = whole.replace(value, bytes([value[0] ^ 1]) + value[1:])
    assert flipped != whole
    for damaged in (flipped, whole[:-9], whole[: len(whole) // 2], b""):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=re.escape(f"{path}: damaged")):
            weights_file.read(path)


def test_weights_that_pickle_objects_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, about=np.array("{}"), kernel=np.array([{}], object))
    with pytest.raises(UsageError, match="allow_pickle=False"):
        weights_file.read(path)


def test_the_checksum_is_of_names_shapes_and_values():
    def of(**arrays):
        return weights_file.checksum({"params": arrays})

    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert re.fullmatch("[0-9a-f]{16}", of(kernel=array))
    assert of(kernel=array) == of(kernel=array.astype(np.float16))
    assert of(kernel=array) == of(kernel=np.asfortranarray(array))
    others = of(bias=array), of(kernel=array.reshape(3, 2)), of(kernel=array + 1)
    assert len({of(kernel=array), *others}) == 4


# how the shipped weights were made


@pytest.mark.parametrize("flip", [False, True])
def test_augmentation_moves_and_mirrors_whole_images(flip):
    shift = 2
    x = np.broadcast_to(images(1, (6, 7, 3)), (400, 6, 7, 3))
    augmented = np.asarray(train_classifier.augment(jax.random.key(0), x, shift, flip))
    padded = np.pad(x[0], ((shift,) * 2, (shift,) * 2, (0, 0)), mode="reflect")
    windows = [
        padded[i : i + 6, j : j + 7][:, ::step]
        for i in range(5)
        for j in range(5)
        for step in ((1, -1) if flip else (1,))
    ]
    expected = {window.tobytes() for window in windows}
    assert {image.tobytes() for image in augmented} == expected


def test_training_is_repeatable_and_writes_what_the_package_reads(
    tmp_path, monkeypatch
):
    held_out("mnist")
    recipe = train_classifier.RECIPES["mnist"]._replace(
        split="test[:512]",
        held_out="test[512:1000]",
        widths=((4,), (4,), (4,)),
        epochs=1,
    )
    monkeypatch.setitem(train_classifier.RECIPES, "mnist", recipe)
    for name in ("a", "b"):
        arguments = ["--data=mnist", f"--out={tmp_path / name}.npz"]
        assert cli.run(train_classifier.main, arguments) == 0
    first, second = ((tmp_path / f"{name}.npz").read_bytes() for name in "ab")
    assert first == second
    monkeypatch.setattr(classifier, "WEIGHTS", tmp_path)
    module, variables, about = classifier.load("a")
    assert module.widths == recipe.widths
    assert about["shape"] == [28, 28, 1]
    assert about["split"] == "test[:512]"
    assert 0 <= about["accuracy"] <= 1
    x = images(2, (28, 28, 1))
    vectors, logits = module.apply(variables, x)
    assert (vectors.shape, logits.shape) == ((2, 4), (2, 10))


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--data=mnits", "did you mean 'mnist'"),
        ("--out=weights.txt", "accepted is an .npz file"),
        ("--epochs=0", "positive integer"),
    ],
)
def test_the_training_script_refuses_what_it_cannot_do(argument, said, capsys):
    assert cli.run(train_classifier.main, [argument]) == 2
    assert re.search(said, capsys.readouterr().err)
