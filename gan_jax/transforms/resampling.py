"""Images seen through a matrix of the plane, as StyleGAN2-ADA resamples them.

Karras et al. (2020, arXiv:2006.06676), appendix B; NVlabs/stylegan2-ada-pytorch,
training/augment.py. Beyond its edges an image goes on as its mirror image. It is
upsampled by two with the wavelet filter sym6, looked up by bilinear interpolation and
downsampled with the same filter, so that what is left as it is comes back as it was.

Their code mirrors an image once, and beyond that there are zeros; here it is mirrored
without an end. It then repeats itself every 2 (size - 1) pixels, and one period is all
that is upsampled.
"""

import jax
import jax.numpy as jnp
import numpy as np

_SYM6 = np.array(
    [
        *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057),
        *(-0.048311742585633, 0.4910559419267466, 0.787641141030194),
        *(0.3379294217276218, -0.07263752278646252, -0.021060292512300564),
        *(0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
    ]
)
_TAPS = len(_SYM6)
_MARGIN = _TAPS // 4  # pixels around the result, for its downsampling


def warp(x, G):
    """Images [n, h, w, c] seen through G [n, 3, 3]; where G is 1, to the bit as before.

    G: from places of the result to the places of x that are shown there, in pixels from
       the image's centre
    """
    n, h, w, c = x.shape
    up = jnp.einsum("ih,nhwc->niwc", _upsampling(h), x)
    up = jnp.einsum("jw,niwc->nijc", _upsampling(w), up)
    shape = 2 * (h + 2 * _MARGIN), 2 * (w + 2 * _MARGIN)
    seen = jax.vmap(_bilinear)(up, *_places(G, (h, w), shape))
    seen = seen.reshape(n, *shape, c)
    seen = jnp.einsum("hi,nijc->nhjc", _downsampling(h), seen)
    seen = jnp.einsum("wj,nhjc->nhwc", _downsampling(w), seen)
    same = jnp.equal(G, jnp.eye(3)[None]).all((1, 2))
    return jnp.where(same[:, None, None, None], x, seen)


def _places(G, size, shape):
    """Rows and columns [n, points] of the upsampled image, for each of the result's.

    A pixel's place is twice its own in the upsampled image, and half a place before the
    middle of the two that it becomes.
    """
    rows, columns = (np.arange(k) - (k - 1) / 2 + 0.5 for k in shape)
    y, x = np.meshgrid(rows / 2, columns / 2, indexing="ij")
    points = np.stack([x, y, np.ones_like(x)]).reshape(3, -1).astype(np.float32)
    x, y = jnp.moveaxis(jnp.einsum("nij,jp->nip", G[:, :2], points), 1, 0)
    return 2 * y + (size[0] - 1), 2 * x + (size[1] - 1)


def _bilinear(image, row, column):
    """[points, c] of an image [i, j, c] whose last row and column are its first ones.

    Windows of 2 x 2 are the form of a lookup whose gradient is fast on CPU, too.
    """
    (i, below), (j, after) = (
        _split(place, size - 1)
        for place, size in ((row, image.shape[0]), (column, image.shape[1]))
    )
    corners = jax.vmap(
        lambda i, j: jax.lax.dynamic_slice(image, (i, j, 0), (2, 2, image.shape[2]))
    )(i, j)
    above, below = 1 - below[:, None], below[:, None]
    before, after = 1 - after[:, None], after[:, None]
    first, second = corners[:, 0], corners[:, 1]
    first = before * first[:, 0] + after * first[:, 1]
    second = before * second[:, 0] + after * second[:, 1]
    return above * first + below * second


def _split(place, period):
    """Places as whole numbers in [0, period) and what they are above these."""
    place = jnp.mod(place, period)
    whole = jnp.minimum(jnp.floor(place), period - 1)
    return whole.astype(jnp.int32), place - whole


def _upsampling(size):
    """[4 size - 3, size]: a period of the upsampled mirror images, and its first again.

    Row 2 i is at pixel i.
    """
    period = np.pad(np.eye(size), ((0, max(size - 2, 0)), (0, 0)), mode="reflect")
    apart = np.zeros((2 * len(period), size))
    apart[::2] = 2 * period
    ends = _TAPS // 2, _TAPS // 2
    apart = np.pad(apart, (ends, (0, 0)), mode="wrap")
    return _filtered(apart, _SYM6[::-1])


def _downsampling(size):
    """[size, 2 (size + 2 margin)]: the transpose of upsampling inside, but for a 2."""
    wide = np.eye(2 * (size + 2 * _MARGIN))[1:-1]
    return _filtered(wide, _SYM6)[::2]


def _filtered(x, taps):
    """x [k, size] correlated along its first axis with taps that sum up to 1."""
    taps = taps / taps.sum()
    k = len(x) - len(taps) + 1
    return sum(tap * x[i : i + k] for i, tap in enumerate(taps)).astype(np.float32)
