"""Which parameters are kernels, for what acts on parameters without their layers."""

import jax


def unit_axis(path) -> int | None:
    """The axis of a kernel that counts its units, from the end; None: no kernel.

    A kernel is [.., inputs, units], of a transposed convolution [.., units, inputs].

    path: of the parameter, from `jax.tree_util`; its layer is known by flax's own name
          for it, such as "ConvTranspose_0"
    """
    *layers, name = jax.tree_util.keystr(path, simple=True, separator="/").split("/")
    if name != "kernel":
        return None
    return -2 if any("ConvTranspose_" in layer for layer in layers) else -1
