"""What the twins of translators do at random, which no step of ours can tell."""

import random

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install -e '.[peers]'")

from peers import variation  # noqa: E402
from peers.cyclegan import Pool  # noqa: E402
from peers.pix2pix import UNet  # noqa: E402
from test_peers import examples, ours, theirs  # noqa: E402


def test_a_u_net_drops_in_the_innermost_layers_of_the_way_up():
    up = UNet((32, 32, 3), width=1).up  # five halvings
    kinds = [{type(layer) for layer in layers} for layers in up]
    assert [torch.nn.Dropout in kind for kind in kinds] == [True, True, True, False]


def test_a_full_pool_exchanges_every_second_image():
    """None is lost and none is doubled; until it is full, images are kept and shown."""
    random.seed(0)
    pool, first = Pool(5), torch.arange(5.0)
    assert pool.exchange(first[:3]).tolist() == [0, 1, 2]
    assert pool.exchange(torch.arange(3.0, 7)).tolist()[:2] == [3, 4]
    replaced, total = 0, 2000
    held = sorted(map(float, pool.images))
    for i in range(100, 100 + total):
        shown = pool.exchange(torch.tensor([float(i)])).item()
        now = sorted(map(float, pool.images))
        assert sorted([*now, shown]) == sorted([*held, i])
        replaced, held = replaced + (shown != i), now
    assert abs(replaced / total - 0.5) < 5 * (0.25 / total) ** 0.5
    none = Pool(0)
    assert [none.exchange(first).tolist() for _ in range(2)] == [first.tolist()] * 2


@pytest.mark.parametrize("shape", [(6, 6, 2), (4, 8, 1)])
def test_images_move_as_ours_do(shape):
    """Each is cut out of ours enlarged, at any place, turned or not."""
    x = examples(5, 1, *shape)
    height, width, _ = shape
    spec = {"name": "pairs", "flip": True, "jitter": 2}
    torch.manual_seed(0)
    moved = ours(variation.varied(theirs(x).expand(400, -1, -1, -1), **spec))
    assert moved.shape == (400, *shape)
    room = [2 * side // min(height, width) for side in (height, width)]
    larger = [side + more for side, more in zip((height, width), room, strict=True)]
    enlarged = np.asarray(jax.image.resize(x[0], (*larger, shape[-1]), "linear"))
    seen = np.zeros(400, int)
    for top in range(room[0] + 1):
        for left in range(room[1] + 1):
            cut = enlarged[top : top + height, left : left + width]
            for image in (cut, cut[:, ::-1]):
                same = np.abs(moved - image).max(axis=(1, 2, 3)) < 1e-5
                assert same.any()
                seen += same
    assert (seen == 1).all()
    still = variation.varied(theirs(x), name="pairs", jitter=0, size=4)
    np.testing.assert_array_equal(ours(still), x)


def test_noise_of_a_grey_level_is_added_where_ours_is():
    """Even, within half a level of the 255 between -1 and 1, and new every time."""
    torch.manual_seed(0)
    x = theirs(examples(6, 2, 30, 30, 3))
    first, second = (variation.varied(x, dequantize=True) - x for _ in range(2))
    level = 2 / 255
    assert 0.49 * level < first.abs().max() < 0.51 * level
    assert abs(first.mean()) < 0.02 * level
    assert first.std() == pytest.approx(level / 12**0.5, rel=0.03)
    assert (first != second).any()
