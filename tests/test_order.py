"""The order of the data."""

import numpy as np

from gan_jax.data.order import minibatch_indices


def test_no_example_comes_twice_in_an_epoch():
    rows = minibatch_indices(seed=3, first=0, count=7, batch_size=7, size=50)
    assert rows.shape == (7, 7)
    assert rows.dtype == np.int32
    assert len(np.unique(rows)) == 49  # the remainder is dropped
    assert rows.min() >= 0
    assert rows.max() < 50


def test_every_epoch_has_an_order_of_its_own():
    first = minibatch_indices(3, 0, 7, 7, 50)
    second = minibatch_indices(3, 7, 7, 7, 50)
    assert (first != second).any()


def test_the_order_is_a_function_of_seed_and_position_alone():
    whole = minibatch_indices(3, 0, 20, 7, 50)
    pieces = [minibatch_indices(3, position, 1, 7, 50)[0] for position in range(20)]
    np.testing.assert_array_equal(whole, pieces)
    np.testing.assert_array_equal(minibatch_indices(3, 13, 4, 7, 50), whole[13:17])
    assert (minibatch_indices(4, 0, 20, 7, 50) != whole).any()
