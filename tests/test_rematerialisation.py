"""Blocks that are computed anew for the gradient: the same, of what is kept less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.models import r3gan, sngan_resnet, wgan_gp_resnet
from gan_jax.networks import network

SHAPE, SMALL = (32, 32, 3), (8, 8, 3)
STAGES = {"widths": (8, 8), "blocks": 2, "group": 4}
# of each network: its class, its fields, and its inputs
NETWORKS = {
    "sngan_resnet G": (sngan_resnet.Generator, {"shape": SHAPE, "width": 4}, (2, 8)),
    "sngan_resnet D": (sngan_resnet.Discriminator, {"width": 4}, (2, *SHAPE)),
    "wgan_gp_resnet G": (
        wgan_gp_resnet.Generator,
        *({"shape": SMALL, "width": 4}, (2, 8)),
    ),
    "wgan_gp_resnet D": (wgan_gp_resnet.Discriminator, {"width": 4}, (2, *SMALL)),
    "r3gan G": (r3gan.Generator, {"shape": SMALL, **STAGES}, (2, 8)),
    "r3gan D": (r3gan.Discriminator, STAGES, (2, *SMALL)),
}


def made(name, remat):
    """params, stats -> a number, and shapes of both."""
    kind, fields, shape = NETWORKS[name]
    net = network(kind(**fields, remat=remat))
    x = jax.random.normal(jax.random.key(0), shape)

    def number(params, stats):
        output, moved = net.apply(params, stats, x, train=True)
        return jnp.mean(jnp.square(output)), moved

    return number, lambda: net.init(jax.random.key(1), x)


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_keep_their_names_and_less_is_kept_for_the_gradient(name):
    """As a run whose blocks were kept goes on, and the other way round."""
    plain, anew = (made(name, remat) for remat in (False, True))
    variables = jax.eval_shape(plain[1])
    assert jax.eval_shape(anew[1]) == variables

    def kept(number):
        """How many numbers lie between a loss and its gradient."""
        _, pull_back, _ = jax.eval_shape(
            lambda params, stats: jax.vjp(
                lambda params: number(params, stats), params, has_aux=True
            ),
            *variables,
        )
        return sum(leaf.size for leaf in jax.tree.leaves(pull_back))

    assert kept(anew[0]) < 0.5 * kept(plain[0])


@pytest.mark.parametrize("name", ["wgan_gp_resnet G", "r3gan D"])
def test_values_gradients_and_statistics_are_the_same(name):
    (plain, init), (anew, _) = (made(name, remat) for remat in (False, True))
    found = [
        jax.jit(jax.value_and_grad(number, has_aux=True))(*init())
        for number in (plain, anew)
    ]
    for one, other in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
