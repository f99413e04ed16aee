"""Normalisers of activations x [n, .., channels].

Statistics are float32, and so is all inside; the output has the type of x. Statistics
are vectors that `spread` lays over x: with the broadcast shapes of flax, XLA does not
see that two equal passes of a generator are equal, and runs both.
"""

import math
from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gan_jax.errors import UsageError

NormName = Literal["none", "batch", "layer", "instance", "group", "pixel"]


def spread(statistics, x, *axes):
    """Statistics along some axes of x, the same along all others: the shape of x."""
    axes = tuple(axis % x.ndim for axis in axes)
    return lax.broadcast_in_dim(statistics, x.shape, axes)


def batch_statistics(layer, x, train):
    """Mean and variance [channels] of x [.., channels]: of the batch if `train`.

    Otherwise the running ones, which `layer`, of a `momentum`, keeps. Returns x, too,
    ready to be normalised.
    """
    channels = x.shape[-1:]
    running_mean = layer.variable("batch_stats", "mean", jnp.zeros, channels)
    running_var = layer.variable("batch_stats", "var", jnp.ones, channels)
    if not train:
        return x, running_mean.value, running_var.value
    # read by three passes over memory, which are not to make it anew
    x = lax.optimization_barrier(x).astype(jnp.float32)
    axes = tuple(range(x.ndim - 1))
    shift = _far_from_zero(x, axes)
    shifted = x - spread(shift, x, -1)
    rest = jnp.mean(shifted, axes)
    var = jnp.maximum(0.0, jnp.mean(jnp.square(shifted), axes) - jnp.square(rest))
    mean = shift + rest
    if not layer.is_initializing():
        old = layer.momentum
        running_mean.value = old * running_mean.value + (1 - old) * mean
        running_var.value = old * running_var.value + (1 - old) * var
    return x, mean, var


def _far_from_zero(x, axes):
    """About the mean of channels that deviate little from it, else 0, [channels].

    E[x^2] - E[x]^2 takes one pass, but of 1,000 +- 1 a sixth of it is rounding; less
    about the mean, nothing cancels. The middle row of each image tells enough, and is
    on every device.
    """
    few = lax.stop_gradient(x[:, x.shape[1] // 2] if x.ndim > 2 else x)
    axes = axes[: few.ndim - 1]
    mean = jnp.mean(few, axes)
    var = jnp.mean(jnp.square(few), axes) - jnp.square(mean)
    return jnp.where(jnp.square(mean) > 1e4 * var, mean, 0.0)


class BatchNorm(nn.Module):
    """Batch norm: `nn.BatchNorm` with momentum 0.9.

    Statistics turn into one factor and one shift a channel before they meet x. Without
    `use_scale` and `use_bias` it learns nothing.
    """

    epsilon: float = 1e-5
    momentum: float = 0.9
    use_scale: bool = True
    use_bias: bool = True

    @nn.compact
    def __call__(self, x, train):
        """x [.., channels] by the statistics of the batch if `train`, or running."""
        dtype, channels = x.dtype, x.shape[-1:]
        x, mean, var = batch_statistics(self, x, train)
        factor = lax.rsqrt(var + self.epsilon)
        if self.use_scale:
            factor = self.param("scale", nn.initializers.ones, channels) * factor
        y = (x - spread(mean, x, -1)) * spread(factor, x, -1)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, channels)
            y = y + spread(bias.astype(jnp.float32), x, -1)
        return y.astype(dtype)


def standardised(x, groups, epsilon=1e-5):
    """x [n, .., channels], float32, of mean 0 and variance 1 in every group.

    A group is one example's pixels in one of `groups` equal parts of the channels.
    """
    grouped = x.astype(jnp.float32).reshape(*x.shape[:-1], groups, -1)
    axes = (*range(1, x.ndim - 1), x.ndim)
    mean = jnp.mean(grouped, axes)
    centred = grouped - spread(mean, grouped, 0, -2)
    factor = lax.rsqrt(jnp.mean(jnp.square(centred), axes) + epsilon)
    return (centred * spread(factor, grouped, 0, -2)).reshape(x.shape)


def _affine(layer, y, dtype, scale_init=nn.initializers.ones):
    """y with a learned factor, from 1, and shift, from 0, for each channel."""
    scale = layer.param("scale", scale_init, y.shape[-1:])
    bias = layer.param("bias", nn.initializers.zeros, y.shape[-1:])
    scale, bias = scale.astype(jnp.float32), bias.astype(jnp.float32)
    return (y * spread(scale, y, -1) + spread(bias, y, -1)).astype(dtype)


class LayerNorm(nn.Module):
    """Layer norm (Ba et al. 2016): statistics of an example, affine by channel.

    Of images the statistics are those of all pixels and channels, as in WGAN-GP.
    """

    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x):
        return _affine(self, standardised(x, 1, self.epsilon), x.dtype)


class InstanceNorm(nn.Module):
    """Instance norm (Ulyanov et al. 2016): statistics of each channel of an image."""

    epsilon: float = 1e-5
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x):
        if x.ndim < 3:
            raise UsageError("instance norm needs images: of vectors it leaves nothing")
        y = standardised(x, x.shape[-1], self.epsilon)
        return _affine(self, y, x.dtype, self.scale_init)


class GroupNorm(nn.Module):
    """Group norm (Wu and He 2018): statistics of `groups` parts of the channels.

    Raises UsageError where the channels do not divide into as many.
    """

    groups: int = 32
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x):
        if x.shape[-1] % self.groups:
            raise UsageError(
                f"group norm: {x.shape[-1]} channels do not divide into {self.groups} "
                "groups"
            )
        return _affine(self, standardised(x, self.groups, self.epsilon), x.dtype)


class PixelNorm(nn.Module):
    """Each pixel's channels over their root mean square (Karras et al. 2018, 4.2).

    Of vectors, such as latents [n, d], each is a pixel.
    """

    epsilon: float = 1e-8

    def __call__(self, x):
        wide = x.astype(jnp.float32)
        factor = lax.rsqrt(jnp.mean(jnp.square(wide), -1) + self.epsilon)
        return (wide * spread(factor, x, *range(x.ndim - 1))).astype(x.dtype)


class MinibatchStd(nn.Module):
    """x with `features` more channels: how much the examples of a group differ.

    Karras et al. (2018), section 3: the standard deviation over the group of each
    activation, averaged over pixels and, for each feature, over its part of the
    channels. A batch of fewer than `group` examples is one group. Examples i and
    i + n / group are of one group, as in the authors' code, which refuses a batch that
    does not divide into groups; here its first examples fill it up.

    Raises UsageError where the channels do not divide into features.
    """

    group: int = 4
    features: int = 1

    def __call__(self, x):
        n, channels = len(x), x.shape[-1]
        if channels % self.features:
            raise UsageError(
                f"minibatch deviation: {channels} channels do not divide into "
                f"{self.features} features"
            )
        group = min(self.group, n)
        filled = jnp.concatenate([x, x[: -n % group]]) if n % group else x
        parts = filled.astype(jnp.float32).reshape(
            group, -1, *x.shape[1:-1], self.features, channels // self.features
        )
        centred = parts - spread(jnp.mean(parts, 0), parts, *range(1, parts.ndim))
        deviation = jnp.sqrt(jnp.mean(jnp.square(centred), 0) + 1e-8)
        axes = (*range(1, deviation.ndim - 2), deviation.ndim - 1)
        told = jnp.tile(jnp.mean(deviation, axes), (group, 1))[:n].astype(x.dtype)
        shape = (*x.shape[:-1], self.features)
        told = lax.broadcast_in_dim(told, shape, (0, x.ndim - 1))
        return jnp.concatenate([x, told], -1)


def normalise(name: NormName, x, train):
    """x through the normaliser called `name`, in a compact method of a network.

    "group" is by 32 groups, or by as many of them as divide the channels. Raises
    UsageError for an unknown one.
    """
    match name:
        case "none":
            return x
        case "batch":
            return BatchNorm()(x, train)
        case "layer":
            return LayerNorm()(x)
        case "instance":
            return InstanceNorm()(x)
        case "group":
            return GroupNorm(math.gcd(32, x.shape[-1]))(x)
        case "pixel":
            return PixelNorm()(x)
    raise UsageError(
        f"norm {name!r}; accepted are none, batch, layer, instance, group, pixel"
    )


def shifts(name: NormName) -> bool:
    """Whether it ends with a learned shift, which makes a bias before it needless."""
    return name not in ("none", "pixel")
