"""Self-attention, against the same by loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import layers
from gan_jax.errors import UsageError
from gan_jax.layers.attention import require_sizes

SHAPE, CHANNELS = (2, 6, 4, 16), {"query": 2, "key": 2, "value": 8}


@pytest.fixture(scope="module")
def layer():
    """(params, x), and (params, x) -> x, and its gradients."""
    module = layers.SelfAttention()
    rng = np.random.default_rng(0)
    like = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros(SHAPE))["params"]
    params = jax.tree.map(lambda leaf: jnp.float32(rng.normal(size=leaf.shape)), like)
    x = jnp.float32(rng.normal(size=SHAPE))

    @jax.jit
    def apply(params, x):
        def total(params):
            y = module.apply({"params": params}, x)
            return jnp.vdot(jnp.sin(y), jnp.arange(y.size).reshape(y.shape)), y

        (_, y), grads = jax.value_and_grad(total, has_aux=True)(params)
        return y, grads

    return params, x, apply


def pooled(h):
    """The maxima of 2 x 2 places."""
    n, height, width, channels = h.shape
    return h.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def by_loops(params, x):
    kernels = {name: np.float64(params[name]["kernel"][0, 0]) for name in CHANNELS}
    assert {name: w.shape for name, w in kernels.items()} == {
        name: (SHAPE[-1], few) for name, few in CHANNELS.items()
    }
    found = np.empty(x.shape)
    for n, image in enumerate(np.float64(x)):
        query = image @ kernels["query"]
        key, value = (pooled((image @ kernels[k])[None])[0] for k in ("key", "value"))
        for i in np.ndindex(image.shape[:2]):
            places = list(np.ndindex(key.shape[:2]))
            weights = np.exp([query[i] @ key[j] for j in places])
            gathered = sum(w * value[j] for w, j in zip(weights, places, strict=True))
            found[(n, *i)] = gathered / weights.sum() @ params["output"]["kernel"][0, 0]
    return x + params["scale"] * found


def test_it_is_attention_to_all_places(layer):
    params, x, apply = layer
    y, _ = apply(params, x)
    np.testing.assert_allclose(y, by_loops(params, x), rtol=1e-4, atol=1e-4)
    assert np.abs(y - x).max() > 0.1


def test_at_first_it_does_nothing_and_learns_its_scale_alone(layer):
    params, x, apply = layer
    start = layers.SelfAttention().init(jax.random.key(0), x)["params"]["scale"]
    y, grads = apply(params | {"scale": start}, x)
    np.testing.assert_array_equal(y, x)
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
        assert bool(np.any(leaf)) == ("scale" in jax.tree_util.keystr(path)), path


def test_any_weight_makes_its_kernels():
    module = layers.SelfAttention(weight=layers.spectral)
    found = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros(SHAPE))
    vectors = {name: layer["u"].shape for name, layer in found["spectral"].items()}
    assert vectors == {name: (n,) for name, n in (CHANNELS | {"output": 16}).items()}


def test_a_size_that_is_not_passed_is_named():
    require_sizes("net", (8,), [8, 16])
    with pytest.raises(UsageError, match=r"net: attention=32, but .* 8, 16 pixel"):
        require_sizes("net", (8, 32), [8, 16])
