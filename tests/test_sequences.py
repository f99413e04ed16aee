"""Signals, and the networks along a line that make and judge signals and text."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from test_main import refused

import gan_jax
from gan_jax import layers, pictures
from gan_jax.data import arrays, scaling, sines
from gan_jax.errors import UsageError
from gan_jax.metrics.case import Case, Real
from gan_jax.models import conv1d, wgan_gp_text

KEY = jax.random.key(0)
SIGNALS = np.random.default_rng(0).normal(3, [1, 5], (30, 8, 2)).astype(np.float32)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


# --- layers --------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [1, 4, 5])
def test_convolution_along_a_line_is_scipy_s_correlation(kernel):
    x, w, bias = normal(0, 2, 7, 2), normal(1, kernel, 2, 3), normal(2, 3)
    variables = {"params": {"kernel": w, "bias": bias}}
    y = layers.Conv1d(3, kernel).apply(variables, x)
    before = (kernel - 1) // 2
    padded = np.pad(x, ((0, 0), (before, kernel - 1 - before), (0, 0)))
    for row, features in zip(padded, y, strict=True):
        for o in range(3):
            line = scipy.signal.correlate(row, w[:, :, o], "valid")[:, 0] + bias[o]
            np.testing.assert_allclose(features[:, o], line, rtol=1e-5, atol=1e-5)


def test_pairs_make_strides_and_come_apart_again():
    x, w = normal(0, 3, 12, 2), normal(1, 3, 4, 5)
    np.testing.assert_array_equal(layers.out_of_pairs(layers.in_pairs(x)), x)
    layer = layers.Conv1d(5, 3, use_bias=False)
    y = layer.apply({"params": {"kernel": w}}, layers.in_pairs(x))
    expected = jax.lax.conv_general_dilated(
        x,
        w.reshape(6, 2, 5),
        window_strides=(2,),
        padding=[(2, 2)],
        dimension_numbers=("NWC", "WIO", "NWC"),
    )
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


# --- networks ------------------------------------------------------------------------


def shapes(module, *shape):
    x = jax.ShapeDtypeStruct(shape, "float32")
    return jax.eval_shape(functools.partial(module.init_with_output, KEY), x)


def count(module, *shape):
    return sum(p.size for p in jax.tree.leaves(shapes(module, *shape)[1]["params"]))


def test_the_authors_networks_for_text_by_their_parameters():
    blocks = 5 * 2 * (5 * 512 * 512 + 512)
    generator = wgan_gp_text.Generator((32, 100))
    first = (128 + 1) * 32 * 512
    assert count(generator, 2, 128) == first + blocks + (512 + 1) * 100
    discriminator = wgan_gp_text.Discriminator()
    last = 32 * 512 + 1
    assert count(discriminator, 2, 32, 100) == (100 + 1) * 512 + blocks + last


def test_the_authors_law_of_weights():
    discriminator = wgan_gp_text.Discriminator(width=48, blocks=1)
    params = discriminator.init(KEY, jnp.zeros((1, 16, 30)))["params"]
    first = {"Conv1d_0": params["Conv1d_0"]}  # a block has one of this name, too
    fans = {"Conv1d_0": 30 + 48, "Conv1d_1": 5 * 48 + 5 * 48}
    for name, fan in fans.items():
        bound = np.sqrt(3 * 4 / fan)
        kernel = np.asarray((params | params["Block_0"] | first)[name]["kernel"])
        assert 0.99 * bound < np.abs(kernel).max() <= bound
        np.testing.assert_allclose(kernel.std(), bound / np.sqrt(3), rtol=0.05)


def test_what_is_made_of_text_are_probabilities_and_blocks_add_little():
    generator = wgan_gp_text.Generator((6, 4), width=5, blocks=2)
    x, _ = generator.init_with_output(KEY, normal(0, 3, 7))
    np.testing.assert_allclose(x.sum(axis=-1), 1, rtol=1e-5)
    assert (x > 0).all()
    block = wgan_gp_text.Block()
    h = normal(1, 2, 6, 3)
    params = block.init(KEY, h)["params"]
    params["Conv1d_1"]["bias"] = jnp.ones(3)
    params["Conv1d_1"]["kernel"] = jnp.zeros((5, 3, 3))
    np.testing.assert_allclose(block.apply({"params": params}, h), h + 0.3, rtol=1e-5)


@pytest.mark.parametrize(("shape", "depth"), [((16, 1), 3), ((12, 3), 2)])
def test_signals_are_made_and_judged_at_any_length_that_halves(shape, depth):
    x, _ = shapes(conv1d.Generator(shape, 2, depth), 4, 5)
    assert x.shape == (4, *shape)
    scores, _ = shapes(conv1d.Discriminator(2, depth, norm="batch"), 4, *shape)
    assert scores.shape == (4,)
    counted = count(conv1d.Discriminator(2, 2), 4, 8, 1)
    assert counted == (6 + 1) * 2 + (12 + 1) * 4 + 2 * 4 + 1


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (conv1d.Generator((12, 1)), (2, 5)),
        (conv1d.Generator((8, 8, 1)), (2, 5)),
        (conv1d.Discriminator(), (2, 9, 1)),
        (conv1d.Discriminator(), (2, 9)),
        (wgan_gp_text.Generator((8, 8, 1)), (2, 5)),
        (wgan_gp_text.Discriminator(), (2, 8, 8, 1)),
    ],
)
def test_other_shapes_are_refused(network, shape):
    with pytest.raises(UsageError, match=r"takes signals|text"):
        shapes(network, *shape)


# --- data ----------------------------------------------------------------------------


def test_sines_are_sums_of_so_many_frequencies():
    source = sines.load(size=200, waves=2, slowest=3.0, fastest=3.0, length=32)
    assert (source.x.shape, source.x.dtype) == ((200, 32, 1), np.float32)
    draw = jax.jit(source.fresh, static_argnums=2)
    fresh = np.asarray(draw({}, KEY, (2, 100))).reshape(200, 32, 1)
    for x in (source.x, fresh):
        power = np.abs(np.fft.rfft(x[..., 0], axis=1))
        assert (power.argmax(axis=1) == 3).all()
        assert np.delete(power, 3, axis=1).max() < 1e-3
        assert np.abs(x).max() <= 1
        # two amplitudes of 1/2 to 1, in halves, at any phase: E a^2 = 7/12
        np.testing.assert_allclose(np.mean(x**2), 7 / 12 / 4, rtol=0.15)
    other = sines.load(size=200, split="test", length=32)
    assert not np.array_equal(other.x, sines.load(size=200, length=32).x)
    with pytest.raises(UsageError, match="fastest=1 is less than slowest=2"):
        sines.load(slowest=2.0, fastest=1.0)


def test_own_signals_with_and_without_channels(tmp_path):
    for x in (SIGNALS, SIGNALS[..., 0]):
        np.save(tmp_path / "x.npy", x)
        source = arrays.load(path=str(tmp_path / "x.npy"), signals=True)
        assert source.x.dtype == np.float32
        np.testing.assert_array_equal(source.x, x.reshape(30, 8, -1))
    np.save(tmp_path / "x.npy", np.zeros((4, 8, 8, 1)))
    with pytest.raises(UsageError, match=r"data\.signals=true, signals"):
        arrays.load(path=str(tmp_path / "x.npy"), signals=True)


@pytest.mark.parametrize("x", [SIGNALS, SIGNALS[:, 0]])
def test_scalings_of_signals_are_by_channel_and_come_back(x):
    axes = tuple(range(x.ndim - 1))
    for scale in (scaling.standardised(), scaling.symmetric()):
        fitted = scale.fit(x)
        assert {np.shape(values) for values in fitted.values()} == {(2,)}
        seen = np.asarray(scale.apply(jnp.asarray(x), fitted))
        np.testing.assert_allclose(scale.invert(seen, fitted), x, rtol=1e-4, atol=1e-4)
        if "mean" in fitted:
            np.testing.assert_allclose(seen.mean(axis=axes), 0, atol=1e-5)
            np.testing.assert_allclose(seen.std(axis=axes), 1, rtol=1e-5)
        else:
            np.testing.assert_allclose(seen.min(axis=axes), -1, atol=1e-5)
            np.testing.assert_allclose(seen.max(axis=axes), 1, atol=1e-5)
    constant = np.ones((4, 2), np.float32)
    fitted = scaling.standardised().fit(constant)
    assert not np.asarray(scaling.standardised().apply(constant, fitted)).any()
    with pytest.raises(UsageError, match="images take symmetric"):
        scaling.standardised().fit(np.zeros((2, 4, 4, 1), np.uint8))


def test_signals_are_compared_as_vectors():
    case = Case(SIGNALS, None, Real("signals", SIGNALS[:20]))
    np.testing.assert_array_equal(case.features, SIGNALS.reshape(30, 16))
    np.testing.assert_array_equal(case.reference_features, SIGNALS[:20].reshape(20, 16))


# --- pictures and a run --------------------------------------------------------------


def test_curves_lie_in_their_cells():
    flat = np.zeros((2, 5, 1))
    flat[0] = 1.0
    picture = pictures.curves(flat, 1, 2, (-1.0, 2.0)).astype(int)
    blue = picture[..., 2] - picture[..., 0] > 60
    rows, columns = np.nonzero(blue)
    left = columns < picture.shape[1] / 2
    assert left.any()
    assert (~left).any()
    height = picture.shape[0]
    # 1 lies two thirds up, 0 one third
    assert abs(rows[left].mean() / height - 1 / 3) < 0.06
    assert abs(rows[~left].mean() / height - 2 / 3) < 0.06


def test_a_page_shows_its_lines_in_letters_of_one_width():
    def dark(*lines):
        return pictures.page(lines, 10) < 128

    assert not dark("", "").any()
    one = dark("$x_1$", "").any(axis=(1, 2))
    assert one[: len(one) // 2].any()
    assert not one[len(one) // 2 :].any()
    # no formula
    ends = [
        np.flatnonzero(dark(line, "").any(axis=(0, 2)))[-1]
        for line in ("SxS1S", "$x_1$")
    ]
    assert np.ptp(ends) <= 2
    assert dark("\u591c", "").shape == dark("SxS1S and more than ten", "").shape


def test_a_run_of_signals(gan, draw, judged, tmp_path):
    workdir = tmp_path / "run"
    np.save(tmp_path / "x.npy", SIGNALS)
    fields = (
        *("data.name=arrays", "data.signals=true", f"data.path={tmp_path}/x.npy"),
        *("data.split=train[:20]", "data.validation_split=train[20:]"),
        *("scaling.name=standardised", "generator.output=linear", "steps=1"),
        *("generator.widths=8", "discriminator.widths=8", "batch_size=4"),
        *("prior.dim=3", "sample_grid=2,3", "evaluate_every=1", "evaluate_samples=9"),
    )
    command = "--config=experiments/digits.py", f"--workdir={workdir}"
    outcome = gan(*command, *(f"--config.{field}" for field in fields))
    assert outcome.status == 0, outcome.err
    run = gan_jax.load(workdir)
    samples = run.sample(4)
    assert (samples.shape, samples.dtype) == ((4, 8, 2), np.float32)
    assert run.discriminate(samples).shape == (4,)
    assert run.metrics()["sliced_wasserstein"].shape == (1,)
    assert (workdir / "samples" / "00000001.png").is_file()
    with pytest.raises(UsageError, match="makes no text"):
        run.text(samples)
    for name in ("a.png", "a.npz", "a.gif"):
        walk = ["--interpolate"] * name.endswith("gif")
        out = f"--out={tmp_path}/{name}", "--num=3"
        assert draw(f"--workdir={workdir}", *out, *walk).status == 0
    here = f"--workdir={workdir}", "--samples=9"
    assert judged(*here, "--metrics=sliced_wasserstein,copying").status == 0
    assert judged(*here, "--real").status == 0
    for name in ("ngrams", "modes", "class_score", "stacked_modes"):
        outcome = judged(*here, f"--metrics={name}")
        assert outcome.status == 2, name
        assert len(outcome.err.strip().splitlines()) == 1, outcome.err
    refused(gan(*command, "--config.data.flip=true"), "another config")
