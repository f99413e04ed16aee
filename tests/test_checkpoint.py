"""Checkpoints: whole states come back whole, and damage is noticed."""

import errno
import functools
import gc
import re
import shutil
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import some_slow

import gan_jax
from gan_jax.errors import UsageError
from gan_jax.faults.kinds import files_of, flip
from gan_jax.loop import checkpoint
from gan_jax.loop.checkpoint import Checkpoints, restore, saved_steps
from gan_jax.state import Player, TrainState


def state_of(step, value=1.0, size=64):
    """A state with every kind of leaf that a run has."""
    noise = jax.random.normal(jax.random.key(0), (size, size))

    def player(x):
        params = {"kernel": x * noise, "bias": jnp.arange(3.0)}
        stats = {"batch_stats": {"mean": jnp.full(3, x)}}
        return Player(params, stats, (jnp.int32(step), {"mu": jnp.full(3, x)}))

    return TrainState(
        step=jnp.int32(step),
        key=jax.random.key(7),
        d=player(value),
        g=player(-value),
        g_ema=({"kernel": jnp.full((2, 2), value)}, {}),
        hparams={"d": {"learning_rate": jnp.float32(0.1)}},
    )


def save(root, *states, step=0):
    with Checkpoints(root, step) as checkpoints:
        for state in states:
            checkpoints.save(state)


def assert_equal(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = map(jax.random.key_data, (a, b))
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "checkpoints"


def damage(root, step):
    """Flips one bit in the middle of the biggest file of a checkpoint."""
    files = (path for path in (root / str(step)).rglob("*") if path.is_file())
    biggest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(biggest.read_bytes())
    content[len(content) // 2] ^= 1
    biggest.write_bytes(content)


def test_a_state_comes_back_as_it_was(root):
    state = state_of(5)
    save(root, state)
    like = jax.eval_shape(lambda: state_of(0))
    assert_equal(restore(root, like), state)
    assert_equal(restore(root, state_of(0, 9.0)), state)


def test_the_average_may_be_off(root):
    state = state_of(5).replace(g_ema=None)
    save(root, state)
    assert restore(root, state).g_ema is None
    assert_equal(restore(root, state), state)


def test_the_newest_three_are_kept(root):
    save(root, *map(state_of, (1, 2, 3, 4, 5)))
    assert saved_steps(root) == [3, 4, 5]
    assert int(restore(root, state_of(0)).step) == 5
    assert int(restore(root, state_of(0), step=4).step) == 4
    with pytest.raises(UsageError, match=r"no checkpoint of step 2 .*: 3, 4, 5"):
        restore(root, state_of(0), step=2)


@functools.partial(jax.jit, donate_argnums=0)
def take_over(state):
    """Writes another state into the buffers of this one, as a training step does."""
    return jax.tree.map(lambda leaf: leaf + 1, state.replace(key=None))


def test_a_saved_state_may_be_overwritten_at_once(root):
    """What is still being written stays as it was."""
    take_over(state_of(0, size=2000))  # compiles, so that the next call does not wait
    state, expected = state_of(1, size=2000), state_of(1, size=2000)
    with Checkpoints(root, 0) as checkpoints:
        checkpoints.save(state)
        after = take_over(state)
        assert checkpoints.latest == 1
    kernel = expected.d.params["kernel"]
    np.testing.assert_array_equal(after.d.params["kernel"], kernel + 1)
    assert_equal(restore(root, expected), expected)


def test_a_state_that_is_written_is_let_go(root):
    state = state_of(1)
    save(root, state)
    take_over(state)
    assert state.d.params["kernel"].is_deleted()


def test_a_step_is_saved_once(root):
    save(root, state_of(3, 1.0))
    save(root, state_of(3, 2.0), step=3)
    assert_equal(restore(root, state_of(0)), state_of(3, 1.0))


def test_there_is_no_latest_before_the_first(root):
    with Checkpoints(root, 0) as checkpoints:
        assert checkpoints.latest is None
        checkpoints.save(state_of(2))
        assert checkpoints.latest == 2
    with Checkpoints(root, 2) as checkpoints:
        assert checkpoints.latest == 2


@pytest.mark.parametrize("leaf", ["kernel", "key", "step"])
def test_a_leaf_that_differs_from_its_checksum_is_damage(root, leaf, monkeypatch):
    """Orbax loads whatever the disk holds: here another state than that promised."""
    state = state_of(5)
    changed = {
        "kernel": state.replace(d=state_of(5, 1.0000001).d),
        "key": state.replace(key=jax.random.key(8)),
        "step": state.replace(step=jnp.int32(6)),
    }[leaf]
    checksums = checkpoint.checksums(state)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "checksums", lambda tree: checksums)
        save(root, changed)
    with pytest.raises(UsageError, match=r"no checkpoint in .* can be read"):
        restore(root, state)


def test_one_flipped_bit_falls_back_to_the_checkpoint_before(root, capsys):
    save(root, *map(state_of, (1, 2)))
    damage(root, 2)
    assert_equal(restore(root, state_of(0)), state_of(1))
    said = capsys.readouterr().err
    assert said.startswith("checkpoint 2 is damaged (")
    assert said.count("\n") == 1
    assert saved_steps(root) == [1, 2]  # reading changes nothing
    with pytest.raises(UsageError, match=r"checkpoint 2 .* is damaged; others: 1"):
        restore(root, state_of(0), step=2)


def test_a_damaged_checkpoint_makes_way_for_a_whole_one_of_its_step(root):
    for _ in range(2):  # the second time there is one in the way of the first
        save(root, *map(state_of, (1, 2)), step=1)
        damage(root, 2)
    with Checkpoints(root, 1) as checkpoints:
        assert checkpoints.latest == 1
        checkpoints.save(state_of(2))
    assert saved_steps(root) == [1, 2]
    assert_equal(restore(root, state_of(0)), state_of(2))
    assert saved_steps(root.with_name("checkpoints-set-aside")) == [2]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        PermissionError(errno.EACCES, "Permission denied"),
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: out of memory"),
    ],
)
def test_what_may_pass_is_no_damage(root, monkeypatch, error):
    """Or the run would go on from an earlier step and put a whole one aside."""
    save(root, state_of(1), state_of(2))

    def load(path, like):
        raise error

    monkeypatch.setattr(checkpoint, "_load", load)
    with pytest.raises(UsageError, match=r"checkpoint 2 in .* cannot be read now"):
        restore(root, state_of(0))
    monkeypatch.undo()
    assert_equal(restore(root, state_of(0)), state_of(2))


def test_a_file_that_cannot_be_opened_is_no_damage(root, monkeypatch):
    """Orbax takes some for empty, and names no reason for others."""
    save(root, state_of(1), state_of(2))
    files = files_of(root / "2")
    assert len(files) > 5
    for closed in files:

        def refuse(path, mode):
            if str(path) == str(closed):  # noqa: B023
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return open(path, mode)

        monkeypatch.setattr(checkpoint, "open", refuse, raising=False)
        with pytest.raises(UsageError, match=r"2 .* cannot be read now \(Perm"):
            restore(root, state_of(0))
    monkeypatch.undo()
    assert_equal(restore(root, state_of(0)), state_of(2))


@pytest.mark.parametrize("places", some_slow((2, 20), quick=(2,)))
def test_bits_flipped_anywhere_are_one_line_or_nothing(root, tmp_path, capfd, places):
    """One at a time: another state is never restored, and nobody else speaks.

    A bit that is not read, or that is the sign of success, changes nothing.
    """
    save(root, *map(state_of, (1, 2)))
    rng = np.random.default_rng(0)
    files = [path.relative_to(root) for path in files_of(root / "2")]
    assert len(files) > 5
    # nothing is written to the rest of a copy
    copy = shutil.copytree(root, tmp_path / "copy")
    damaged = 0
    for file in places * files:
        size = (copy / file).stat().st_size
        where = int(rng.integers(size)), int(rng.integers(8))
        flip(copy / file, *where)
        capfd.readouterr()
        restored = restore(copy, state_of(0))
        gc.collect()  # asyncio speaks when its tasks are collected
        out, err = capfd.readouterr()
        assert_equal(restored, state_of(int(restored.step)))
        fell_back = int(restored.step) == 1
        assert out == ""
        assert err.count("\n") == fell_back, err
        assert err.startswith("checkpoint 2 is damaged (" * fell_back)
        damaged += fell_back
        flip(copy / file, *where)  # as it was
    assert places * 2 < damaged < places * len(files)
    assert_equal(restore(copy, state_of(0)), state_of(2))


@pytest.mark.parametrize(
    "gone", ["*", "_CHECKPOINT_METADATA", "state", "state/_METADATA", "state/d"]
)
def test_files_that_are_gone_are_one_line_with_a_reason(root, capfd, gone):
    save(root, *map(state_of, (1, 2)))
    for path in list((root / "2").glob(gone)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert int(restore(root, state_of(0)).step) == 1
    gc.collect()
    said = capfd.readouterr().err
    assert re.match(r"checkpoint 2 is damaged \(\w+: .+\)\n$", said)


def test_a_folder_that_is_gone_or_full_is_not_made_anew(root, monkeypatch):
    with Checkpoints(root, 0) as checkpoints:
        checkpoints.save(state_of(1))
    with Checkpoints(root, 1) as checkpoints:
        with monkeypatch.context() as patched:
            room = types.SimpleNamespace(free=1000)
            patched.setattr(checkpoint.shutil, "disk_usage", lambda path: room)
            with pytest.raises(OSError, match="No space left on device") as raised:
                checkpoints.save(state_of(2))
        assert raised.value.filename == str(root)
        root.rename(root.with_name("elsewhere"))
        with pytest.raises(FileNotFoundError):
            checkpoints.save(state_of(2))
        assert not root.exists()
        root.write_text("")
        with pytest.raises(NotADirectoryError):
            checkpoints.save(state_of(2))
        assert checkpoints.latest == 1
    assert saved_steps(root.with_name("elsewhere")) == [1]


def test_without_a_whole_checkpoint_nothing_is_restored(root):
    save(root, *map(state_of, (1, 2)))
    damage(root, 1)
    damage(root, 2)
    with pytest.raises(UsageError, match=r"no checkpoint in .* can be read"):
        restore(root, state_of(0))
    assert saved_steps(root) == [1, 2]


def test_unfinished_checkpoints_do_not_count(root):
    save(root, state_of(1))
    (root / "2.orbax-checkpoint-tmp").mkdir()
    assert saved_steps(root) == [1]
    assert saved_steps(root / "nowhere") == []


# In a run


FLAGS = (
    "--config.steps=12",
    "--config.log_every=1",
    "--config.checkpoint_every=6",
    "--config.sample_every=100",
)


def test_a_run_with_a_damaged_checkpoint_ends_as_if_it_were_whole(gan, small, tmp_path):
    flags = (*small, *FLAGS, f"--workdir={tmp_path}/run")
    checkpoints = tmp_path / "run" / "checkpoints"
    assert gan(*flags).status == 0
    logged = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    crcs = crc_of(checkpoints, 12)
    damage(checkpoints, 12)
    outcome = gan(*flags)
    assert outcome.status == 0
    assert "checkpoint 12 is damaged" in outcome.err
    assert "resumes from step 6" in outcome.err
    assert crc_of(checkpoints, 12) == crcs
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == logged
    assert saved_steps(checkpoints) == [6, 12]
    assert saved_steps(tmp_path / "run" / "checkpoints-set-aside") == [12]
    assert "already trained to step 12" in gan(*flags).err


def crc_of(checkpoints, step):
    """The checksums of the leaves of a checkpoint that can be loaded."""
    return checkpoint.checksums(gan_jax.load(checkpoints.parent, step).state)


def test_a_run_without_a_whole_checkpoint_is_not_begun_anew(gan, small, tmp_path):
    flags = (*small, *FLAGS, f"--workdir={tmp_path}/run")
    checkpoints = tmp_path / "run" / "checkpoints"
    assert gan(*flags).status == 0
    logged = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    for step in saved_steps(checkpoints):
        damage(checkpoints, step)
    outcome = gan(*flags, "--config.steps=20")
    assert outcome.status == 2
    assert "no checkpoint in" in outcome.error
    assert "can be read" in outcome.error
    assert saved_steps(checkpoints) == [6, 12]
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == logged
