"""The order of the data."""

import numpy as np

from gan_jax.data.order import Order


def test_no_example_comes_twice_in_an_epoch():
    rows = Order(seed=3, batch_size=7, size=50)(first=0, count=7)
    assert rows.shape == (7, 7)
    assert rows.dtype == np.int32
    assert len(np.unique(rows)) == 49  # the remainder is dropped
    assert rows.min() >= 0
    assert rows.max() < 50


def test_every_epoch_has_an_order_of_its_own():
    first = Order(3, 7, 50)(0, 7)
    second = Order(3, 7, 50)(7, 7)
    assert (first != second).any()


def test_the_order_is_a_function_of_seed_and_position_alone():
    whole = Order(3, 7, 50)(0, 20)
    pieces = [Order(3, 7, 50)(position, 1)[0] for position in range(20)]
    np.testing.assert_array_equal(whole, pieces)
    np.testing.assert_array_equal(Order(3, 7, 50)(13, 4), whole[13:17])
    assert (Order(4, 7, 50)(0, 20) != whole).any()


def test_one_order_answers_in_any_sequence():
    order, positions = Order(3, 7, 50), [0, 20, 6, 7, 13, 0, 21, 40]
    for position in positions:
        expected = Order(3, 7, 50)(position, 3)
        np.testing.assert_array_equal(order(position, 3), expected)


def test_an_epoch_is_permuted_once(monkeypatch):
    """Of every member of a population: 64 of them once forgot each other's."""
    orders = [Order(seed, 5, 50) for seed in range(64)]
    made, original = [], np.random.default_rng
    monkeypatch.setattr(
        np.random, "default_rng", lambda seed: made.append(seed) or original(seed)
    )
    for position in range(20):  # two epochs
        for order in orders:
            order(position, 1)
    assert sorted(made) == [[seed, epoch] for seed in range(64) for epoch in (0, 1)]
