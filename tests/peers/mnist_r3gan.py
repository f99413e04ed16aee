"""experiments/mnist_r3gan.py"""

from peers.mnist_dcgan import FOLLOWS as PLAIN
from peers.mnist_dcgan import make

FOLLOWS = (*PLAIN, "penalty.gamma")
__all__ = ["FOLLOWS", "make"]
