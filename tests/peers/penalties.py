"""Penalties of D's slopes, in the form that is fast in PyTorch.

Each is (twin, real, fake) -> D's loss with the penalty.
"""

import functools

import torch


def make(name: str, **keywords):
    """The penalty of an entry of a config; None where there is none."""
    if name == "none":
        return None
    return functools.partial({"wgan_gp": wgan_gp, "r1_r2": r1_r2}[name], **keywords)


def wgan_gp(twin, real, fake, *, weight=10.0):
    """Slopes between real and fake are to be 1."""
    loss = twin.d_loss(*twin._scores(twin.discriminator, real, fake))
    between = torch.lerp(fake, real, twin.places(len(real))).requires_grad_()
    slopes = (squared_slopes(twin.discriminator(between), between) + 1e-12).sqrt()
    return loss + weight * (slopes - 1).square().mean()


def r1_r2(twin, real, fake, *, gamma):
    """Slopes at real and at fake examples are to be small.

    One pass and one gradient: D has no batch norm, so that the scores of examples
    depend on these alone.
    """
    both = torch.cat([real, fake]).requires_grad_()
    scores = twin.discriminator(both)
    slopes = squared_slopes(scores, both)
    return twin.d_loss(*scores.chunk(2)) + gamma * slopes.mean()


def squared_slopes(scores, x):
    """Of each example [n, c, h, w] the squared length of its score's gradient."""
    (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return gradient.square().sum((1, 2, 3))
