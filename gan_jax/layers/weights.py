"""What a layer's kernel is made of: functions (layer, parameter) -> kernel.

The attribute `weight` of the layers. A kernel has its units, the layer's outputs, along
`layer.unit_axis`. All is computed in float32; kernels have the type of the parameter.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gan_jax.errors import UsageError
from gan_jax.layers.norms import spread

WeightName = Literal["plain", "spectral", "weight_norm", "equalised"]


def plain(layer: nn.Module, kernel):
    """The parameter as it is."""
    return kernel


def spectral(layer: nn.Module, kernel):
    """The parameter over its largest singular value (Miyato et al. 2018, Algorithm 1).

    The kernel counts as the matrix W [inputs, units]; sigma = v W u, by one power
    iteration from the vector u [units] of the collection "spectral". u moves on where
    that collection is mutable, in training; elsewhere the same kernel comes from the
    same variables. Of u only the direction counts: an average of several will do.
    """

    def unit(vector):
        return vector / (jnp.linalg.norm(vector) + 1e-12)  # as in the authors' code

    def start():
        key = layer.make_rng("params")
        return unit(jax.random.normal(key, (kernel.shape[layer.unit_axis],)))

    def product(a, b):  # sigma is no place for a network's coarser products
        return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)

    wide = kernel.astype(jnp.float32)
    w = jnp.moveaxis(wide, layer.unit_axis, -1).reshape(-1, wide.shape[layer.unit_axis])
    kept = layer.variable("spectral", "u", start)
    v = unit(product(lax.stop_gradient(w), kept.value))
    vw = product(v, w)
    u = unit(lax.stop_gradient(vw))
    if layer.is_mutable_collection("spectral") and not layer.is_initializing():
        kept.value = u
    return (wide / product(vw, u)).astype(kernel.dtype)


def weight_norm(layer: nn.Module, kernel):
    """The parameter's direction times a learned length for each unit.

    Salimans and Kingma (2016), eq. 2. The parameter "gain" [units] starts from the
    parameter's own norms, so that a layer starts like a plain one.
    """
    return _with_lengths(
        layer, kernel, lambda norm: layer.param("gain", lambda key: norm)
    )


def _with_lengths(layer, kernel, lengths):
    """The kernel, each unit of some length: lengths(norms [units]) -> [units]."""
    axis = layer.unit_axis % kernel.ndim
    wide = kernel.astype(jnp.float32)
    others = tuple(i for i in range(kernel.ndim) if i != axis)
    norm = jnp.sqrt(jnp.sum(jnp.square(wide), others))
    return (wide * spread(lengths(norm) / norm, wide, axis)).astype(kernel.dtype)


def of_length(length: float, learned: bool = False):
    """A `weight` of layers: of each unit's weights, the direction times `length`.

    If `learned`, the lengths are the parameter "gain" [units], and start from there.
    """

    def weight(layer, kernel):
        def lengths(norm):
            if not learned:
                return length
            return layer.param("gain", nn.initializers.constant(length), norm.shape)

        return _with_lengths(layer, kernel, lengths)

    return weight


@dataclasses.dataclass(frozen=True)
class equalised:
    """The parameter times gain / sqrt(fan_in), its learning rate equalised.

    Karras et al. (2018), section 4.1: every parameter starts from N(0, 1), whatever
    initialiser the layer has, and He's constant comes at every pass, so that an
    optimizer that takes steps of one size takes equal ones beside every kernel.

    gain: of the activation that follows; sqrt(2) for ReLU and its like
    rate: factor of the learning rate of kernel and bias in effect, 0.01 in StyleGAN's
          mapping (Karras et al. 2019): both are `rate` times their parameters, which
          start as much larger
    """

    gain: float = 1.0
    rate: float = 1.0

    def __call__(self, layer: nn.Module, kernel):
        fan_in = kernel.size // kernel.shape[layer.unit_axis]
        return kernel * (self.gain * self.rate / fan_in**0.5)

    @property
    def kernel_init(self) -> nn.initializers.Initializer:
        return nn.initializers.normal(1 / self.rate)

    @property
    def bias_rate(self) -> float:
        return self.rate


def weight(name: WeightName) -> Callable:
    """The weight called `name`; raises UsageError for an unknown one.

    "equalised" has the gain of ReLU and its like.
    """
    known = {
        "plain": plain,
        "spectral": spectral,
        "weight_norm": weight_norm,
        "equalised": equalised(gain=2**0.5),
    }
    if name not in known:
        raise UsageError(f"weight {name!r}; accepted are {', '.join(known)}")
    return known[name]
