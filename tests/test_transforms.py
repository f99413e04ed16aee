"""Changes of images: what each should do, inverses, and other ways to compute it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from gan_jax.errors import UsageError
from gan_jax.transforms import colour, plain, plane, resampling

N, H, W = 6, 9, 12


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


IMAGES = noise(N, H, W, 3)
AMOUNTS = np.linspace(-1.5, 2, N, dtype=np.float32)
warp = jax.jit(resampling.warp)


# --- plain ---------------------------------------------------------------------------


def test_brightness_adds_the_same_to_all_numbers_of_an_image():
    added = plain.brightness(IMAGES, AMOUNTS) - IMAGES
    for of_one, amount in zip(added, AMOUNTS, strict=True):
        np.testing.assert_allclose(of_one, amount, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "axes"), [(plain.saturation, -1), (plain.contrast, (1, 2, 3))]
)
def test_deviations_from_a_mean_are_multiplied(change, axes):
    mean = IMAGES.mean(axes, keepdims=True)
    changed = change(IMAGES, AMOUNTS)
    factors = AMOUNTS[:, None, None, None]
    np.testing.assert_allclose(changed, mean + factors * (IMAGES - mean), atol=1e-5)
    gone = change(IMAGES, np.zeros(N))
    np.testing.assert_allclose(gone, mean + 0 * IMAGES, atol=1e-6)


def test_an_image_is_moved_and_zeros_come_in():
    down, right = np.array([0, 2, -2, 1, 0, -1]), np.array([0, 3, 1, -3, 2, 0])
    moved = plain.translation(IMAGES, down, right, (2, 3))
    for one, image, d, r in zip(moved, IMAGES, down, right, strict=True):
        expected = np.zeros_like(image)
        of = [slice(max(0, -k), size - max(0, k)) for k, size in ((d, H), (r, W))]
        to = [slice(max(0, k), size - max(0, -k)) for k, size in ((d, H), (r, W))]
        expected[tuple(to)] = image[tuple(of)]
        np.testing.assert_array_equal(one, expected)


def test_a_square_is_cut_out():
    top, left = np.array([0, 3, -2, 7, 0.5, 20]), np.array([0, 5, -1, 11, -0.5, 0])
    cut = plain.cutout(IMAGES + 3, top, left, (4, 6))
    holes = [(0, 4, 0, 6), (3, 7, 5, 11), (0, 2, 0, 5), (7, 9, 11, 12), (1, 5, 0, 6),
             (9, 9, 0, 0)]  # fmt: skip
    for one, image, (a, b, c, d) in zip(cut, IMAGES + 3, holes, strict=True):
        expected = image.copy()
        expected[a:b, c:d] = 0
        np.testing.assert_array_equal(one, expected)


# --- the plane -----------------------------------------------------------------------


def test_matrices_of_the_plane_move_points():
    point = np.array([2.0, 1.0, 1.0])
    cases = [
        (plane.translation(AMOUNTS, 2 * AMOUNTS), (2 + AMOUNTS, 1 + 2 * AMOUNTS)),
        (plane.scaling(AMOUNTS, -1), (2 * AMOUNTS, -1 + 0 * AMOUNTS)),
        (
            plane.rotation(AMOUNTS),
            (
                2 * np.cos(AMOUNTS) - np.sin(AMOUNTS),
                2 * np.sin(AMOUNTS) + np.cos(AMOUNTS),
            ),
        ),
    ]
    for matrices, (x, y) in cases:
        assert matrices.shape == (N, 3, 3)
        np.testing.assert_allclose(
            matrices @ point, np.stack([x, y, 1 + 0 * x], -1), rtol=1e-5, atol=1e-6
        )
    numbers = np.arange(N)
    turned = plane.quarter_turns(numbers)
    np.testing.assert_allclose(turned, plane.rotation(numbers * np.pi / 2), atol=1e-6)
    assert set(np.unique(turned)) == {-1, 0, 1}


# --- resampling ----------------------------------------------------------------------


def affine(seed=1):
    """Any matrices, such that some places shown are outside of the image."""
    linear = noise(N, 2, 3, seed=seed) * np.array([1.2, 1.2, 6])
    last = np.broadcast_to(np.float32([0, 0, 1]), (N, 1, 3))
    return np.concatenate([linear, last], 1).astype(np.float32)


def as_published(image, G):
    """The authors' steps one by one, on an image that is mirrored often enough."""
    taps = resampling._SYM6 / resampling._SYM6.sum()
    more = 3 * max(image.shape)
    up = np.pad(image, more, mode="reflect")
    for axis in (0, 1):
        # they pad with 6 zeros and 5, and keep where all taps lie inside
        size = 2 * up.shape[axis]
        up = scipy.signal.upfirdn(2 * taps, up, up=2, axis=axis)
        up = np.take(up, range(5, 5 + size), axis)
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    twice = half @ np.diag([2, 2, 1])
    M = twice @ G @ np.linalg.inv(twice)
    rows, columns = (2 * (size + 6) for size in image.shape)
    y, x = np.mgrid[:rows, :columns].reshape(2, -1).astype(float)
    y, x = y - (rows - 1) / 2, x - (columns - 1) / 2
    x, y, _ = M @ np.stack([x, y, np.ones_like(x)])
    places = y + (up.shape[0] - 1) / 2, x + (up.shape[1] - 1) / 2
    seen = scipy.ndimage.map_coordinates(up, places, order=1).reshape(rows, columns)
    for axis in (0, 1):
        seen = np.take(seen, range(1, seen.shape[axis] - 1), axis)
        seen = scipy.ndimage.correlate1d(seen, taps, axis, mode="constant")
        # a window of 12 has its middle at 6: the first one that lies inside
        seen = np.take(seen, 6 + 2 * np.arange(image.shape[axis]), axis)
    return seen


def test_it_is_the_authors_pipeline():
    G = affine()
    seen = warp(IMAGES, G)
    for one, image, matrix in zip(seen, IMAGES, G, strict=True):
        for channel in range(3):
            np.testing.assert_allclose(
                one[..., channel],
                as_published(image[..., channel], matrix.astype(float)),
                atol=2e-4,
            )


def test_where_nothing_is_changed_images_come_back():
    unit = np.tile(np.eye(3, dtype=np.float32), (N, 1, 1))
    np.testing.assert_array_equal(warp(IMAGES, unit), IMAGES)
    nearly = unit.copy()
    nearly[:, 0, 2] = 1e-12  # resampled, and nothing is lost
    np.testing.assert_allclose(warp(IMAGES, nearly), IMAGES, atol=1e-5)


def test_a_move_by_whole_pixels_shows_the_mirror_image_beyond_the_edges():
    x, y = np.array([0, 3, -5, 2, -1, 11]), np.array([8, 0, 4, -3, -8, 1])
    seen = warp(IMAGES, plane.translation(x, y))
    for one, image, right, down in zip(seen, IMAGES, x, y, strict=True):
        wide = np.pad(image, ((H, H), (W, W), (0, 0)), mode="reflect")
        shown = wide[H + down : 2 * H + down, W + right : 2 * W + right]
        np.testing.assert_allclose(one, shown, atol=1e-5)


def smooth(n, size):
    """Images of low frequencies, which go on smoothly as their mirror images."""
    waves = np.cos(np.pi * np.arange(size)[:, None] * np.arange(3) / (size - 1))
    parts = noise(n, 3, 3, 2, seed=3) / 3
    return np.einsum("ia,jb,nabc->nijc", waves, waves, parts).astype(np.float32)


def test_smooth_images_are_mirrored_turned_and_turned_back():
    images = smooth(4, 24)
    flipped = warp(images, plane.scaling(-np.ones(4), 1))
    np.testing.assert_allclose(flipped, images[:, :, ::-1], atol=0.02)
    assert np.abs(flipped - images).max((1, 2, 3)).min() > 0.2
    again = warp(flipped, plane.scaling(-np.ones(4), 1))
    np.testing.assert_allclose(again, images, atol=0.03)
    turned = images
    for i in range(1, 5):
        turned = warp(turned, plane.quarter_turns(np.ones(4, int)))
        # a matrix says what is shown, so that an image turns the other way
        expected = np.rot90(images, i, axes=(1, 2))
        np.testing.assert_allclose(turned, expected, atol=0.02 * i)


def test_a_rotation_is_that_of_scipy():
    images, angles = smooth(4, 24), np.array([0.3, -1.0, 2.0, 3.0])
    seen = warp(images, plane.rotation(angles))
    # sym6 is not quite symmetric: what it does on the way up, turned, is not undone by
    # what it does on the way down
    for one, image, angle in zip(seen, images, angles, strict=True):
        for channel in range(2):
            expected = scipy.ndimage.rotate(
                image[..., channel], np.degrees(angle), reshape=False, mode="mirror"
            )
            np.testing.assert_allclose(one[..., channel], expected, atol=0.035)
            assert np.abs(expected - image[..., channel]).max() > 0.1


def test_the_gradient_is_the_transpose():
    """And that of the gradient is the map again."""
    G, y = affine(), noise(N, H, W, 3, seed=4)

    @jax.jit
    def both(x, y):
        seen, pull_back = jax.vjp(lambda x: resampling.warp(x, G), x)
        (back,) = pull_back(y)
        again = jax.grad(lambda y: jnp.sum(x * pull_back(y)[0]))(y)
        return seen, back, again

    seen, back, again = both(IMAGES, y)
    np.testing.assert_allclose(np.sum(seen * y), np.sum(IMAGES * back), rtol=1e-4)
    np.testing.assert_allclose(again, seen, atol=1e-4)


# --- colours -------------------------------------------------------------------------


def luma_and_chroma(x):
    mean = np.mean(x, -1, keepdims=True)
    return mean, np.linalg.norm(x - mean, axis=-1)


def test_changes_of_colour_do_to_luma_and_chroma_what_they_say():
    luma, chroma = luma_and_chroma(IMAGES)
    a = AMOUNTS[:, None, None, None]
    expected = {
        colour.brightness: (luma + a, chroma),
        colour.contrast: (luma * a, chroma * np.abs(a[..., 0])),
        colour.luma: (luma * a, chroma),
        colour.hue: (luma, chroma),
        colour.saturation: (luma, chroma * np.abs(a[..., 0])),
    }
    third = np.full(N, 2 * np.pi / 3, np.float32)

    @jax.jit
    def all_changes(amounts):
        matrices = [change(amounts) for change in expected] + [colour.hue(third)]
        return [colour.recoloured(IMAGES, of_one) for of_one in matrices]

    *found, turned = all_changes(AMOUNTS)
    for x, (of_luma, of_chroma) in zip(found, expected.values(), strict=True):
        assert np.abs(x - IMAGES).max((1, 2, 3)).min() > 0.03
        luma, chroma = luma_and_chroma(x)
        np.testing.assert_allclose(luma, of_luma, atol=1e-5)
        np.testing.assert_allclose(chroma, of_chroma, atol=1e-5)
    # a third of a turn makes red green, green blue, and blue red
    np.testing.assert_allclose(turned, np.roll(IMAGES, 1, axis=-1), atol=1e-5)


def test_grey_images_are_changed_as_grey_in_colour_is():
    @jax.jit
    def both(grey):
        parts = (colour.contrast, colour.brightness, colour.luma)
        one, other, last = (change(AMOUNTS) for change in parts)
        matrices = last @ one @ other
        in_colour = colour.recoloured(jnp.repeat(grey, 3, -1), matrices)
        return colour.recoloured(grey, matrices), in_colour

    changed, in_colour = both(IMAGES[..., :1])
    np.testing.assert_allclose(changed, in_colour[..., :1], rtol=1e-4, atol=1e-5)
    with pytest.raises(UsageError, match="1 or 3 channels, not of 2"):
        colour.recoloured(IMAGES[..., :2], colour.contrast(jnp.asarray(AMOUNTS)))
