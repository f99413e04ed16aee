"""Losses, penalties and dynamics on a ring of eight Gaussians: who finds all modes?

    python -m gan_jax.sweep --config=experiments/ablations/losses_and_penalties_ring.py

Networks, learning rates and data are those of toy2d.py, the same for all, and so are
5,000 steps, few enough to tell who is slow. A critic takes five updates a step. Judged
are 2,500 samples: modes with one within three standard deviations, the share of such
samples, and the reverse KL of their histogram; a G that drew from the data would have
8, 98.9 % and 0.0014. At one learning rate and one weight this says which objective the
setting suits, not which is best.

What to look for in the pictures: with a clipped critic, whose level sets are nearly
straight, samples lie all along the ring; with R1 D says nearly 1/2 everywhere, and
samples lie in eight clusters, some of them beside their modes.
"""

from .. import toy2d


def get_config():
    config = toy2d.get_config()
    config.steps = 5_000
    config.sample_every = 2_500
    config.validate_every = 1_000
    config.checkpoint_every = 5_000
    config.evaluate_every = 2_500
    config.evaluate_metrics = ("modes",)
    return config


def sweep():
    """What is played."""
    r1 = {"penalty.name": "r1", "penalty.gamma": 0.1}
    r1_r2 = {"penalty.name": "r1_r2", "penalty.gamma": 0.1}
    critic = {"loss.name": "wasserstein", "d_steps": 5}
    yield {"loss.name": "saturating"}
    yield {"loss.name": "non_saturating"}
    yield {"loss.name": "least_squares"}
    yield {"loss.name": "hinge"}
    yield critic | {"d_constraint.name": "clip", "d_constraint.limit": 0.1}
    yield critic | {"penalty.name": "wgan_gp", "penalty.weight": 0.1}
    yield {"loss.name": "non_saturating"} | r1
    yield {"loss.name": "non_saturating"} | r1_r2
    yield {"loss.name": "relativistic"} | r1_r2
    yield {"loss.name": "saturating", "dynamics.name": "unrolled", "dynamics.k": 5}
    yield {
        "loss.name": "non_saturating",
        "dynamics.name": "consensus",
        "dynamics.gamma": 1.0,
        "turns": "simultaneous",
    }


def population():
    """Five seeds."""
    for seed in range(5):
        yield {"seed": seed}
