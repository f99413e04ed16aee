"""Growing networks: PGGAN's and StyleGAN's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax import layers
from gan_jax.errors import UsageError
from gan_jax.layers.resampling import smooth, upsample
from gan_jax.models import pggan, stylegan
from gan_jax.models.stylegan import Epilogue

KEY = jax.random.key(0)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def shapes(module, *shape):
    """The parameters of a module, without computing them."""
    x = jax.ShapeDtypeStruct(shape, "float32")
    return jax.eval_shape(functools.partial(module.init, KEY), x)["params"]


def counts(params):
    """Of each layer, by its name."""
    sizes = jax.tree.map(lambda leaf: leaf.size, params)
    return {name: sum(jax.tree.leaves(of)) for name, of in sizes.items()}


def filled(module, *shape):
    """Parameters of a module, normal, without initialisers to compile."""
    like = shapes(module, *shape)
    leaves, tree = jax.tree.flatten(like)
    return tree.unflatten([normal(i, *leaf.shape) for i, leaf in enumerate(leaves)])


# --- sizes ---------------------------------------------------------------------------


def without_smaller_images(params, size):
    """Parameters in all but what turns smaller images from and into colours."""
    return sum(
        count
        for name, count in counts(params).items()
        if not name.endswith("image") or name == f"{size}x{size}_image"
    )


def test_published_numbers_of_parameters_at_1024_pixels():
    """Table 2 of the paper, layer by layer and in all: 23.1 million each."""
    G = shapes(pggan.Generator((1024, 1024, 3)), 2, 512)
    D = shapes(pggan.Discriminator(), 4, 1024, 1024, 3)
    table = {
        "4x4": (4.2e6, 2.4e6),
        "8x8": (2.4e6, 2.4e6),
        "16x16": (2.4e6, 2.4e6),
        "32x32": (2.4e6, 2.4e6),
        "64x64": (1.2e6, 590e3),
        "128x128": (295e3, 148e3),
        "256x256": (74e3, 37e3),
        "512x512": (18e3, 9.2e3),
        "1024x1024": (4.6e3, 2.3e3),
    }
    for size, of_generator in table.items():
        for which, published in enumerate(of_generator):
            layer = (
                "ConvTranspose_0" if (size, which) == ("4x4", 0) else f"{size}_{which}"
            )
            found = counts(G)[layer]
            assert found == pytest.approx(published, rel=0.03), (size, which)
            if size != "4x4":
                mirrored = counts(D)[f"{size}_{1 - which}"]
                assert mirrored == pytest.approx(published, rel=0.03), (size, which)
    assert counts(G)["1024x1024_image"] == 51
    assert counts(D)["1024x1024_image"] == 64
    assert (counts(D)["4x4_0"], counts(D)["dense"]) == (512 * 513 * 9 + 512, 4_194_816)
    assert counts(D)["score"] == 513
    for params in (G, D):
        assert round(without_smaller_images(params, 1024) / 1e5) == 231


def test_the_published_number_of_stylegan_at_1024_pixels():
    """26.2 million, of which the mapping and the styles are what PGGAN has not."""
    G = counts(shapes(stylegan.Generator((1024, 1024, 3)), 2, 512))
    smaller = sum(
        count
        for name, count in G.items()
        if name.startswith("to_image") and name != "to_image_8"
    )
    assert round((sum(G.values()) - smaller) / 1e5) == 262
    assert G["mapping_network"] == 8 * (512 * 512 + 512)
    D, plain = (
        shapes(models.Discriminator(), 4, 64, 64, 3) for models in (stylegan, pggan)
    )
    assert jax.tree.map(jnp.shape, D) == jax.tree.map(jnp.shape, plain)


@pytest.mark.parametrize("models", [pggan, stylegan])
def test_every_size_and_every_level(models):
    for size in (8, 16, 256):
        G = models.Generator((size, size, 2), channel_base=64, channel_max=4)
        D = models.Discriminator(channel_base=64, channel_max=4)
        z = jax.ShapeDtypeStruct((5, 6), "float32")
        x, _ = jax.eval_shape(functools.partial(G.init_with_output, KEY), z)
        assert x.shape == (5, size, size, 2)
        x = jax.ShapeDtypeStruct((4, size, size, 2), "float32")
        scores, _ = jax.eval_shape(functools.partial(D.init_with_output, KEY), x)
        assert scores.shape == (4,)
    for shape in ((28, 28, 1), (32, 16, 1), (2, 2, 1), (64,)):
        with pytest.raises(UsageError, match="square images of 4, 8") as error:
            shapes(models.Generator(shape), 2, 6)
        assert "\n" not in str(error.value)


# --- equalised learning rates --------------------------------------------------------


def weights_of(module, *shape):
    """The `weight` of every layer with a kernel, by the name of the layer."""
    found = {}

    def note(call, args, kwargs, context):
        if hasattr(context.module, "weight") and context.method_name == "__call__":
            found["/".join(context.module.path)] = context.module.weight
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        params = shapes(module, *shape)
    kernels = {
        jax.tree_util.keystr(path[:-1], simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(params)
        if "kernel" in jax.tree_util.keystr(path)
    }
    assert set(found) == kernels
    return found


def test_every_kernel_has_an_equalised_rate_and_the_gain_of_what_follows():
    small = {"channel_base": 64, "channel_max": 4}
    he = layers.equalised(gain=2**0.5)
    for name, weight in weights_of(pggan.Generator((16, 16, 3), **small), 2, 6).items():
        assert weight == (layers.equalised() if name.endswith("image") else he), name
    for models in (pggan, stylegan):
        D = models.Discriminator(**small)
        for name, weight in weights_of(D, 4, 16, 16, 3).items():
            assert weight == (layers.equalised() if name == "score" else he), name
    G = stylegan.Generator((16, 16, 3), dim=6, depth=2, **small)
    for name, weight in weights_of(G, 2, 6).items():
        if name.startswith("mapping"):
            assert weight.rate == 0.01, name
        else:
            colour_or_style = name.startswith("to_image") or name.endswith("style")
            assert weight == (layers.equalised() if colour_or_style else he), name


# --- fades ---------------------------------------------------------------------------

SMALL = {"channel_base": 32, "channel_max": 4}
GENERATORS = {
    "pggan": pggan.Generator((16, 16, 2), **SMALL),
    "stylegan": stylegan.Generator((16, 16, 2), dim=6, depth=1, **SMALL),
}
DISCRIMINATORS = {
    "pggan": pggan.Discriminator(**SMALL),
    "stylegan": stylegan.Discriminator(**SMALL),
}


ASKED = ((0.0, 0), (0.0, 1), (0.4, 1), (1.0, 1), (1.0, 2), (1.3, 2), (2.0, 2))


def at_levels(module, params, inputs, **how):
    """What a network of three levels gives, by (level, fading), of one program."""
    asked = *ASKED, *((level, None) for level, _ in ASKED)

    @jax.jit
    def run(params):
        variables = {"params": params}
        return [
            module.apply(variables, inputs, level=level, fading=fading, **how)
            for level, fading in asked
        ]

    return dict(zip(asked, run(params), strict=True))


def assert_fades(found):
    def same(a, b):
        np.testing.assert_allclose(found[a], found[b], rtol=1e-5, atol=1e-6)

    for key in ((0.0, 0), (0.4, 1), (1.0, 1), (1.3, 2), (2.0, 2)):
        same(key, (key[0], None))
    same((0.0, 1), (0.0, 0))
    same((1.0, 2), (1.0, 1))
    for a, b in (((0.0, 0), (1.0, 1)), ((1.0, 1), (2.0, 2)), ((0.0, 0), (0.4, 1))):
        assert np.abs(found[a] - found[b]).max() > 1e-3


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_fades_from_the_enlarged_lower_level_to_the_new_one(name):
    module, z = GENERATORS[name], normal(1, 2, 6)
    params, how = filled(module, *z.shape), {}
    if name == "stylegan":
        z, how = normal(1, 2, 6, 6), {"method": "synthesis"}
    found = at_levels(module, params, z, **how)
    assert_fades(found)
    mixture = 0.6 * found[0.0, 0] + 0.4 * found[1.0, 1]
    np.testing.assert_allclose(found[0.4, 1], mixture, rtol=1e-5, atol=1e-5)
    for level, times in ((0, 4), (1, 2)):
        image = np.asarray(found[level, level])
        small = image[:, ::times, ::times]
        np.testing.assert_array_equal(image, small.repeat(times, 1).repeat(times, 2))


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_fades_alike(name):
    x = normal(2, 4, 16, 16, 2)
    module = DISCRIMINATORS[name]
    assert_fades(at_levels(module, filled(module, *x.shape), x))


# --- StyleGAN's parts ----------------------------------------------------------------


def test_an_epilogue_is_noise_a_bias_a_leaky_relu_a_norm_and_a_style():
    x, w = normal(3, 2, 4, 4, 3), normal(4, 2, 5)
    like = jax.eval_shape(Epilogue().init, KEY, x, w)["params"]
    params = jax.tree.map(lambda leaf: normal(leaf.size, *leaf.shape), like)
    quiet = params | {"Noise_0": jax.tree.map(jnp.zeros_like, params["Noise_0"])}
    found = Epilogue().apply({"params": quiet}, x, w)
    h = np.asarray(x) + np.asarray(params["bias"])
    h = np.where(h > 0, h, 0.2 * h)
    h = h - h.mean((1, 2), keepdims=True)
    h = h / np.sqrt((h**2).mean((1, 2), keepdims=True) + 1e-8)
    style = np.asarray(w) @ np.asarray(params["style"]["kernel"]) / np.sqrt(5)
    style = (style + np.asarray(params["style"]["bias"]))[:, None, None]
    np.testing.assert_allclose(
        found, h * (1 + style[..., :3]) + style[..., 3:], rtol=1e-4, atol=1e-5
    )
    # noise comes before what normalises it: an image of it alone has deviation 1
    loud = params | {"Noise_0": {"strength": jnp.full(3, 1e6)}}
    loud["style"] = jax.tree.map(jnp.zeros_like, params["style"])
    found = np.asarray(Epilogue().apply({"params": loud}, x, w))
    np.testing.assert_allclose(found.std((1, 2)), 1, rtol=1e-3)


def test_a_constant_of_ones_and_two_styles_a_level():
    G = GENERATORS["stylegan"]
    params = jax.jit(G.init)(KEY, normal(5, 2, 6))["params"]
    np.testing.assert_array_equal(params["constant"], np.ones((4, 4, 4)))
    strengths = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if "strength" in jax.tree_util.keystr(path)
    ]
    assert len(strengths) == 6
    assert not np.any(np.concatenate(strengths))
    for fading, count in ((0, 2), (1, 4), (None, 6)):
        w = jax.eval_shape(
            lambda z, fading=fading: G.apply(
                {"params": params}, z, fading=fading, method="mapping"
            ),
            normal(5, 2, 6),
        )
        assert w.shape == (2, count, 6)


def test_the_filter_is_1_2_1_and_keeps_what_is_even_inside():
    x = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(16.0)
    line = np.array([1, 2, 1])
    found = np.asarray(smooth(x))[0, 1:4, 1:4, 0]
    np.testing.assert_array_equal(found, np.outer(line, line))
    np.testing.assert_array_equal(smooth(upsample(x)).sum(), 4 * 16)
