"""Self-attention: each pixel of an image gathers what it needs of all of them."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UsageError
from gan_jax.layers.affine import Conv
from gan_jax.layers.pooling import max_pool
from gan_jax.layers.weights import plain


class SelfAttention(nn.Module):
    """x + scale * o(x), of images x [n, h, w, c] (Zhang et al. 2019, SAGAN, eq. 1-3).

    Place i gathers the values of places j, each by its share, softmax_j <query_i,
    key_j>; o makes c channels of what is gathered. Queries and keys have c / 8
    channels, values c / 2. All are 1 x 1 convolutions without biases; keys and values
    are max-pooled 2 x 2, as in the authors' code. `scale` is learned from 0, where the
    layer does nothing: a network begins with what is near.
    """

    kernel_init: nn.initializers.Initializer = nn.initializers.glorot_uniform()
    weight: Callable[[nn.Module, Any], Any] = plain

    @nn.compact
    def __call__(self, x):
        few, half = max(1, x.shape[-1] // 8), max(1, x.shape[-1] // 2)
        conv = functools.partial(
            Conv,
            kernel=1,
            use_bias=False,
            kernel_init=self.kernel_init,
            weight=self.weight,
        )

        def places(h):
            return h.reshape(len(h), -1, h.shape[-1])

        queries = places(conv(few, name="query")(x))
        keys = places(max_pool(conv(few, name="key")(x), 2, 2))
        values = places(max_pool(conv(half, name="value")(x), 2, 2))
        wide = {"preferred_element_type": jnp.float32}  # the softmax, too, in float32
        shares = nn.softmax(jnp.einsum("nqc,nkc->nqk", queries, keys, **wide))
        gathered = jnp.einsum("nqk,nkc->nqc", shares.astype(x.dtype), values)
        gathered = gathered.reshape(*x.shape[:-1], half)
        scale = self.param("scale", nn.initializers.zeros, ())
        return x + scale * conv(x.shape[-1], name="output")(gathered)


def require_sizes(network: str, attention: Iterable[int], sizes: Iterable[int]) -> None:
    """Raises UsageError for attention at a size that a network does not pass.

    sizes: of its images after each block, in pixels
    """
    for size in attention:
        if size not in sizes:
            raise UsageError(
                f"{network}: attention={size}, but after its blocks images have "
                f"{', '.join(map(str, sizes))} pixels a side"
            )
