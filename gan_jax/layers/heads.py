"""What a discriminator says of the features of its last layer."""

import functools
from collections.abc import Callable
from typing import Any, Literal, get_args

import jax.numpy as jnp
from flax import linen as nn

from gan_jax.errors import UsageError, nearest
from gan_jax.layers.affine import Dense
from gan_jax.layers.conditional import one_hot
from gan_jax.layers.weights import plain

HeadName = Literal["score", "projection", "auxiliary", "classes"]


class Head(nn.Module):
    """Features h [n, d] -> what `kind` says.

    score:      scores [n]
    projection: scores [n] of h and labels y, the sum of a score of h and of <v_y, h>,
                v_y a learned vector (Miyato and Koyama 2018, arXiv:1802.05637)
    auxiliary:  (scores [n], logits [n, classes]) (Odena et al. 2017, arXiv:1610.09585)
    classes:    logits [n, classes]

    `weight` is that of all kernels, and so is `kernel_init`; the vectors v are columns
    of one, of a layer of as many units as classes (SNEmbedID in the authors' code).
    Raises UsageError for an unknown kind, where classes are needed and there are none,
    and for a projection without labels.
    """

    kind: HeadName = "score"
    classes: int = 0
    use_bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    weight: Callable[[nn.Module, Any], Any] = plain

    @nn.compact
    def __call__(self, h, y=None):
        """y: labels, int32 [n] or weights [n, classes], for a projection."""
        kinds = get_args(HeadName)
        if self.kind not in kinds:
            raise UsageError(f"head {self.kind!r}; {nearest(self.kind, kinds)}")
        if self.kind != "score" and self.classes < 1:
            raise UsageError(
                f"head {self.kind} tells classes, but the data have none; train on "
                "data with labels"
            )
        if self.kind == "projection" and y is None:
            raise UsageError("head projection needs labels; play a game that has them")
        dense = functools.partial(
            Dense, kernel_init=self.kernel_init, weight=self.weight
        )
        if self.kind == "classes":
            return dense(self.classes, use_bias=self.use_bias)(h)
        scores = dense(1, use_bias=self.use_bias)(h)[:, 0]
        if self.kind == "projection":
            products = dense(self.classes, use_bias=False)(h)
            return scores + jnp.sum(one_hot(y, self.classes) * products, -1)
        if self.kind == "auxiliary":
            return scores, dense(self.classes, use_bias=self.use_bias)(h)
        return scores
