"""Layers that the networks share: a model's author needs `from gan_jax import layers`.

    affine        dense layers and convolutions; `weight` says what a kernel is made of
    sequences     convolution along a line
    weights       plain, spectral norm, weight norm, equalised learning rate
    norms         batch, layer, instance, group and pixel norm; minibatch deviation
    conditional   labels as further channels, as vectors, and in batch norm
    attention     self-attention
    heads         what a discriminator says: scores, projections, classes
    styles        StyleGAN's mapping of latents, and its noise
    modulated     StyleGAN2's convolution by a kernel that a style has scaled
    levels        images that grow
    activations, pooling, initialisers
    convolution   the three functions that convolutions and their derivatives are, of
                  `plain_convolution` or in the forms of `convolution_on_cpu`

The layers compute what their plain counterparts in flax and lax compute, in values and
in gradients of every order. They are written anew because XLA has slow paths on CPU
(see `convolution.py`), and since the plain ones in bfloat16 sum gradients of biases in
bfloat16: at 256, adding 1 changes nothing any more.
"""

from gan_jax.layers.activations import (
    ACTIVATIONS,
    activation,
    maxout,
    scaled_leaky_relu,
)
from gan_jax.layers.affine import (
    Conv,
    ConvTranspose,
    Dense,
    add_bias,
    bias_of,
    kernel_of,
)
from gan_jax.layers.attention import SelfAttention
from gan_jax.layers.conditional import (
    AdaptiveBatchNorm,
    ConditionalBatchNorm,
    Embedding,
    join,
    one_hot,
)
from gan_jax.layers.heads import Head, HeadName
from gan_jax.layers.initialisers import output_bias, uniform_or_glorot
from gan_jax.layers.norms import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MinibatchStd,
    NormName,
    PixelNorm,
    normalise,
    shifts,
    standardised,
)
from gan_jax.layers.pooling import max_pool, mean_pool
from gan_jax.layers.sequences import Conv1d, in_pairs, out_of_pairs
from gan_jax.layers.weights import (
    WeightName,
    equalised,
    plain,
    spectral,
    weight,
    weight_norm,
)

__all__ = [
    "ACTIVATIONS",
    "AdaptiveBatchNorm",
    "BatchNorm",
    "ConditionalBatchNorm",
    "Conv",
    "Conv1d",
    "ConvTranspose",
    "Dense",
    "Embedding",
    "GroupNorm",
    "Head",
    "HeadName",
    "InstanceNorm",
    "LayerNorm",
    "MinibatchStd",
    "NormName",
    "PixelNorm",
    "SelfAttention",
    "WeightName",
    "activation",
    "add_bias",
    "bias_of",
    "equalised",
    "in_pairs",
    "join",
    "kernel_of",
    "max_pool",
    "maxout",
    "mean_pool",
    "normalise",
    "one_hot",
    "out_of_pairs",
    "output_bias",
    "plain",
    "scaled_leaky_relu",
    "shifts",
    "spectral",
    "standardised",
    "uniform_or_glorot",
    "weight",
    "weight_norm",
]
