"""MNIST with a small convolutional GAN and the least-squares loss.

    python -m gan_jax.main --config=experiments/mnist_lsgan.py

10 epochs. On a CPU core or two, with other work beside it: 27 minutes, and digits at
step 1,750 after 15. Seed 0 ends with D's loss at 0.14 (equilibrium: 0.25), G's at 0.24
(0.125), and at step 3,750 D's mean score of held-out digits at 0.73 (0.5). Judged by
python -m gan_jax.evaluate (10,000 samples, the project's MNIST classifier), at step
1,750 and at the end: class score 7.73 and 7.79, of real digits 9.47; Frechet distance
0.698 and 0.796, of real digits 0.022.

Any data set of TFDS with images of 28x28 will do as well:
--config.data.builder=fashion_mnist
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 3_910
    config.loss = dict(name="least_squares")
    config.generator = dict(name="dcgan_mnist")
    config.discriminator = dict(name="dcgan_mnist")
    config.prior = dict(name="uniform", dim=96)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:55000]",
    )
    config.d_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5)
    config.g_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5)
    config.log_every = 10
    config.validate_every = 250
    config.sample_every = 50
    config.checkpoint_every = 500
    return config
