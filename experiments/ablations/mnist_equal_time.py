"""MNIST in four minutes of a CPU core: a plain loss, WGAN-GP, R3GAN's loss.

    python -m gan_jax.sweep --config=experiments/ablations/mnist_equal_time.py

Who has the better digits for the same time, not after the same number of steps? All
networks have a quarter of their width; steps are as many as that time allows
(python -m gan_jax.benchmark). WGAN-GP is there with its published rates, whose run is
150 times as long, and with ten times these.
"""

from .. import mnist_dcgan


def get_config():
    config = mnist_dcgan.get_config()
    config.generator.width = 16
    config.discriminator.width = 16
    config.evaluate_metrics = ("frechet", "class_score")
    return config


def _steps(steps):
    """So many steps, and an evaluation at the end."""
    return {"steps": steps, "evaluate_every": steps}


def sweep():
    """What is played, and for how long."""
    yield {"loss.name": "non_saturating"} | _steps(4_000)
    yield {
        "loss.name": "relativistic",
        "penalty.name": "r1_r2",
        "penalty.gamma": 1.0,
    } | _steps(2_330)
    for rate in (1e-4, 1e-3):
        yield {
            "loss.name": "wasserstein",
            "penalty.name": "wgan_gp",
            "penalty.weight": 10.0,
            "d_steps": 5,
            "batch_size": 50,
            "generator.name": "wgan_gp",
            "generator.width": 16,
            "discriminator.name": "wgan_gp",
            "discriminator.width": 16,
            "prior.name": "normal",
            "prior.dim": 128,
            "scaling.name": "unit",
            "d_optimizer.learning_rate": rate,
            "g_optimizer.learning_rate": rate,
            "d_optimizer.b2": 0.9,
            "g_optimizer.b2": 0.9,
        } | _steps(1_300)


def population():
    """Three seeds."""
    for seed in range(3):
        yield {"seed": seed}
