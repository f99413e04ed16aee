"""Three losses on a ring of eight Gaussians: modes found, modes lost.

    python -m gan_jax.sweep --config=experiments/ablations/losses_ring.py

Whether a GAN finds all modes varies from seed to seed, so ten of them for each loss.
Everything else is as in toy2d.py. Judged are 2,500 samples: how many of the eight modes
have one within three standard deviations, the share of such samples, and the reverse KL
of their histogram; a G that drew from the data would have 8, 98.9 % and 0.0014.

The means hide that a few runs are bad: look at the medians, too. --workers=2 trains two
of the three populations at a time.
"""

from .. import toy2d


def get_config():
    config = toy2d.get_config()
    config.sample_every = 1_000
    config.evaluate_every = 1_000
    config.evaluate_metrics = ("modes",)
    return config


def sweep():
    """The losses."""
    for loss in ("saturating", "non_saturating", "least_squares"):
        yield {"loss.name": loss}


def population():
    """Ten seeds."""
    for seed in range(10):
        yield {"seed": seed}
