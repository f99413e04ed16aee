"""Data beside data: a second set whose minibatches come with those of the first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.build import blank
from gan_jax.config.files import load_experiment, override
from gan_jax.data import scaling
from gan_jax.data.dataset import Options, beside, make_dataset
from gan_jax.data.feed import from_memory
from gan_jax.data.loading import load_dataset
from gan_jax.data.order import Order
from gan_jax.data.source import Source
from gan_jax.errors import UsageError


def numbers(start, n, **options):
    x = np.arange(start, start + n, dtype=np.float32)[:, None]
    source = Source(x, np.arange(n, dtype=np.int32) % 2, ("even", "odd"))
    return make_dataset(source, scaling.identity(), Options(**options))


def config_of(*changes):
    config, _ = load_experiment("experiments/digits.py")
    override(config, [tuple(change.split("=", 1)) for change in changes])
    return config


def test_a_minibatch_has_examples_of_both_each_with_its_label():
    data = beside(numbers(0, 10), numbers(100, 4))
    assert (data.size, data.sizes) == (10, (10, 4))
    batch = data.view(data.arrays, np.array([3, 5, 2, 1]), jax.random.key(0))
    np.testing.assert_array_equal(batch["x"][:, 0], [3, 5])
    np.testing.assert_array_equal(batch["y"], [1, 1])
    np.testing.assert_array_equal(batch["other"]["x"][:, 0], [102, 101])
    np.testing.assert_array_equal(batch["other"]["y"], [0, 1])
    empty = blank(data.info, 3)
    seen = jax.eval_shape(data.view, data.arrays, np.zeros(6, int), jax.random.key(0))
    assert jax.tree.map(jnp.shape, empty) == jax.tree.map(jnp.shape, seen)


def test_either_order_is_a_function_of_seed_and_step_and_they_are_not_alike():
    config = config_of("batch_size=4", "d_steps=2")
    feed = from_memory(config, (20, 20), None)
    _, rows = feed.fetch(0, 15)
    assert rows.shape == (30, 8)
    _, later = feed.fetch(7, 3)
    np.testing.assert_array_equal(later, rows[14:20])
    first, second = rows[:, :4], rows[:, 4:]
    np.testing.assert_array_equal(first, Order(config.seed, 4, 20)(0, 30))
    np.testing.assert_array_equal(second, Order(config.seed, 4, 20, 1)(0, 30))
    for epoch in range(6):  # each goes through all of its set
        part = slice(5 * epoch, 5 * epoch + 5)
        assert sorted(first[part].ravel()) == sorted(second[part].ravel())
    epochs = [order.reshape(6, 20) for order in (first, second)]
    for a in epochs[0]:  # numpy takes [seed, epoch] and [seed, epoch, 0] for the same
        for b in epochs[1]:
            assert (a != b).any()


def test_a_set_that_is_used_up_starts_anew():
    _, rows = from_memory(config_of("batch_size=4"), (20, 4), None).fetch(0, 5)
    for row in rows[:, 4:]:
        assert sorted(row) == [0, 1, 2, 3]
    assert len({tuple(row) for row in rows[:, 4:]}) > 1


def test_both_are_scaled_as_the_first_set_is():
    config = config_of(
        "other.name=digits", "other.split=train[:100]", "scaling.name=gcn"
    )
    data, alone = load_dataset(config), load_dataset(config_of("scaling.name=gcn"))
    rows = np.arange(20)
    batch = data.view(data.arrays, np.concatenate([rows, rows]), jax.random.key(0))
    np.testing.assert_array_equal(batch["x"], batch["other"]["x"])
    assert data.other.info["fitted"] == alone.info["fitted"]
    assert (
        load_dataset(config_of("scaling.name=gcn", "data.split=train[:100]")).info[
            "fitted"
        ]
        != alone.info["fitted"]
    )
    expected = alone.view(alone.arrays, rows, jax.random.key(0))
    np.testing.assert_array_equal(batch["x"], expected["x"])


def test_mirrors_of_both_are_drawn_apart():
    images = np.zeros((64, 2, 2, 1), np.uint8)
    images[:, :, 0] = 255
    one = make_dataset(Source(images), scaling.unit(), Options(flip=True))
    data = beside(one, one)
    rows = np.tile(np.arange(64), 2)
    batch = data.view(data.arrays, rows, jax.random.key(0))
    mirrored, other = (x[:, 0, 1, 0] == 1 for x in (batch["x"], batch["other"]["x"]))
    assert 16 < mirrored.sum() < 48
    assert 16 < other.sum() < 48
    assert (mirrored != other).any()


def test_few_labels_are_as_many_of_each_class_by_their_own_seed():
    few = numbers(0, 100, per_class=3)
    assert few.size == 6
    np.testing.assert_array_equal(np.bincount(few.arrays["y"]), [3, 3])
    np.testing.assert_array_equal(few.arrays["x"][:, 0] % 2, few.arrays["y"])
    again, another = numbers(0, 100, per_class=3), None
    np.testing.assert_array_equal(again.arrays["x"], few.arrays["x"])
    another = numbers(0, 100, per_class=3, subset_seed=1)
    assert (another.arrays["x"] != few.arrays["x"]).any()
    assert few.info["shares"] == [0.5, 0.5]


def test_what_does_not_go_together_is_refused():
    held_out = numbers(0, 10)
    held_out = held_out._replace(validation=dict(held_out.arrays))
    wide = make_dataset(Source(np.zeros((4, 2), np.float32)), scaling.identity())
    for other, message in (
        (wide, r"examples of shape \[2\], config.data of \[1\]"),
        (held_out, "either both are given or none"),
    ):
        with pytest.raises(UsageError, match=message):
            beside(numbers(0, 10), other)
    with pytest.raises(UsageError, match="needs examples with labels"):
        make_dataset(
            Source(np.zeros((4, 2), np.float32)),
            scaling.identity(),
            Options(per_class=1),
        )
    absent = Source(np.zeros((4, 1), np.float32), np.zeros(4, np.int32), ("a", "b"))
    with pytest.raises(UsageError, match="not all of the 2 classes"):
        make_dataset(absent, scaling.identity(), Options(per_class=1))
