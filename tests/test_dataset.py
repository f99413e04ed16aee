"""Scaling and the view of a minibatch."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data import scaling
from gan_jax.data.dataset import Options, make_dataset
from gan_jax.data.source import Source
from gan_jax.errors import UsageError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (50, 6, 6, 3), dtype=np.uint8)
VECTORS = RNG.normal(size=(50, 2)).astype(np.float32) * [3, 0.5] + [10, 0]
VECTORS = VECTORS.astype(np.float32)
KEY = jax.random.key(0)


# --- scaling -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factory", "low", "high"),
    [(scaling.symmetric, -1, 1), (scaling.unit, 0, 1)],
)
def test_images_fill_the_range_and_come_back_exactly(factory, low, high):
    scale = factory()
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    fitted = scale.fit(ramp)
    x = np.asarray(scale.apply(ramp, fitted))
    np.testing.assert_allclose([x.min(), x.max()], [low, high], atol=1e-6)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(scale.invert(x, fitted), ramp)
    beyond = scale.invert(np.full((1, 2, 2, 1), 9.0), fitted)
    np.testing.assert_array_equal(beyond, 255)


@pytest.mark.parametrize("factory", [scaling.symmetric, scaling.unit, scaling.identity])
def test_vectors_come_back_as_they_were(factory):
    scale = factory()
    fitted = scale.fit(VECTORS)
    x = np.asarray(scale.apply(jnp.asarray(VECTORS), fitted))
    np.testing.assert_allclose(scale.invert(x, fitted), VECTORS, rtol=1e-5, atol=1e-5)
    if factory is scaling.symmetric:
        np.testing.assert_allclose([x.min(0), x.max(0)], [[-1, -1], [1, 1]], atol=1e-5)


def test_a_coordinate_that_never_varies_is_no_division_by_zero():
    constant = np.ones((4, 2), np.float32)
    scale = scaling.symmetric()
    x = scale.apply(constant, scale.fit(constant))
    assert np.isfinite(x).all()


def test_gcn_gives_every_image_mean_zero_and_the_length_asked_for():
    scale = scaling.gcn(norm=55.0)
    x = np.asarray(scale.apply(IMAGES, scale.fit(IMAGES))).reshape(50, -1)
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 55, rtol=1e-5)


def test_gcn_pictures_are_divided_by_the_training_sets_greatest_value():
    scale = scaling.gcn()
    fitted = scale.fit(IMAGES)
    x = np.asarray(scale.apply(IMAGES, fitted))
    np.testing.assert_allclose(fitted["max"], np.abs(x).max(), rtol=1e-6)
    pictures = scale.invert(np.array([0.0, fitted["max"], -fitted["max"]]), fitted)
    np.testing.assert_array_equal(pictures, [128, 255, 0])


def test_scalings_refuse_what_they_are_not_for():
    with pytest.raises(UsageError, match="vectors"):
        scaling.identity().fit(IMAGES)
    with pytest.raises(UsageError, match="images"):
        scaling.gcn().fit(VECTORS)


# --- the view of a minibatch ---------------------------------------------------------


def dataset(x=IMAGES, **options):
    y = np.arange(len(x), dtype=np.int32)
    return make_dataset(Source(x, y, ("a",)), scaling.unit(), Options(**options))


def view(data, indices, key=KEY):
    return jax.jit(data.view)(data.arrays, np.asarray(indices, np.int32), key)


def test_a_view_gathers_and_scales_the_examples_with_their_labels():
    batch = view(dataset(), [[4, 0], [7, 7]])
    assert batch["x"].shape == (2, 2, 6, 6, 3)
    np.testing.assert_allclose(batch["x"][1, 0], IMAGES[7] / 255, rtol=1e-6)
    np.testing.assert_array_equal(batch["y"], [[4, 0], [7, 7]])


def test_flips_mirror_about_half_of_the_images():
    batch = view(dataset(flip=True), [list(range(50))] * 8)["x"]
    original = np.broadcast_to(IMAGES / np.float32(255), batch.shape)
    same = np.isclose(batch, original).all(axis=(2, 3, 4))
    mirrored = np.isclose(batch, original[..., ::-1, :]).all(axis=(2, 3, 4))
    assert (same ^ mirrored).all()
    assert 0.4 < mirrored.mean() < 0.6
    assert 0 < mirrored[:, 0].sum() < 8  # each view draws anew


def test_dequantised_pixels_lie_within_their_own_grey_level():
    batch = view(dataset(dequantize=True), [[3] * 200])["x"]
    level = np.asarray(batch, np.float64) * 255 - IMAGES[3]
    assert -0.501 < level.min() < -0.49
    assert 0.49 < level.max() < 0.501
    np.testing.assert_allclose(level.mean(), 0, atol=0.01)


def test_dequantised_pictures_come_back_as_they_were():
    data = dataset(dequantize=True)
    batch = view(data, [[3, 4]])["x"]
    np.testing.assert_array_equal(data.to_uint8(batch)[0], IMAGES[[3, 4]])


def test_the_view_is_a_function_of_its_key():
    data = dataset(flip=True, dequantize=True)
    first, again = view(data, [[1, 2]]), view(data, [[1, 2]])
    np.testing.assert_array_equal(first["x"], again["x"])
    assert (first["x"] != view(data, [[1, 2]], jax.random.key(1))["x"]).any()


def test_the_mean_is_that_of_the_scaled_examples():
    np.testing.assert_allclose(dataset().mean(), IMAGES.mean(axis=0) / 255, rtol=1e-5)


def test_held_out_examples_are_scaled_like_the_training_set():
    training, held_out = Source(VECTORS[:40]), Source(VECTORS[40:])
    data = make_dataset(training, scaling.symmetric(), validation=held_out)
    expected = scaling.symmetric().apply(VECTORS[40:], data.info["fitted"])
    seen = data.view(data.validation, np.arange(10), KEY)["x"]
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


def test_what_a_loaded_run_needs_is_json():
    for data in (dataset(), dataset(VECTORS)):
        assert json.loads(json.dumps(data.info)) == data.info


def test_flips_are_refused_for_vectors():
    with pytest.raises(UsageError, match="images"):
        dataset(VECTORS, flip=True)


# --- frames --------------------------------------------------------------------------


def test_images_of_all_splits_and_their_pairs_can_have_black_frames():
    source = Source(IMAGES, input=IMAGES[..., :1])
    options = Options(validation_split="test", pad=2)
    dataset = make_dataset(source, scaling.unit(), options, source.rows(slice(5)))
    assert dataset.info["shape"] == [10, 10, 3]
    assert dataset.info["input"] == [10, 10, 1]
    for arrays, n in ((dataset.arrays, 50), (dataset.validation, 5)):
        for name, inside in (("x", IMAGES[:n]), ("input", IMAGES[:n, ..., :1])):
            np.testing.assert_array_equal(arrays[name][:, 2:-2, 2:-2], inside)
            assert int(arrays[name].sum()) == int(inside.sum())
            assert arrays[name].dtype == np.uint8
    fresh = Source(IMAGES, fresh=lambda arrays, key, shape: None)
    for refused, says in ((fresh, "drawn once"), (Source(VECTORS), "for images")):
        with pytest.raises(UsageError, match=says):
            make_dataset(refused, scaling.identity(), Options(pad=2))
