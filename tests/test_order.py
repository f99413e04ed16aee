"""The order of the data."""

import numpy as np
import pytest

from gan_jax.data import sines, toy2d
from gan_jax.data.labels import per_class
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


def ring(seed, n):
    """Mode, offset and its size of each point."""
    source = toy2d.load(size=n, seed=seed)
    offset = source.x - source.modes.means[source.y]
    return np.column_stack([source.y, offset, np.abs(offset)])


def signals(seed, n):
    return sines.load(size=n, seed=seed, length=4).x[..., 0]


def triples(seed, n):
    """The numbers of the digits in data.stacked_mnist."""
    return np.random.default_rng(seed).integers(60_000, size=(n, 3))


def subset(seed, n):
    """The rows that data.per_class chooses of a class."""
    return per_class(np.zeros(4 * n, int), n, seed)[:, None]


def in_order(seed, n):
    """Where each example comes in the first epoch: no such data may be drawn."""
    place = np.empty((n, 1))
    place[np.random.default_rng(seed).permutation(n), 0] = np.arange(n)
    return place


def dependence(draw, shift, n=500, batch=20, seeds=400):
    """Of value and position in the first epoch, were they independent 0, 1 and 1.

    The mean of all correlations over its standard error, the variance of the
    correlations over what it should be, that of minibatches' means likewise.
    """
    correlations, spreads = [], []
    for seed in range(seeds):
        values = draw(seed + shift, n)[Order(seed, n, n)(0, 1)[0]]
        values = (values - values.mean(axis=0)) / values.std(axis=0)
        position = (np.arange(n) - (n - 1) / 2) / np.sqrt((n**2 - 1) / 12)
        correlations.append(position @ values / np.sqrt(n))
        means = values.reshape(-1, batch, values.shape[1]).mean(axis=1)
        spreads.append(batch * means.var(axis=0) * (n - 1) / (n - batch))
    found = np.ravel(correlations)
    # the values of one example are not independent, but seeds are
    return (
        np.mean(correlations, axis=1).sum() / np.sqrt(seeds),
        np.mean(found**2),
        np.mean(spreads),
    )


@pytest.mark.parametrize("draw", [ring, signals, triples, subset])
def test_data_drawn_by_the_seed_of_the_order_come_in_no_order(draw):
    """They share a stream of random bits, of which each makes something else."""
    for shift in (0, 10**6):  # the same seed, and another
        mean, squares, spread = dependence(draw, shift)
        assert abs(mean) < 4
        assert abs(squares - 1) < 0.25
        assert abs(spread - 1) < 0.05


def test_data_that_come_in_an_order_would_be_seen():
    mean, squares, spread = dependence(in_order, 0, seeds=20)
    assert mean > 50
    assert squares > 100
    assert spread > 5
    assert dependence(in_order, 10**6, seeds=20)[1] < 3
