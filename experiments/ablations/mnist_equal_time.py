"""MNIST in four minutes of a CPU core: a plain loss, WGAN-GP, R3GAN's loss.

    python -m gan_jax.sweep --config=experiments/ablations/mnist_equal_time.py

Who has the better digits for the same time, not after the same number of steps? All
networks have a quarter of their width; steps are as many as one core of the machine
below takes in four minutes.

    objective                  networks  ms a step  steps  frechet_mnist  class score
    non-saturating             dcgan     60         4,000  0.58 +- 0.04   7.59 +- 0.05
    relativistic, R1 and R2    dcgan     103        2,330  0.50 +- 0.09   7.55 +- 0.16
    WGAN-GP, as published      wgan_gp   184        1,300  7.53 +- 0.08   3.00 +- 0.04
    WGAN-GP, rates times ten   wgan_gp   184        1,300  1.65 +- 0.03   5.79 +- 0.03

Mean and standard error of three seeds; 10,000 samples against train[:50000], by the
project's classifier (real digits have 0.022 and 9.47). The times are those of the steps
on one idle core (AMD EPYC, jax 0.10.2), by python -m gan_jax.benchmark. Seen in the
pictures: digits of the first two, cleaner of the second; strokes of WGAN-GP, and most
of them digits with the larger rates. Its published run is 150 times as long.
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
