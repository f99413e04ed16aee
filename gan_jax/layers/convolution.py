"""Convolution and its derivatives, each in its fastest form.

A convolution of an image x with a kernel w, weighted by y, is one trilinear form

    t(x, w, y) = sum of y * convolution(x, w).

Its gradient in y is the convolution itself, in x the transposed convolution, in w what
trains the kernel. Each is bilinear in the other two arguments, so each has the other
two as derivatives: three functions closed under reverse-mode differentiation, in their
fastest form however often a gradient penalty differentiates. (They do not support
forward mode, `jax.jvp`.) XLA has slow paths on CPU, up to fifty times slower than need
be, for some derivatives of the plain ones; `convolution_on_cpu` knows better ones.
"""

import functools

import jax
from jax import lax

from gan_jax.layers import convolution_on_cpu as on_cpu
from gan_jax.layers import plain_convolution as plain
from gan_jax.layers.plain_convolution import Window

__all__ = ["Window", "to_features", "to_image", "to_kernel"]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def to_features(x, w, window):
    """Convolution: images [n, h, w, i], kernel [kh, kw, i, o] -> features [.., o]."""
    return _fastest(plain.to_features, on_cpu.to_features, x, w, window)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def to_image(y, w, window):
    """Transposed convolution: features and kernel, as above -> images [n, h, w, i]."""
    return _fastest(plain.to_image, on_cpu.to_image, y, w, window)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def to_kernel(x, y, window):
    """The kernel's gradient: images and features, as above -> [kh, kw, i, o]."""
    return _fastest(plain.to_kernel, on_cpu.to_kernel, x, y, window)


def _fastest(plain, form_on_cpu, a, b, window):
    """`plain` of two arrays, or on a CPU the form that is made for such ones."""
    form = form_on_cpu(a, b, window) or plain
    if form is plain:
        return plain(a, b, window)
    form, default = (functools.partial(f, window=window) for f in (form, plain))
    return lax.platform_dependent(a, b, cpu=form, default=default)


to_features.defvjp(
    lambda x, w, window: (to_features(x, w, window), (x, w)),
    lambda window, xw, y: (to_image(y, xw[1], window), to_kernel(xw[0], y, window)),
)
to_image.defvjp(
    lambda y, w, window: (to_image(y, w, window), (y, w)),
    lambda window, yw, x: (to_features(x, yw[1], window), to_kernel(x, yw[0], window)),
)
to_kernel.defvjp(
    lambda x, y, window: (to_kernel(x, y, window), (x, y)),
    lambda window, xy, w: (to_image(xy[1], w, window), to_features(xy[0], w, window)),
)
