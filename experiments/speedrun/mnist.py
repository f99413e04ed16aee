"""The MNIST speedrun's newest record: good digits, on two CPU cores, in the least time.

    python -m gan_jax.main --config=experiments/speedrun/mnist_5.py \\
        --config.seed=0 --workdir=runs/mnist_5_0

Time is that of the command, from its start to its last checkpoint, on two cores that do
nothing else; compiled programs and decoded data may be there from a run before. What
10,000 samples have to reach is in `TARGETS`, each in the mean over ten seeds or more
and with p < 0.01: the Frechet distance to train[:50000] in the project's features
(digits of the test split have 0.022), the class score (they have 9.47), the recall
(0.81), and copying, the share of samples that are closer to the training digits than
held-out ones (0.5). As measured by

    python -m gan_jax.evaluate --metrics=frechet,class_score,precision_recall,copying

Data are those of the training split, with their labels or without, and no features that
were learned elsewhere help D. Latents are drawn as in training: wider ones have more
recall, which counts what lies in the large balls of outliers, and less coverage. All
else may change: networks, loss, penalty, average of G, augmentation, schedule, batch,
precision, members side by side. A record is a file beside this one, `mnist_0.py` the
first, which says what it changed, and stands once its command was run again:

    python -m gan_jax.results --add=runs/mnist_5_0,runs/mnist_5_1,...
    python -m gan_jax.results --speedrun=mnist
"""

from .mnist_5 import get_config

TARGETS = {
    "frechet_mnist": ("at most", 0.20),
    "class_score": ("at least", 9.2),
    "recall": ("at least", 0.75),
    "copying": ("at most", 0.55),
}

__all__ = ["TARGETS", "get_config"]
