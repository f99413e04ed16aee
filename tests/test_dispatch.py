"""How training steps become programs: the same steps, however they are dispatched."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import some_slow

import gan_jax
from gan_jax import build
from gan_jax.config.files import load_experiment, override
from gan_jax.layers import convolution, plain_convolution
from gan_jax.loop import compiler, dispatch
from gan_jax.train_step import make_train_step

STEPS = (
    "--config.log_every=6",
    "--config.checkpoint_every=6",
    "--config.sample_every=6",
)


def learned(workdir):
    state = gan_jax.load(workdir).state
    return jax.tree.leaves((state.d.params, state.g.params, state.d.opt_state))


def test_many_steps_in_one_program_are_the_steps_one_by_one(gan, small, tmp_path):
    for most in (1, 4):
        flag = f"--config.steps_per_dispatch={most}"
        steps = "--config.steps=12"
        to = f"--workdir={tmp_path}/{most}"
        assert gan(*small, *STEPS, steps, flag, to).status == 0
    pairs = list(zip(learned(tmp_path / "1"), learned(tmp_path / "4"), strict=True))
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    logged = [gan_jax.load(tmp_path / name).metrics() for name in "14"]
    np.testing.assert_array_equal(logged[0]["step"], [6, 12])
    for name in ("d_loss", "g_grad_norm"):
        np.testing.assert_allclose(logged[0][name], logged[1][name], rtol=1e-4)


def test_where_a_run_of_many_steps_is_cut_changes_no_bit(gan, small, tmp_path):
    flags = *small, *STEPS, "--config.steps_per_dispatch=5"
    for name, ends in (("cut", (3, 7, 12)), ("whole", (12,))):
        for steps in ends:
            to = f"--workdir={tmp_path}/{name}"
            assert gan(*flags, f"--config.steps={steps}", to).status == 0
    pairs = zip(learned(tmp_path / "cut"), learned(tmp_path / "whole"), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


def test_a_loss_that_diverges_within_a_dispatch_is_found_at_its_step(
    gan, small, tmp_path
):
    flags = (
        "--config.d_optimizer.name=sgd",
        "--config.d_optimizer.learning_rate=1e6",
    )
    steps = []
    for n in 1, 6:  # every metric of every step is looked at, either way
        how = f"--config.steps_per_dispatch={n}", f"--config.log_every={n}"
        outcome = gan(*small, *STEPS, *flags, *how, f"--workdir={tmp_path}/{n}")
        assert outcome.status == 3
        steps.append(int(re.search(r"at step (\d+);", outcome.error).group(1)))
    assert steps[0] == steps[1]
    assert 1 < steps[0] < 6  # neither the first of the dispatch nor its last


def test_a_loop_over_convolutions_is_refused_on_a_cpu(gan, tmp_path):
    digits = np.zeros((32, 16, 16, 1), np.uint8)
    np.save(tmp_path / "images.npy", digits)
    outcome = gan(
        "--config.data.name=arrays",
        f"--config.data.path={tmp_path}/images.npy",
        "--config.generator.name=dcgan",
        "--config.generator.width=4",
        "--config.discriminator.name=dcgan",
        "--config.discriminator.width=4",
        "--config.batch_size=8",
        "--config.steps_per_dispatch=2",
        f"--workdir={tmp_path}/run",
    )
    assert outcome.status == 2
    assert "config.steps_per_dispatch=2" in outcome.error


def test_a_step_in_a_dispatch_of_its_own_is_the_default_on_a_cpu():
    config, _ = load_experiment("experiments/digits.py")
    assert dispatch._steps_per_dispatch(config, streams=False) == 1
    override(config, [("steps_per_dispatch", "7")])
    assert dispatch._steps_per_dispatch(config, streams=False) == 7


@pytest.fixture
def other_options(monkeypatch):
    """(oneDNN's, Eigen's) to be tried in place of the known ones."""

    def set_to(*options):
        monkeypatch.setattr(compiler, "_ONEDNN", options[0])
        monkeypatch.setattr(compiler, "_EIGEN", options[1])
        compiler._library.cache_clear()

    yield set_to
    monkeypatch.undo()
    compiler._library.cache_clear()


def test_options_that_a_compiler_does_not_know_are_left_out(other_options):
    unknown = {"xla_cpu_no_such_option": "1"}
    other_options(unknown, unknown)
    assert compiler._library() is None
    assert compiler.compiled(lambda x: x + 1)(jnp.ones(())) == 2


def test_options_known_but_without_their_library_are_left_out(other_options):
    without, others = {"xla_cpu_use_xnnpack": False}, {"xla_cpu_use_xnnpack": True}
    other_options(without, others)
    assert compiler._library() == others


def test_only_programs_with_large_convolutions_are_onednn_s():
    if compiler._library() is not compiler._ONEDNN:
        pytest.skip("this XLA has no convolutions of oneDNN")

    def convolve(x, w):
        return jax.lax.conv(x, w, (1, 1), "SAME"), jnp.dot(x[0, 0], x[0, 0])

    def multiply(x, w):
        return jnp.dot(x[0, 0], x[0, 0])

    w = jax.ShapeDtypeStruct((64, 64, 3, 3), "float32")
    large, small = (jax.ShapeDtypeStruct((n, 64, 32, 32), "float32") for n in (32, 1))
    texts = [
        compiler.compiled(function).lower(x, w).compile().as_text()
        for function, x in ((convolve, large), (convolve, small), (multiply, large))
    ]
    assert ["__onednn$convolution" in text for text in texts] == [True, False, False]
    assert "__onednn" not in texts[1] + texts[2]


def test_the_operations_of_convolutions_are_counted_wherever_they_are():
    x, w = jnp.ones((2, 8, 8, 4)), jnp.ones((3, 3, 4, 6))
    window = convolution.Window.over((8, 8), 3, 1, "SAME")

    @jax.jit
    def square(x, w):
        return convolution.to_features(x, w, window).sum() ** 2

    products = 2 * 8 * 8 * 6 * 3 * 3 * 4
    assert compiler.convolutions(square, x, w) == [2 * products]
    both = compiler.convolutions(jax.grad(square, (0, 1)), x, w)
    assert len(both) > 2
    assert min(both) == 2 * products
    members = compiler.convolutions(
        jax.vmap(square), *(jnp.stack([each] * 3) for each in (x, w))
    )
    assert members == [3 * 2 * products]
    assert compiler.convolutions(jnp.dot, x[0, 0], x[0, 0].T) == []


def test_zeros_between_strides_are_no_operations():
    y, w = jnp.ones((2, 4, 4, 6)), jnp.ones((4, 4, 3, 6))
    window = convolution.Window.over((8, 8), 4, 2, 1)

    def plain(y):
        return plain_convolution.to_image(y, w, window)

    assert compiler.convolutions(plain, y) == [2 * 2 * 4 * 4 * 6 * 4 * 4 * 3]


def test_the_options_change_the_library_and_not_the_result(monkeypatch):
    monkeypatch.setattr(compiler, "_LARGE", 1)
    options = compiler._library()
    if options is None:
        pytest.skip("this XLA has other options")
    key = jax.random.key(0)
    x, w = jax.random.normal(key, (4, 16, 16, 8)), jax.random.normal(key, (3, 3, 8, 8))
    window = convolution.Window.over((16, 16), 3, 1, "SAME")

    def convolve(x, w):
        return convolution.to_features(x, w, window)

    program = compiler.compiled(convolve).lower(x, w).compile().as_text()
    assert "ynn" not in program
    assert ("__onednn$convolution" in program) == (options == compiler._ONEDNN)
    assert "convolution" in program
    plain = jax.jit(convolve)(x, w)
    np.testing.assert_allclose(compiler.compiled(convolve)(x, w), plain, rtol=1e-4)


def products(config):
    """Matrix products and convolutions in the compiled step of an experiment."""
    shape = (28, 28, 1)
    built = build.build(config, {"shape": shape, "classes": ()}, None)
    state = build.initial_state(config, built)
    parts = built.game, built.d_tx, built.g_tx, built.schedule
    step = make_train_step(*parts, config.turns)
    program = jax.jit(step).lower(state, {"x": jnp.zeros((1, 8, *shape))}).compile()
    return len(re.findall(r"= \S+ (?:dot|convolution)\(", program.as_text()))


def test_simultaneous_turns_share_the_forward_passes():
    """Both need G's pass and D's on the fakes: compiled, each of them is there once."""
    config, _ = load_experiment("experiments/mnist_lsgan.py")
    override(config, [("generator.width", "4"), ("discriminator.width", "4")])
    alternating = products(config)
    override(config, [("turns", "simultaneous")])
    # G: two dense layers, two transposed convolutions of four kernel rows each on CPU;
    # D: two convolutions and two dense layers
    assert alternating - products(config) == (2 + 2 * 4) + 4


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize("name", some_slow(["digits", "mnist_lsgan"], quick=["digits"]))
def test_what_is_logged_changes_no_bit_of_the_state(gan, tmp_path, name):
    """Between the logs a program runs that computes less of what is only looked at."""
    np.save(
        tmp_path / "x.npy",
        np.random.default_rng(0).integers(256, size=(32, 28, 28, 1), dtype=np.uint8),
    )
    for every in (1, 3):
        outcome = gan(
            f"--config=experiments/{name}.py",
            f"--workdir={tmp_path}/{every}",
            "--config.data.name=arrays",
            f"--config.data.path={tmp_path}/x.npy",
            "--config.batch_size=8",
            "--config.steps=6",
            f"--config.log_every={every}",
        )
        assert outcome.status == 0, outcome.err
    pairs = zip(learned(tmp_path / "1"), learned(tmp_path / "3"), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    rows = [gan_jax.load(tmp_path / every).metrics() for every in "13"]
    assert rows[0]["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert rows[1]["step"].tolist() == [3, 6]
    np.testing.assert_array_equal(rows[0]["d_grad_norm"][2::3], rows[1]["d_grad_norm"])
