"""Weight decay: what the gradients get besides, before an optimizer sees them.

As the first link of an optimizer's chain it is the gradient of a term of the objective,
to the optimizer like the rest of it. (Decay past the optimizer is optax's adamw.) It
acts on kernels, not on biases or what norms learn. The keywords are those of
`config.d_decay` and `config.g_decay`.
"""

import jax
import jax.numpy as jnp
import optax

from gan_jax.config.ranges import NotNegative
from gan_jax.layers.kernels import unit_axis


def _add(gradient) -> optax.GradientTransformation:
    """Adds gradient(kernel, the axis of its units) to the gradient of every kernel."""

    def update(updates, state, params):
        def total(path, u, p):
            units = unit_axis(path)
            return u if units is None else u + gradient(p, units)

        return jax.tree_util.tree_map_with_path(total, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def none() -> optax.GradientTransformation:
    """No decay."""
    return optax.identity()


def l2(*, weight: NotNegative) -> optax.GradientTransformation:
    """The gradient of weight / 2 |W|^2, of the weights W of each kernel."""
    return _add(lambda kernel, units: weight * kernel)


def orthogonal(*, weight: NotNegative) -> optax.GradientTransformation:
    """The gradient of weight |W^T W * (1 - I)|^2, W being a kernel [inputs, units].

    It turns the weights into different units orthogonal to each other and leaves their
    lengths free (Brock et al. 2019, BigGAN, eq. 3). The paper's weight is 1e-4; its
    code, BigGAN-PyTorch, adds half of this gradient, as 5e-5 does here.
    """

    def gradient(kernel, units):
        last = jnp.moveaxis(kernel, units, -1)
        w = last.reshape(-1, last.shape[-1])
        # W W^T W, by the smaller of W W^T and W^T W, less what the diagonal gives
        cube = jnp.linalg.multi_dot([w, w.T, w], precision="highest")
        others = cube - w * jnp.sum(jnp.square(w), axis=0, keepdims=True)
        return 4 * weight * jnp.moveaxis(others.reshape(last.shape), -1, units)

    return _add(gradient)
