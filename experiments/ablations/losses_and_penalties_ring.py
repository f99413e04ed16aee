"""Losses, penalties and dynamics on a ring of eight Gaussians: who finds all modes?

python -m gan_jax.sweep --config=experiments/ablations/losses_and_penalties_ring.py
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
