"""experiments/mnist_r3gan.py"""

from peers.mnist_dcgan import make

FOLLOWS = (
    "batch_size",
    "d_steps",
    "generator.width",
    "discriminator.width",
    "penalty.gamma",
    "prior.dim",
    "d_optimizer.learning_rate",
    "g_optimizer.learning_rate",
    "d_optimizer.eps",
    "g_optimizer.eps",
)
__all__ = ["FOLLOWS", "make"]
