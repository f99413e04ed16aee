"""The CIFAR-10 speedrun's newest record: good images, on one GPU, in the least time.

    python -m gan_jax.main --config=experiments/speedrun/cifar10_0.py \\
        --config.seed=0 --workdir=runs/cifar10_0_0

The rules are those of `mnist.py`, but that time is that of one GPU and the data are
train[:45000]. What 5,000 images of train[45000:] have of what 10,000 samples have to
reach: a Frechet distance of 0.031 in the project's features, a class score of 6.78, a
recall of 0.857. Measured with

    python -m gan_jax.evaluate --held_out="train[45000:]" \\
        --metrics=frechet,class_score,precision_recall,copying
"""

from .cifar10_0 import get_config

TARGETS = {
    "frechet_cifar10": ("at most", 0.30),
    "class_score": ("at least", 6.0),
    "recall": ("at least", 0.60),
    "copying": ("at most", 0.55),
}

__all__ = ["TARGETS", "get_config"]
